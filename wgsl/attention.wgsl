// Causal softmax attention without the matrix of scores: a thread holds one query row of one head and passes over the
// keys in blocks of BLOCK, keeping the largest score so far, the sum of exp(score - largest), and, in out itself, the
// weighted sum of values (Milakov and Gimelshein 2018; Dao 2022). The keys of a dispatch are a range: a sequence whose
// keys lie in several tiles, or are too many for one dispatch, takes several, and the state between them stays in
// `state` and out.
// Bindings: 0 parameters; 1 q and 5 out, F32, tiles of tokens x (heads * HEAD_DIM); 2 k and 3 v, F32, tiles of tokens x
// (kv_heads * HEAD_DIM); 4 state, F32 tokens x (2 * heads): largest and sum. Workgroups: x blocks of THREADS query
// positions, y heads, z sequences, so that all threads of a workgroup read the same key at the same time.
struct Params {
  length: u32, // tokens of a sequence
  heads: u32,
  kv_heads: u32,
  first_sequence: u32,
  first_row: u32, // query rows of this dispatch: [first_row, end_row) of all tokens
  end_row: u32,
  q_row: u32, // the row of all tokens that q's and out's tile begins with
  state_row: u32,
  kv_row: u32,
  first_key: u32, // keys of this dispatch: [first_key, end_key) of all tokens
  end_key: u32,
  scale: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> k: array<f32>;
@group(0) @binding(3) var<storage, read> v: array<f32>;
@group(0) @binding(4) var<storage, read_write> state: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

override HEAD_DIM: u32 = 64u;
override THREADS: u32 = 64u;
const BLOCK = 16u;

// Scores this low belong to no key: exp of their distance to any score is 0.
const NO_SCORE = -3.0e38;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let begin = (params.first_sequence + group.z) * params.length;
  let block_end = begin + min(params.length, (group.x + 1u) * THREADS); // after the block's last query and key
  let row = begin + group.x * THREADS + lane;
  let idle = row >= block_end || row < params.first_row || row >= params.end_row;
  let first_key = max(begin, params.first_key);
  let end_key = min(block_end, params.end_key);
  if (idle || first_key > row || first_key >= end_key) {
    return;
  }

  let q_at = ((row - params.q_row) * params.heads + group.y) * HEAD_DIM;
  let kv_stride = params.kv_heads * HEAD_DIM;
  let kv_head = group.y / (params.heads / params.kv_heads) * HEAD_DIM;
  let state_at = ((row - params.state_row) * params.heads + group.y) * 2u;

  let start = first_key == begin;
  var largest = NO_SCORE;
  var sum = 0.0;
  if (!start) {
    largest = state[state_at];
    sum = state[state_at + 1u];
  }

  var scores: array<f32, BLOCK>;
  for (var key = first_key; key < end_key; key += BLOCK) {
    let kv_at = (key - params.kv_row) * kv_stride + kv_head;
    for (var j = 0u; j < BLOCK; j++) {
      scores[j] = 0.0;
    }
    let last = end_key - 1u - key; // of the block's keys; those after it read it again and count for nothing
    for (var d = 0u; d < HEAD_DIM; d++) {
      let query = q[q_at + d];
      for (var j = 0u; j < BLOCK; j++) {
        scores[j] += query * k[kv_at + min(j, last) * kv_stride + d];
      }
    }
    var block_largest = largest;
    for (var j = 0u; j < BLOCK; j++) {
      scores[j] = select(NO_SCORE, scores[j] * params.scale, key + j <= row && j <= last);
      block_largest = max(block_largest, scores[j]);
    }
    let correction = exp(largest - block_largest);
    var block_sum = 0.0;
    for (var j = 0u; j < BLOCK; j++) {
      scores[j] = exp(scores[j] - block_largest);
      block_sum += scores[j];
    }
    let fresh = start && key == first_key; // out holds nothing yet
    for (var d = 0u; d < HEAD_DIM; d++) {
      var value = 0.0;
      if (!fresh) {
        value = out[q_at + d] * correction;
      }
      for (var j = 0u; j < BLOCK; j++) {
        value += scores[j] * v[kv_at + min(j, last) * kv_stride + d];
      }
      out[q_at + d] = value;
    }
    largest = block_largest;
    sum = sum * correction + block_sum;
  }

  if (params.end_key > row) { // its last key is done
    for (var d = 0u; d < HEAD_DIM; d++) {
      out[q_at + d] /= sum;
    }
  } else {
    state[state_at] = largest;
    state[state_at + 1u] = sum;
  }
}
