// out = x Wᵀ (+ bias) for up to four rows of x and a dense W as it is stored, whose rows are whole vectors of four words. What
// bounds it is reading W: each of its words is read once, and multiplied with all rows of x; a thread has ROWS rows of W,
// so that what it reads of x serves them all.
// Bindings: 0 parameters; 1 weight, stored as WEIGHT says; 2 x, F32; 3 the bias, numbers stored as BIAS says (not read if there
// is none); 4 out, F32. Workgroups in a line that is folded, of THREADS / LANES * ROWS rows of W: LANES neighbouring
// threads read neighbouring vectors of a row, and the first of them adds up their sums in a fixed order.
struct Params {
  rows: u32, // of W, here
  vectors: u32, // of a row of W
  weight_row: u32, // where these rows begin in the weight's tile
  first: u32, // row of W that they begin with: out's column
  x_row: u32, // where x's rows begin in its tile
  out_row: u32, // and out's in its
  out_cols: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight: array<vec4u>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

override WEIGHT: u32 = 0u;
override BIAS: u32 = 3u; // 3: none
override TOKENS: u32 = 1u; // rows of x
override THREADS: u32 = 64u;
override LANES: u32 = 16u;
override ROWS: u32 = 2u; // up to 4
var<workgroup> parts: array<vec4f, THREADS>;

// Where a row of W begins. Those behind the last one repeat it and are not written: all threads come to all barriers.
fn begin(row: u32) -> u32 {
  return (params.weight_row + min(row, params.rows - 1u)) * params.vectors;
}

// Four numbers of each row of x, whose rows are `stride` vectors apart.
fn inputs(at: u32, stride: u32) -> mat4x4f {
  var numbers: mat4x4f;
  numbers[0] = x[at];
  if (TOKENS > 1u) { numbers[1] = x[at + stride]; }
  if (TOKENS > 2u) { numbers[2] = x[at + 2u * stride]; }
  if (TOKENS > 3u) { numbers[3] = x[at + 3u * stride]; }
  return numbers;
}

fn add(sums: ptr<function, mat4x4f>, four: vec4f, numbers: mat4x4f) {
  (*sums)[0] += four * numbers[0];
  if (TOKENS > 1u) { (*sums)[1] += four * numbers[1]; }
  if (TOKENS > 2u) { (*sums)[2] += four * numbers[2]; }
  if (TOKENS > 3u) { (*sums)[3] += four * numbers[3]; }
}

// Four numbers of 16 bits.
fn halves(words: vec2u) -> vec4f {
  return vec4f(
    number_of(words.x, 0u, WEIGHT),
    number_of(words.x, 1u, WEIGHT),
    number_of(words.y, 0u, WEIGHT),
    number_of(words.y, 1u, WEIGHT),
  );
}

// Takes a vector of W: four numbers, for `low`, or eight.
fn take(sums: ptr<function, mat4x4f>, at: u32, low: mat4x4f, high: mat4x4f) {
  let words = weight[at];
  if (WEIGHT == F32) {
    add(sums, bitcast<vec4f>(words), low);
  } else {
    add(sums, halves(words.xy), low);
    add(sums, halves(words.zw), high);
  }
}

// Adds up what the threads of a row have, and writes it.
fn store(sums: mat4x4f, row: u32, thread: u32) {
  let own = transpose(sums);
  workgroupBarrier();
  parts[thread] = (own[0] + own[1]) + (own[2] + own[3]);
  workgroupBarrier();
  if (thread % LANES == 0u && row < params.rows) {
    var total: vec4f;
    for (var i = 0u; i < LANES; i++) {
      total += parts[thread + i];
    }
    let place = params.first + row;
    if (BIAS < 3u) {
      total += number_of(bias[word_of(place, BIAS)], place, BIAS);
    }
    for (var token = 0u; token < TOKENS; token++) {
      out[(params.out_row + token) * params.out_cols + place] = total[token];
    }
  }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = ((group.y * groups.x + group.x) * (THREADS / LANES) + thread / LANES) * ROWS;
  let b0 = begin(row);
  let b1 = begin(row + 1u);
  let b2 = begin(row + 2u);
  let b3 = begin(row + 3u);
  let each = select(2u, 1u, WEIGHT == F32); // vectors of x for one of W
  let stride = each * params.vectors;
  var s0: mat4x4f;
  var s1: mat4x4f;
  var s2: mat4x4f;
  var s3: mat4x4f;
  for (var i = thread % LANES; i < params.vectors; i += LANES) {
    let at = params.x_row * stride + each * i;
    let low = inputs(at, stride);
    let high = inputs(at + each - 1u, stride);
    take(&s0, b0 + i, low, high);
    if (ROWS > 1u) { take(&s1, b1 + i, low, high); }
    if (ROWS > 2u) { take(&s2, b2 + i, low, high); }
    if (ROWS > 3u) { take(&s3, b3 + i, low, high); }
  }
  store(s0, row, thread);
  if (ROWS > 1u) { store(s1, row + 1u, thread); }
  if (ROWS > 2u) { store(s2, row + 2u, thread); }
  if (ROWS > 3u) { store(s3, row + 3u, thread); }
}
