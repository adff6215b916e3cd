// Causal softmax attention without the matrix of scores: a thread holds 4 * STRIPS neighbouring query rows of one head
// and passes over the keys, 16 at a time, keeping for each row the largest score so far, the sum of
// exp(score - largest), and, in out itself, the weighted sum of values (Milakov and Gimelshein 2018; Dao et al. 2022).
// The keys of a dispatch are a range: a sequence whose keys lie in several tiles, or are too many for one dispatch,
// takes several, and what is between them stays in `state` and out. Keys and query rows are counted as if each sequence's
// keys lay one behind the other from its first row on: the sequence that begins with `begin` has the keys from there, and
// its first query has the number begin + past. With a window a workgroup begins with the first key that
// its first row sees. A row that has met none of its keys yet has weights without meaning, which the first score undoes.
// Bindings: 0 parameters; 1 q and 5 out, F32, tiles of tokens x heads x vectors; 2 k and 3 v, F32, tiles of
// tokens x kv_heads x vectors; 4 state, F32 tokens x heads x 2: largest and sum; 6 slopes, F32, one a head (without: q again). Workgroups: x blocks of THREADS
// times 4 * STRIPS query positions, y heads, z sequences, so that all threads read the same keys at the same time.
struct Params {
  length: u32, // tokens of a sequence
  first_begin: u32, // the row of all tokens that the first sequence of this dispatch begins with
  past: u32, // keys before a sequence's first query
  heads: u32,
  kv_heads: u32,
  first_row: u32, // query rows of this dispatch: [first_row, end_row)
  end_row: u32,
  q_row: u32, // the row that q's and out's tile begins with; this and the next two may lie below 0, and wrap
  state_row: u32,
  kv_row: u32,
  first_key: u32, // keys of this dispatch: [first_key, end_key)
  end_key: u32,
  scale: f32,
  vectors: u32, // of a head
  window: u32, // keys that a row sees at most
  cap: f32, // of the scores, if they are capped
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<vec4f>;
@group(0) @binding(2) var<storage, read> k: array<vec4f>;
@group(0) @binding(3) var<storage, read> v: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> state: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(6) var<storage, read> slopes: array<f32>;

override WINDOWED: u32 = 0u;
override CAPPED: u32 = 0u;
override SLOPED: u32 = 0u;
override STRIPS: u32 = 1u; // of four rows: 1 or 2
override THREADS: u32 = 64u;

// Scores this low belong to no key: exp of their distance to any score is 0.
const NO_SCORE = -3.0e38;

// What is known of four query rows: their largest scores and sums; `correction` is what a block of keys makes of
// earlier weights.
struct Rows {
  largest: vec4f,
  sum: vec4f,
  correction: vec4f,
}

// Where in k and v the four keys from `key` on begin. Those after the last read the last again.
fn places(key: u32, last: u32, head: u32) -> vec4u {
  let keys = min(vec4u(key) + vec4u(0u, 1u, 2u, 3u), vec4u(last)) - params.kv_row;
  return (keys * params.kv_heads + head) * params.vectors;
}

var<private> slope: f32; // of this thread's head

// The scores of a row with four keys, from what q and k give.
fn scores(products: vec4f, row: u32, keys: vec4u) -> vec4f {
  var result = products * params.scale;
  if (CAPPED == 1u) {
    result = vec4f(
      soft_cap(result.x, params.cap),
      soft_cap(result.y, params.cap),
      soft_cap(result.z, params.cap),
      soft_cap(result.w, params.cap),
    );
  }
  if (SLOPED == 1u) {
    result += slope * vec4f(vec4i(keys) - vec4i(i32(row)));
  }
  return result;
}

// Whether a row that sees keys before `seen` sees these four.
fn sees(row: u32, keys: vec4u, seen: u32) -> vec4<bool> {
  if (WINDOWED == 1u) {
    return (keys < vec4u(seen)) & (keys + params.window > vec4u(row));
  }
  return keys < vec4u(seen);
}

// Turns the scores of one row into weights; `row` sees the keys up to itself, if they are before `end`.
fn weigh(rows: ptr<function, Rows>, strip: ptr<function, Strip>, i: u32, row: u32, key: u32, end: u32) {
  let seen = min(row + 1u, end);
  let first = vec4u(key) + vec4u(0u, 1u, 2u, 3u);
  let low = vec4f(NO_SCORE);
  let a = select(low, scores((*strip)[0][i], row, first), sees(row, first, seen));
  let b = select(low, scores((*strip)[1][i], row, first + 4u), sees(row, first + 4u, seen));
  let c = select(low, scores((*strip)[2][i], row, first + 8u), sees(row, first + 8u, seen));
  let d = select(low, scores((*strip)[3][i], row, first + 12u), sees(row, first + 12u, seen));
  let most = max(max(a, b), max(c, d));
  let largest = max((*rows).largest[i], max(max(most.x, most.y), max(most.z, most.w)));
  (*strip)[0][i] = exp(a - largest);
  (*strip)[1][i] = exp(b - largest);
  (*strip)[2][i] = exp(c - largest);
  (*strip)[3][i] = exp(d - largest);
  let sums = ((*strip)[0][i] + (*strip)[1][i]) + ((*strip)[2][i] + (*strip)[3][i]);
  let correction = exp((*rows).largest[i] - largest);
  (*rows).correction[i] = correction;
  (*rows).sum[i] = (*rows).sum[i] * correction + ((sums.x + sums.y) + (sums.z + sums.w));
  (*rows).largest[i] = largest;
}

fn weigh_rows(rows: ptr<function, Rows>, strip: ptr<function, Strip>, row: u32, key: u32, end: u32) {
  weigh(rows, strip, 0u, row, key, end);
  weigh(rows, strip, 1u, row + 1u, key, end);
  weigh(rows, strip, 2u, row + 2u, key, end);
  weigh(rows, strip, 3u, row + 3u, key, end);
}

// Scores of four rows, whose queries are `x`, plus what four dimensions of 16 keys add.
fn add_scores(strip: ptr<function, Strip>, keys: Strip, at: u32, stride: u32) {
  let x = mat4x4f(q[at], q[at + stride], q[at + 2u * stride], q[at + 3u * stride]);
  (*strip)[0] = block((*strip)[0], keys[0], x);
  (*strip)[1] = block((*strip)[1], keys[1], x);
  (*strip)[2] = block((*strip)[2], keys[2], x);
  (*strip)[3] = block((*strip)[3], keys[3], x);
}

// Adds weighted values to four dimensions of four rows of out; a row that has no key here is left alone.
fn add_values(rows: Rows, strip: Strip, values: Strip, at: u32, stride: u32, here: vec4<bool>, fresh: bool) {
  var sums = mat4x4f();
  if (!fresh) {
    let c = rows.correction;
    sums = mat4x4f(
      out[at] * c.x,
      out[at + stride] * c.y,
      out[at + 2u * stride] * c.z,
      out[at + 3u * stride] * c.w,
    );
  }
  sums = block(sums, values[0], strip[0]);
  sums = block(sums, values[1], strip[1]);
  sums = block(sums, values[2], strip[2]);
  sums = block(sums, values[3], strip[3]);
  if (here.x) { out[at] = sums[0]; }
  if (here.y) { out[at + stride] = sums[1]; }
  if (here.z) { out[at + 2u * stride] = sums[2]; }
  if (here.w) { out[at + 3u * stride] = sums[3]; }
}

// What earlier dispatches left of four rows.
fn load_rows(row: u32, head: u32, start: bool) -> Rows {
  if (start) {
    return Rows(vec4f(NO_SCORE), vec4f(0.0), vec4f(0.0));
  }
  let at = (row - params.state_row) * params.heads + head;
  let a = state[at];
  let b = state[at + params.heads];
  let c = state[at + 2u * params.heads];
  let d = state[at + 3u * params.heads];
  return Rows(vec4f(a.x, b.x, c.x, d.x), vec4f(a.y, b.y, c.y, d.y), vec4f(0.0));
}

// Leaves a row's state to later dispatches, or finishes the row if its last key was among these.
fn close_row(largest: f32, sum: f32, row: u32, head: u32, at: u32, here: bool) {
  if (!here) {
    return;
  }
  if (params.end_key > row) {
    for (var d = 0u; d < params.vectors; d++) {
      out[at + d] /= sum;
    }
  } else {
    state[(row - params.state_row) * params.heads + head] = vec2f(largest, sum);
  }
}

fn close_rows(rows: Rows, row: u32, head: u32, at: u32, stride: u32, here: vec4<bool>) {
  close_row(rows.largest.x, rows.sum.x, row, head, at, here.x);
  close_row(rows.largest.y, rows.sum.y, row + 1u, head, at + stride, here.y);
  close_row(rows.largest.z, rows.sum.z, row + 2u, head, at + 2u * stride, here.z);
  close_row(rows.largest.w, rows.sum.w, row + 3u, head, at + 3u * stride, here.w);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let begin = params.first_begin + group.z * params.length;
  let first_query = begin + params.past;
  let end = first_query + min(params.length, (group.x + 1u) * THREADS * STRIPS * 4u); // after the block's last query and key
  let block_row = first_query + group.x * THREADS * STRIPS * 4u;
  let row = block_row + lane * STRIPS * 4u;
  var seen_from = begin; // the first key of the workgroup's rows
  if (WINDOWED == 1u) {
    seen_from = max(begin, max(block_row, params.first_row) + 1u - min(params.window, max(block_row, params.first_row) + 1u));
  }
  let first_key = max(seen_from, params.first_key);
  let end_key = min(end, params.end_key);
  if (row >= end || first_key >= end_key) {
    return;
  }

  let head = group.y;
  let kv_head = head / (params.heads / params.kv_heads);
  let stride = params.heads * params.vectors;
  let at = (row - params.q_row) * stride + head * params.vectors;
  let start = first_key == seen_from;
  if (SLOPED == 1u) {
    slope = slopes[head];
  }
  let first_row = max(params.first_row, first_key); // rows before it have no key here
  let end_row = min(params.end_row, end);
  let rows = vec4u(row) + vec4u(0u, 1u, 2u, 3u);
  let here0 = (rows >= vec4u(first_row)) & (rows < vec4u(end_row));
  let here1 = (rows + 4u >= vec4u(first_row)) & (rows + 4u < vec4u(end_row));
  var rows0 = load_rows(row, head, start);
  var rows1 = load_rows(row + 4u, head, start);

  for (var key = first_key; key < end_key; key += 16u) {
    let a = places(key, end_key - 1u, kv_head);
    let b = places(key + 4u, end_key - 1u, kv_head);
    let c = places(key + 8u, end_key - 1u, kv_head);
    let d = places(key + 12u, end_key - 1u, kv_head);
    var strip0 = Strip(); // written out: naga zeroes a variable of a loop only once
    var strip1 = Strip();
    for (var i = 0u; i < params.vectors; i++) {
      let keys = Strip(
        transpose(mat4x4f(k[a.x + i], k[a.y + i], k[a.z + i], k[a.w + i])),
        transpose(mat4x4f(k[b.x + i], k[b.y + i], k[b.z + i], k[b.w + i])),
        transpose(mat4x4f(k[c.x + i], k[c.y + i], k[c.z + i], k[c.w + i])),
        transpose(mat4x4f(k[d.x + i], k[d.y + i], k[d.z + i], k[d.w + i])),
      );
      add_scores(&strip0, keys, at + i, stride);
      if (STRIPS > 1u) { add_scores(&strip1, keys, at + 4u * stride + i, stride); }
    }
    weigh_rows(&rows0, &strip0, row, key, end_key);
    if (STRIPS > 1u) { weigh_rows(&rows1, &strip1, row + 4u, key, end_key); }
    let fresh = start && key == first_key; // out holds nothing yet
    for (var i = 0u; i < params.vectors; i++) {
      let values = Strip(
        mat4x4f(v[a.x + i], v[a.y + i], v[a.z + i], v[a.w + i]),
        mat4x4f(v[b.x + i], v[b.y + i], v[b.z + i], v[b.w + i]),
        mat4x4f(v[c.x + i], v[c.y + i], v[c.z + i], v[c.w + i]),
        mat4x4f(v[d.x + i], v[d.y + i], v[d.z + i], v[d.w + i]),
      );
      add_values(rows0, strip0, values, at + i, stride, here0, fresh);
      if (STRIPS > 1u) { add_values(rows1, strip1, values, at + 4u * stride + i, stride, here1, fresh); }
    }
  }

  close_rows(rows0, row, head, at, stride, here0);
  if (STRIPS > 1u) { close_rows(rows1, row + 4u, head, at + 4u * stride, stride, here1); }
}
