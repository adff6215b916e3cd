// Adds `count` rows of pairs to one row of pairs, column by column.
// Bindings: 0 parameters; 1 high and 2 low, F32 1 x cols, the sums; 3 other_high and 4 other_low, F32 count x cols. One
// thread a column.
struct Params {
  zero: u32, // see pairs.wgsl
  cols: u32,
  count: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> high: array<f32>;
@group(0) @binding(2) var<storage, read_write> low: array<f32>;
@group(0) @binding(3) var<storage, read> other_high: array<f32>;
@group(0) @binding(4) var<storage, read> other_low: array<f32>;

override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(global_invocation_id) id: vec3u) {
  zero_bits = params.zero;
  if (id.x >= params.cols) {
    return;
  }
  var sum = vec2f(high[id.x], low[id.x]);
  for (var i = 0u; i < params.count; i++) {
    sum = add_pair(sum, vec2f(other_high[i * params.cols + id.x], other_low[i * params.cols + id.x]));
  }
  high[id.x] = sum.x;
  low[id.x] = sum.y;
}
