// Writes a tile of a matrix of 32-bit numbers into a tile of its transpose.
// Bindings: 0 parameters; 1 source; 2 out. One thread a number of the source that this tile of out holds.
struct Params {
  rows: u32, // of the source's tile
  cols: u32,
  first_row: u32, // the row of the matrix that the source's tile begins with
  first_col: u32, // columns [first_col, first_col + count) are the rows of out's tile
  count: u32,
  out_cols: u32, // rows of the whole matrix
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  let row = i / params.count;
  let col = i % params.count;
  if (row < params.rows) {
    out[col * params.out_cols + params.first_row + row] = source[row * params.cols + params.first_col + col];
  }
}
