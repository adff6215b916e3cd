// The sum of every row of scores, summed as pairs and rounded once.
// Bindings: 0 parameters; 1 scores, F32 rows x cols; 2 totals, F32 rows x 1. One workgroup a row.
struct Params {
  zero: u32, // see pairs.wgsl
  cols: u32,
  score_row: u32,
  total_row: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scores: array<f32>;
@group(0) @binding(2) var<storage, read_write> totals: array<f32>;

override THREADS: u32 = 64u;
var<workgroup> sums: array<vec2f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  zero_bits = params.zero;
  let begin = (params.score_row + group.x) * params.cols;
  var sum = vec2f(0.0, 0.0);
  for (var j = lane; j < params.cols; j += THREADS) {
    sum = add_number(sum, scores[begin + j]);
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane != 0u) {
    return;
  }
  sum = vec2f(0.0, 0.0);
  for (var i = 0u; i < THREADS; i++) {
    sum = add_pair(sum, sums[i]);
  }
  totals[params.total_row + group.x] = sum.x + sum.y;
}
