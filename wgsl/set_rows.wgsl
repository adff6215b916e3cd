// Rows of x written to some rows of another matrix, in its dtype: out[rows[i]] = x[i].
// Bindings: 0 parameters; 1 a tile of x, the bits of F32; 2 rows, one u32 a row of x; 3 a tile of out, stored as OUT says. One
// thread a word of out; two numbers that share one are of one row. Rows that are in another tile of out are left to it.
struct Params {
  count: u32, // rows of x in this dispatch
  cols: u32,
  x_row: u32, // where they begin in x's tile
  place: u32, // and in that of rows
  first: u32, // the row of out that its tile begins with
  out_rows: u32, // of the tile
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> rows: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;

override OUT: u32 = 0u;
override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  let words = word_of(params.cols, OUT); // of a row
  let row = i / words;
  if (row >= params.count) {
    return;
  }
  let to = rows[params.place + row] - params.first; // wraps for a row before the tile
  if (to >= params.out_rows) {
    return;
  }
  let at = (params.x_row + row) * params.cols;
  let word = i % words;
  if (OUT == F32) {
    out[to * words + word] = x[at + word];
  } else {
    let low = half_of(x[at + 2u * word], OUT);
    out[to * words + word] = low | (half_of(x[at + 2u * word + 1u], OUT) << 16u);
  }
}
