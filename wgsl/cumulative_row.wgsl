// Wanda's variant, one alpha: for every row the largest value v such that the sum of the scores below v, plus v, stays
// within alpha times the row's sum. That grows with v, and v grows with alpha; so v is looked for between those of the
// alphas around it, a quarter of what is left at a time. Every score up to v goes; how many that are, over all rows,
// decides about the next alpha (cumulative_step.wgsl).
// Bindings: 0 parameters; 1 scores, F32 rows x cols; 2 totals, F32 rows x 1; 3 alphas, F32, those of the bisection as a
// binary tree: the children of node i are 2i, a smaller alpha, and 2i + 1; 4 search, its state; 5 bounds, u32 rows x 2:
// the bits of the values between which v lies; 6 limits, u32 rows x 2 as in select_row.wgsl. One workgroup a row.
struct Params {
  zero: u32, // see pairs.wgsl
  cols: u32,
  score_row: u32,
  total_row: u32,
  bound_row: u32,
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
@group(0) @binding(5) var<storage, read_write> bounds: array<vec2u>;
@group(0) @binding(6) var<storage, read_write> limits: array<vec2u>;

override THREADS: u32 = 64u;
var<workgroup> node: u32;
var<workgroup> between: vec2u;
var<workgroup> sums: array<vec2f, 3u * THREADS>;
var<workgroup> removed: atomic<u32>;

// The largest finite number's bits.
const LARGEST = 0x7f7fffffu;

// Where v can be, before anything is summed: what the last alpha gave is now a bound.
fn first_bounds(limit_row: u32, bound_row: u32) -> vec2u {
  var range = vec2u(0u, LARGEST);
  if (search.node > 1u) {
    range = bounds[bound_row];
    if (search.node % 2u == 1u) {
      range.x = limits[limit_row].x;
    } else {
      range.y = limits[limit_row].x;
    }
  }
  bounds[bound_row] = range;
  return range;
}

// 1 if a sum of scores below a value, plus the value, is within the limit.
fn fits(sum: vec2f, value: u32, limit: f32) -> u32 {
  let all = add_number(sum, bitcast<f32>(value));
  return select(0u, 1u, opaque(all.x + all.y) <= limit);
}

// How many of the three candidates fit; they grow, so the first ones do.
fn fitting(candidates: vec3u, high: u32, limit: f32) -> u32 {
  var total = array<vec2f, 3>();
  for (var i = 0u; i < THREADS; i++) {
    total[0] = add_pair(total[0], sums[3u * i + 0u]);
    total[1] = add_pair(total[1], sums[3u * i + 1u]);
    total[2] = add_pair(total[2], sums[3u * i + 2u]);
  }
  return select(0u, fits(total[0], candidates.x, limit), candidates.x <= high) +
    select(0u, fits(total[1], candidates.y, limit), candidates.y <= high) +
    select(0u, fits(total[2], candidates.z, limit), candidates.z <= high);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  zero_bits = params.zero;
  if (lane == 0u) {
    node = select(search.node, 0u, search.done == 1u);
    if (search.done == 0u) {
      between = first_bounds(params.limit_row + group.x, params.bound_row + group.x);
    }
  }
  let at = workgroupUniformLoad(&node);
  if (at == 0u) {
    return;
  }
  let begin = (params.score_row + group.x) * params.cols;
  let limit = opaque(alphas[at] * totals[params.total_row + group.x]);
  var range = workgroupUniformLoad(&between);
  while (range.x < range.y) {
    let step = (range.y - range.x) / 4u + 1u;
    let candidates = vec3u(range.x) + vec3u(1u, 2u, 3u) * step;
    var mine = array<vec2f, 3>();
    for (var j = lane; j < params.cols; j += THREADS) {
      let score = scores[begin + j];
      let below = select(vec3f(0.0), vec3f(score), vec3u(bitcast<u32>(score)) < candidates);
      mine[0] = add_number(mine[0], below.x);
      mine[1] = add_number(mine[1], below.y);
      mine[2] = add_number(mine[2], below.z);
    }
    sums[3u * lane] = mine[0];
    sums[3u * lane + 1u] = mine[1];
    sums[3u * lane + 2u] = mine[2];
    workgroupBarrier();
    if (lane == 0u) {
      let low = range.x + fitting(candidates, range.y, limit) * step;
      between = vec2u(low, min(range.y, low + step - 1u));
    }
    range = workgroupUniformLoad(&between);
  }
  var count = 0u;
  for (var j = lane; j < params.cols; j += THREADS) {
    count += select(0u, 1u, bitcast<u32>(scores[begin + j]) <= range.x);
  }
  atomicAdd(&removed, count);
  workgroupBarrier();
  if (lane == 0u) {
    atomicAdd(&search.removed, atomicLoad(&removed));
    limits[params.limit_row + group.x] = vec2u(range.x, 0xffffffffu);
  }
}
