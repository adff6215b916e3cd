// The gradient by a slice of logits: weight (exp(logit - largest) / sum - [target]), times 1 - tanh² of a capped logit.
// Bindings: 0 parameters; 1 logits and 5 out, F32 rows x cols; 2 targets, one u32 a token; 3 weights, one f32 a token; 4 state,
// F32 tokens x 3, as cross_entropy.wgsl leaves it. One thread a logit, as in add.wgsl.
struct Params {
  count: u32, // logits
  cols: u32,
  row: u32, // where these tokens begin in the tile of logits
  token_row: u32, // in those of targets and weights
  state_row: u32, // and in that of the state
  first: u32, // the vocabulary row of the first logit
  cap: f32, // of the logits, if they are capped
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read> state: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

override CAPPED: u32 = 0u;
override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  if (i >= params.count) {
    return;
  }
  let token = i / params.cols;
  let at = params.row * params.cols + i;
  let own = (params.state_row + token) * 3u;
  var logit = logits[at];
  var slope = weights[params.token_row + token];
  if (CAPPED == 1u) {
    let t = precise_tanh(logit / params.cap);
    logit = params.cap * t;
    slope *= (1.0 - t) * (1.0 + t);
  }
  var share = exp(logit - state[own]) / state[own + 1u];
  if (targets[params.token_row + token] - params.first == i % params.cols) {
    share -= 1.0;
  }
  out[at] = slope * share;
}
