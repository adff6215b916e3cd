// How many weights a mask removes in each cell of a grid over the matrix: one thread a cell adds what some rows have of it.
// Bindings: 0 parameters; 1 mask, u32 rows x words; 2 out, F32 down x across.
struct Params {
  rows: u32, // of the whole mask
  cols: u32,
  down: u32,
  across: u32,
  words: u32, // of a row of the mask
  first: u32, // the rows of this dispatch, of the whole mask
  end: u32,
  mask_row: u32, // where they begin in their tile
  cell_row: u32, // the first row of cells in the tile of `out`
  cell_rows: u32, // and how many there are
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> mask: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

override THREADS: u32 = 64u;

// floor(cell * size / cells), which may not fit a word before it is divided.
fn edge(cell: u32, size: u32, cells: u32) -> u32 {
  return cell * (size / cells) + cell * (size % cells) / cells;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  if (i >= params.cell_rows * params.across) {
    return;
  }
  let cell = params.cell_row + i / params.across;
  let part = i % params.across;
  let top = max(edge(cell, params.rows, params.down), params.first);
  let bottom = min(edge(cell + 1u, params.rows, params.down), params.end);
  let left = edge(part, params.cols, params.across);
  let right = edge(part + 1u, params.cols, params.across) - 1u;
  var count = 0u;
  for (var row = top; row < bottom; row++) {
    let begin = (params.mask_row + row - params.first) * params.words;
    for (var word = left / 32u; word <= right / 32u; word++) {
      var bits = mask[begin + word];
      if (word == left / 32u) {
        bits &= 0xffffffffu << (left & 31u);
      }
      if (word == right / 32u) {
        bits &= 0xffffffffu >> (31u - (right & 31u));
      }
      count += countOneBits(bits);
    }
  }
  out[i] += f32(count);
}
