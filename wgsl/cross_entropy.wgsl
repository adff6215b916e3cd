// Folds a block of logits into the running cross entropy of its tokens: the largest logit so far, the sum of
// exp(logit - largest) so far, and the target's logit.
// Bindings: 0 parameters; 1 logits, F32 rows x cols; 2 targets, one u32 a token; 3 state, F32 tokens x 3. One workgroup
// a token; its threads take every THREADS-th logit, then fold their parts in a fixed order.
struct Params {
  cols: u32,
  row: u32, // where these tokens begin in the tile of logits
  target_row: u32, // where these tokens begin in the tile of targets
  state_row: u32, // and in the tile of the state
  first: u32, // the vocabulary row of the first logit
  start: u32, // 1: forget what the state holds
  cap: f32, // of the logits, if they are capped
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read_write> state: array<f32>;

override CAPPED: u32 = 0u;
override THREADS: u32 = 64u;
var<workgroup> largests: array<f32, THREADS>;
var<workgroup> sums: array<f32, THREADS>;

// Lower than any logit; finite, since infinities need not be kept by a device.
const NO_LOGIT = -3.4e38;

fn logit(at: u32) -> f32 {
  if (CAPPED == 1u) {
    return soft_cap(logits[at], params.cap);
  }
  return logits[at];
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let begin = (params.row + group.x) * params.cols;
  var largest = NO_LOGIT;
  for (var j = lane; j < params.cols; j += THREADS) {
    largest = max(largest, logit(begin + j));
  }
  var sum = 0.0;
  for (var j = lane; j < params.cols; j += THREADS) {
    sum += exp(logit(begin + j) - largest);
  }
  largests[lane] = largest;
  sums[lane] = sum;
  workgroupBarrier();
  if (lane != 0u) {
    return;
  }
  let at = (params.state_row + group.x) * 3u;
  largest = NO_LOGIT;
  sum = 0.0;
  if (params.start == 0u) {
    largest = state[at];
    sum = state[at + 1u];
  }
  for (var i = 0u; i < THREADS; i++) {
    let higher = max(largest, largests[i]);
    sum = sum * exp(largest - higher) + sums[i] * exp(largests[i] - higher);
    largest = higher;
  }
  state[at] = largest;
  state[at + 1u] = sum;
  let wanted = targets[params.target_row + group.x] - params.first; // wraps for a target before this block
  if (wanted < params.cols) {
    state[at + 2u] = logit(begin + wanted);
  } else if (params.start == 1u) {
    state[at + 2u] = 0.0;
  }
}
