// out = scale * (high + low), rounded once; the scale is a pair as well.
// Bindings: 0 parameters; 1 high, 2 low, 3 out, F32 1 x cols. One thread a column, as in
// add.wgsl.
struct Params {
  zero: u32, // see pairs.wgsl
  cols: u32,
  scale_high: f32,
  scale_low: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> high: array<f32>;
@group(0) @binding(2) var<storage, read> low: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let col = (group.y * groups.x + group.x) * THREADS + lane;
  zero_bits = params.zero;
  if (col >= params.cols) {
    return;
  }
  let product = two_product(high[col], params.scale_high);
  let rest = high[col] * params.scale_low + low[col] * params.scale_high;
  out[col] = product.x + (product.y + rest);
}
