// out = scale * (high + low), rounded once; the scale is a pair as well.
// Bindings: 0 parameters; 1 high, 2 low, 3 out, F32 1 x cols. One thread a column.
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
fn main(@builtin(global_invocation_id) id: vec3u) {
  zero_bits = params.zero;
  if (id.x >= params.cols) {
    return;
  }
  let product = two_product(high[id.x], params.scale_high);
  let rest = high[id.x] * params.scale_low + low[id.x] * params.scale_high;
  out[id.x] = product.x + (product.y + rest);
}
