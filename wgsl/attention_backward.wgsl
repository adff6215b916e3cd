// What the scores of one head of one sequence have to do with a loss: from q k (products, in) and e = dy v (by) the
// probabilities p, in the place of the products, and scale p (e - Σ p e), times 1 - tanh² of a capped score, in that of e.
// Bindings: 0 parameters; 1 products and 2 by, F32 queries x keys, of one layout; 3 slopes, F32, one a head (without: not
// bound). One workgroup a query: its threads take every THREADS-th key, then add up their parts in a fixed order.
struct Params {
  keys: u32, // of a row
  first: u32, // the query of the first row of this dispatch, by its number in the sequence
  row: u32, // where it is in the tiles
  scale: f32,
  window: u32, // keys that a row sees at most
  cap: f32, // of the scores, if they are capped
  head: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> products: array<f32>;
@group(0) @binding(2) var<storage, read_write> by: array<f32>;
@group(0) @binding(3) var<storage, read> slopes: array<f32>;

override CAPPED: u32 = 0u;
override SLOPED: u32 = 0u;

// The largest of all threads' parts (as `total` of workgroup_sum.wgsl).
fn highest(part: f32, lane: u32) -> f32 {
  workgroupBarrier();
  parts[lane] = part;
  workgroupBarrier();
  var most = parts[0];
  for (var i = 1u; i < THREADS; i++) {
    most = max(most, parts[i]);
  }
  return most;
}

fn score(product: f32, query: u32, key: u32) -> f32 {
  var result = product * params.scale;
  if (CAPPED == 1u) {
    result = soft_cap(result, params.cap);
  }
  if (SLOPED == 1u) {
    result += slopes[params.head] * f32(i32(key) - i32(query));
  }
  return result;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let query = params.first + group.x;
  let begin = (params.row + group.x) * params.keys;
  let first_key = query + 1u - min(params.window, query + 1u);
  var most = -3.0e38;
  for (var key = first_key + lane; key <= query; key += THREADS) {
    most = max(most, score(products[begin + key], query, key));
  }
  most = highest(most, lane);
  var sum = 0.0;
  var mean = 0.0;
  for (var key = first_key + lane; key <= query; key += THREADS) {
    let power = exp(score(products[begin + key], query, key) - most);
    sum += power;
    mean += power * by[begin + key];
  }
  sum = total(sum, lane);
  mean = total(mean, lane) / sum;
  for (var key = lane; key < params.keys; key += THREADS) {
    let at = begin + key;
    if (key < first_key || key > query) {
      products[at] = 0.0;
      by[at] = 0.0;
      continue;
    }
    let share = exp(score(products[at], query, key) - most) / sum;
    var slope = params.scale;
    if (CAPPED == 1u) {
      let t = precise_tanh(products[at] * params.scale / params.cap);
      slope *= (1.0 - t) * (1.0 + t);
    }
    products[at] = share;
    by[at] = share * (by[at] - mean) * slope;
  }
}
