// Adds `count` rows of pairs to one row of pairs, column by column.
// Bindings: 0 parameters; 1 high and 2 low, F32 1 x cols, the sums; 3 other_high and 4 other_low, F32 count x cols. One
// thread a column, as in add.wgsl.
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
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let col = (group.y * groups.x + group.x) * THREADS + lane;
  zero_bits = params.zero;
  if (col >= params.cols) {
    return;
  }
  var sum = vec2f(high[col], low[col]);
  for (var i = 0u; i < params.count; i++) {
    sum = add_pair(sum, vec2f(other_high[i * params.cols + col], other_low[i * params.cols + col]));
  }
  high[col] = sum.x;
  low[col] = sum.y;
}
