// Subtracts a matrix from columns of a wider one.
// Bindings: 0 parameters; 1 product, F32; 2 out, F32 rows x cols. One thread a number, as in add.wgsl.
struct Params {
  rows: u32,
  count: u32, // columns that are subtracted
  stride: u32, // numbers of a row of the product
  product_row: u32,
  cols: u32,
  out_row: u32,
  out_col: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> product: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  let row = i / params.count;
  let col = i % params.count;
  if (row < params.rows) {
    out[(params.out_row + row) * params.cols + params.out_col + col] -= product[(params.product_row + row) * params.stride + col];
  }
}
