// The dot product of every row of x with the same row of y; or, DIAGONAL, of its squares with y's only row. Sums are pairs.
// Bindings: 0 parameters; 1 x and 2 y, F32; 3 out, F32 rows x 1. A workgroup a row.
struct Params {
  zero: u32, // see pairs.wgsl
  cols: u32,
  x_row: u32,
  y_row: u32,
  out_row: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

override DIAGONAL: bool = false;
override THREADS: u32 = 64u;
var<workgroup> sums: array<vec2f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  zero_bits = params.zero;
  let x_at = (params.x_row + group.x) * params.cols;
  let y_at = (params.y_row + group.x) * params.cols;
  var sum = vec2f(0.0, 0.0);
  for (var j = lane; j < params.cols; j += THREADS) {
    let number = x[x_at + j];
    if (DIAGONAL) {
      sum = add_number(sum, number * number * y[j]);
    } else {
      sum = add_number(sum, number * y[y_at + j]);
    }
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 1u; i < THREADS; i++) {
      sum = add_pair(sum, sums[i]);
    }
    out[params.out_row + group.x] = sum.x;
  }
}
