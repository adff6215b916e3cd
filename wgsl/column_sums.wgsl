// Adds the sums of the columns of x to a row of numbers. Sums are pairs.
// Bindings: 0 parameters; 1 x, F32 rows x cols; 2 out, F32 1 x cols. One thread a column, as in add.wgsl.
struct Params {
  zero: u32, // see pairs.wgsl
  rows: u32,
  cols: u32,
  row: u32, // the first
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  zero_bits = params.zero;
  let col = (group.y * groups.x + group.x) * THREADS + lane;
  if (col >= params.cols) {
    return;
  }
  var sum = vec2f(out[col], 0.0);
  for (var i = 0u; i < params.rows; i++) {
    sum = add_number(sum, x[(params.row + i) * params.cols + col]);
  }
  out[col] = sum.x;
}
