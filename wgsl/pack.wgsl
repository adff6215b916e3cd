// Lays rows of a matrix out anew, as F32: number (row, col) goes to out_at + row * row_stride + col * col_stride, and
// columns after the source's own are zeros. linear.wgsl reads weights column-major from such a copy, and rows whose
// length is not a multiple of four from one with padded rows.
// Bindings: 0 parameters; 1 source, stored as SOURCE says; 2 out, F32. One thread a number, as in add.wgsl.
struct Params {
  rows: u32,
  cols: u32, // of the source
  source_row: u32, // where these rows begin
  source_stride: u32, // numbers between two of them
  out_cols: u32,
  out_at: u32,
  row_stride: u32,
  col_stride: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

override SOURCE: u32 = 0u;
override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  let row = i / params.out_cols;
  let col = i % params.out_cols;
  if (row >= params.rows) {
    return;
  }
  var bits = 0u;
  if (col < params.cols) {
    let number = (params.source_row + row) * params.source_stride + col;
    bits = bits_of(source[word_of(number, SOURCE)], number, SOURCE);
  }
  out[params.out_at + row * params.row_stride + col * params.col_stride] = bits;
}
