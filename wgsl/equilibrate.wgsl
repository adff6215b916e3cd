// scale_i matrix_ij scale_j, 1 on the diagonal.
// Bindings: 0 parameters; 1 matrix, F32; 2 scale, F32 1 x n; 3 out, F32. One thread a number, as in add.wgsl.
struct Params {
  rows: u32, // of this dispatch
  cols: u32,
  first: u32, // its first row in the matrix
  matrix_row: u32, // and in each tile
  out_row: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> matrix: array<f32>;
@group(0) @binding(2) var<storage, read> scale: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  if (i >= params.rows * params.cols) {
    return;
  }
  let row = params.first + i / params.cols;
  let col = i % params.cols;
  let scaled = matrix[params.matrix_row * params.cols + i] * (scale[row] * scale[col]);
  out[params.out_row * params.cols + i] = select(scaled, 1.0, row == col);
}
