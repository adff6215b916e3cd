// out = x Wᵀ (+ bias) for up to four rows of x and a W all of whose numbers are stored, or two of every four
// neighbours, in rows that are whole vectors of four words. What bounds it is reading W: each of its words is read
// once, and multiplied with all rows of x; a thread has ROWS rows of W, so that what it reads of x serves them all.
// Bindings: 0 parameters; 1 weight, numbers or integers stored as WEIGHT says (src/backend/packed.ts); 2 x, F32; 3 the
// bias, numbers stored as BIAS says (not read if there is none); 4 the scales of integers, BF16; 5 the mask, of two of
// four; 6 out, F32. Workgroups in a line that is folded, of THREADS / LANES * ROWS rows of W: LANES neighbouring
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
@group(0) @binding(4) var<storage, read> scales: array<u32>;
@group(0) @binding(5) var<storage, read> mask: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

const I8 = 3u;
const I4 = 4u;

override WEIGHT: u32 = 0u;
override BIAS: u32 = 3u; // 3: none
override TOKENS: u32 = 1u; // rows of x
override THREADS: u32 = 64u;
override LANES: u32 = 16u;
override ROWS: u32 = 2u; // up to 4
override EACH: u32 = 2u; // vectors of x for one of W
override SCALED: u32 = 1u; // vectors of W that share a scale
override PAIRS: u32 = 0u; // 1: two of four are stored
var<workgroup> parts: array<vec4f, THREADS>;

// A row of W on this tile. Those behind the last repeat it and are not written: all threads come to all barriers.
fn row_of(row: u32) -> u32 {
  return params.weight_row + min(row, params.rows - 1u);
}

// Four numbers of each row of x.
fn inputs(at: u32) -> mat4x4f {
  let stride = EACH * params.vectors;
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

// The two numbers that a vector of W holds for vector `part` of x, without their scale.
fn two(words: vec4u, part: u32) -> vec2f {
  if (WEIGHT == F32) {
    return bitcast<vec2f>(select(words.zw, words.xy, part == 0u));
  }
  if (WEIGHT == I8) {
    let word = words[part / 2u] >> (part % 2u * 16u);
    return vec2f(bitcast<vec2i>(vec2u(word) << vec2u(24u, 16u)) >> vec2u(24u));
  }
  return vec2f(number_of(words[part], 0u, WEIGHT), number_of(words[part], 1u, WEIGHT));
}

// The four numbers for vector `part` of x. Of two that are stored the places are in the bits.
fn four(words: vec4u, bits: u32, part: u32) -> vec4f {
  if (PAIRS == 1u) {
    let stored = two(words, part);
    let own = vec4u(bits >> (4u * part));
    let second = countOneBits(own & vec4u(0u, 1u, 3u, 7u)) == vec4u(1u);
    let kept = (own & vec4u(1u, 2u, 4u, 8u)) != vec4u(0u);
    return select(vec4f(0.0), select(stored.xxxx, stored.yyyy, second), kept);
  }
  if (WEIGHT == F32) {
    return bitcast<vec4f>(words);
  }
  if (WEIGHT == I8) {
    return vec4f(bitcast<vec4i>(vec4u(words[part]) << vec4u(24u, 16u, 8u, 0u)) >> vec4u(24u));
  }
  if (WEIGHT == I4) {
    let word = words[part / 2u] >> (part % 2u * 16u);
    return vec4f(vec4i((vec4u(word) >> vec4u(0u, 4u, 8u, 12u)) & vec4u(15u)) - vec4i(8));
  }
  let low = words[part * 2u];
  let high = words[part * 2u + 1u];
  return vec4f(
    number_of(low, 0u, WEIGHT),
    number_of(low, 1u, WEIGHT),
    number_of(high, 0u, WEIGHT),
    number_of(high, 1u, WEIGHT),
  );
}

// The scale of vector `i` of a row.
fn scale_of(row: u32, i: u32) -> f32 {
  if (WEIGHT < I8) {
    return 1.0;
  }
  let at = row * ((params.vectors + SCALED - 1u) / SCALED) + i / SCALED;
  return number_of(scales[word_of(at, BF16)], at, BF16);
}

// The mask's bits for vector `i` of a row, from the lowest on.
fn bits_at(row: u32, i: u32) -> u32 {
  if (PAIRS == 0u) {
    return 0u;
  }
  let col = 4u * EACH * i;
  return mask[row * ((params.vectors * EACH + 7u) / 8u) + col / 32u] >> (col % 32u);
}

// What a thread reads of its rows of W: a vector of each, and its mask and scale; and where the numbers of x for them
// begin.
struct Block {
  a: vec4u,
  b: vec4u,
  c: vec4u,
  d: vec4u,
  bits: vec4u,
  scales: vec4f,
  at: u32,
}

// Takes the numbers for vector `part` of x, which is written out for each: a loop would leave them in memory.
fn take(
  s0: ptr<function, mat4x4f>,
  s1: ptr<function, mat4x4f>,
  s2: ptr<function, mat4x4f>,
  s3: ptr<function, mat4x4f>,
  block: Block,
  part: u32,
) {
  let numbers = inputs(block.at + part);
  add(s0, four(block.a, block.bits.x, part) * block.scales.x, numbers);
  if (ROWS > 1u) { add(s1, four(block.b, block.bits.y, part) * block.scales.y, numbers); }
  if (ROWS > 2u) { add(s2, four(block.c, block.bits.z, part) * block.scales.z, numbers); }
  if (ROWS > 3u) { add(s3, four(block.d, block.bits.w, part) * block.scales.w, numbers); }
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
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = ((group.y * groups.x + group.x) * (THREADS / LANES) + thread / LANES) * ROWS;
  let r0 = row_of(row);
  let r1 = row_of(row + 1u);
  let r2 = row_of(row + 2u);
  let r3 = row_of(row + 3u);
  var s0: mat4x4f;
  var s1: mat4x4f;
  var s2: mat4x4f;
  var s3: mat4x4f;
  for (var i = thread % LANES; i < params.vectors; i += LANES) {
    let block = Block(
      weight[r0 * params.vectors + i],
      weight[r1 * params.vectors + i],
      weight[r2 * params.vectors + i],
      weight[r3 * params.vectors + i],
      vec4u(bits_at(r0, i), bits_at(r1, i), bits_at(r2, i), bits_at(r3, i)),
      vec4f(scale_of(r0, i), scale_of(r1, i), scale_of(r2, i), scale_of(r3, i)),
      (params.x_row * params.vectors + i) * EACH,
    );
    take(&s0, &s1, &s2, &s3, block, 0u);
    if (EACH > 1u) { take(&s0, &s1, &s2, &s3, block, 1u); }
    if (EACH > 2u) { take(&s0, &s1, &s2, &s3, block, 2u); }
    if (EACH > 2u) { take(&s0, &s1, &s2, &s3, block, 3u); }
    if (EACH > 4u) { take(&s0, &s1, &s2, &s3, block, 4u); }
    if (EACH > 4u) { take(&s0, &s1, &s2, &s3, block, 5u); }
    if (EACH > 4u) { take(&s0, &s1, &s2, &s3, block, 6u); }
    if (EACH > 4u) { take(&s0, &s1, &s2, &s3, block, 7u); }
  }
  store(s0, row, thread);
  if (ROWS > 1u) { store(s1, row + 1u, thread); }
  if (ROWS > 2u) { store(s2, row + 2u, thread); }
  if (ROWS > 3u) { store(s3, row + 3u, thread); }
}
