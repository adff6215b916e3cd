// Columns of a block, from left to right: the error of every removed weight is spread over the block's columns to its
// right. Rows are independent, so a thread has one.
// Bindings: 0 parameters; 1 factor, F32, a tile of U; 2 column, F32 1 x cols, see worth.wgsl; 3 block, F32 width x rows;
// 4 state, width x rows: 1 or 0, whether a weight goes, until its column is reached; then the bits of its error, F32, with
// -0 for no error, so that only what stays has 0.
struct Params {
  rows: u32,
  cols: u32, // of the factor
  first: u32, // the block's first column
  width: u32,
  begin: u32, // columns [begin, end) of the block, now
  end: u32,
  factor_row: u32, // where the row of column `begin` is in the factor's tile
  m: u32, // of n:m
  remove: u32, // m - n
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> factor: array<f32>;
@group(0) @binding(2) var<storage, read> column: array<f32>;
@group(0) @binding(3) var<storage, read_write> block: array<f32>;
@group(0) @binding(4) var<storage, read_write> state: array<u32>;

override FORMULA: u32 = 0u;
override GROUPS: bool = false;
override THREADS: u32 = 64u;

fn worth_of(row: u32, col: u32) -> f32 {
  return worth(block[col * params.rows + row], column[params.first + col], FORMULA);
}

// n:m from the weights as they are: those of rank below m - n go, see select_groups.wgsl.
fn choose(row: u32, first: u32) {
  for (var j = first; j < first + params.m; j++) {
    let score = worth_of(row, j);
    var rank = 0u;
    for (var other = first; other < first + params.m; other++) {
      let rival = worth_of(row, other);
      rank += select(0u, 1u, rival < score || (rival == score && other < j));
    }
    state[j * params.rows + row] = select(0u, 1u, rank < params.remove);
  }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  if (row >= params.rows) {
    return;
  }
  for (var j = params.begin; j < params.end; j++) {
    if (GROUPS) {
      if (j % params.m == 0u) {
        choose(row, j);
      }
    }
    let at = j * params.rows + row;
    if (state[at] == 0u) {
      continue;
    }
    let u = (params.factor_row + j - params.begin) * params.cols + params.first;
    let error = block[at] / factor[u + j];
    block[at] = 0.0;
    state[at] = select(bitcast<u32>(error), 0x80000000u, error == 0.0);
    for (var k = j + 1u; k < params.width; k++) {
      block[k * params.rows + row] -= error * factor[u + k];
    }
  }
}
