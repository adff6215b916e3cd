// Wanda's variant, one alpha: for every row the largest value v such that the sum of the scores below v, plus v, stays
// within alpha times the row's sum. That grows with v, so v is found bit by bit from the top. Every score up to v goes;
// how many that are, over all rows, decides about the next alpha (cumulative_step.wgsl).
// Bindings: 0 parameters; 1 scores, F32 rows x cols; 2 totals, F32 rows x 1; 3 alphas, F32, those of the bisection as a
// binary tree: the children of node i are 2i and 2i + 1; 4 search, its state; 5 limits, u32 rows x 2 as in
// select_row.wgsl. One workgroup a row.
struct Params {
  zero: u32, // see pairs.wgsl
  cols: u32,
  score_row: u32,
  total_row: u32,
  limit_row: u32,
}
struct Search {
  node: u32, // in the tree of alphas
  done: u32, // 1: the sparsity is met, the limits stand
  removed: atomic<u32>, // scores that go with this alpha
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scores: array<f32>;
@group(0) @binding(2) var<storage, read> totals: array<f32>;
@group(0) @binding(3) var<storage, read> alphas: array<f32>;
@group(0) @binding(4) var<storage, read_write> search: Search;
@group(0) @binding(5) var<storage, read_write> limits: array<vec2u>;

override THREADS: u32 = 64u;
var<workgroup> node: u32;
var<workgroup> sums: array<vec2f, THREADS>;
var<workgroup> fits: u32;
var<workgroup> removed: atomic<u32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  zero_bits = params.zero;
  if (lane == 0u) {
    node = select(search.node, 0u, search.done == 1u);
  }
  let at = workgroupUniformLoad(&node);
  if (at == 0u) {
    return;
  }
  let begin = (params.score_row + group.x) * params.cols;
  let limit = opaque(alphas[at] * totals[params.total_row + group.x]);
  var value = 0u; // 0 always fits
  for (var unit = 0x40000000u; unit > 0u; unit >>= 1u) {
    let candidate = value + unit;
    var sum = vec2f(0.0, 0.0);
    for (var j = lane; j < params.cols; j += THREADS) {
      let score = scores[begin + j];
      if (bitcast<u32>(score) < candidate) {
        sum = add_number(sum, score);
      }
    }
    sums[lane] = sum;
    workgroupBarrier();
    if (lane == 0u) {
      sum = vec2f(bitcast<f32>(candidate), 0.0);
      for (var i = 0u; i < THREADS; i++) {
        sum = add_pair(sum, sums[i]);
      }
      fits = select(0u, 1u, candidate < 0x7f800000u && opaque(sum.x + sum.y) <= limit);
    }
    if (workgroupUniformLoad(&fits) == 1u) {
      value = candidate;
    }
  }
  var count = 0u;
  for (var j = lane; j < params.cols; j += THREADS) {
    count += select(0u, 1u, bitcast<u32>(scores[begin + j]) <= value);
  }
  atomicAdd(&removed, count);
  workgroupBarrier();
  if (lane == 0u) {
    atomicAdd(&search.removed, atomicLoad(&removed));
    limits[params.limit_row + group.x] = vec2u(value, 0xffffffffu);
  }
}
