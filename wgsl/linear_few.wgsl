// out = x Wᵀ (+ bias) for up to four rows of x (few.wgsl) and a W all of whose numbers are stored, or two of every four
// neighbours, in rows that are whole vectors of four words.
// Bindings: 0 parameters; 1 weight, numbers or integers stored as WEIGHT says (src/backend/packed.ts); 2 the mask, of two of
// four; 3 the scales of integers, BF16; 4 to 6 x, the bias and out.
const FEW = 4u;
@group(0) @binding(1) var<storage, read> weight: array<vec4u>;
@group(0) @binding(2) var<storage, read> mask: array<u32>;
@group(0) @binding(3) var<storage, read> scales: array<u32>;

const I8 = 3u;
const I4 = 4u;

override WEIGHT: u32 = 0u;
override EACH: u32 = 2u; // vectors of x for one of W
override SCALED: u32 = 1u; // vectors of W that share a scale
override PAIRS: u32 = 0u; // 1: two of four are stored

// Vectors of a row of W.
fn vectors_of_w() -> u32 {
  return params.cols / (4u * EACH);
}

// The halves of two words.
fn halves(words: vec2u) -> vec4u {
  return (words.xxyy >> vec4u(0u, 16u, 0u, 16u)) & vec4u(0xffffu);
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
  return numbers_of(halves(vec2u(words[part], 0u)), WEIGHT).xy;
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
  return numbers_of(halves(vec2u(words[part * 2u], words[part * 2u + 1u])), WEIGHT);
}

// The scale of vector `i` of a row.
fn scale_of(row: u32, i: u32) -> f32 {
  if (WEIGHT < I8) {
    return 1.0;
  }
  let at = row * ((vectors_of_w() + SCALED - 1u) / SCALED) + i / SCALED;
  return number_of(scales[word_of(at, BF16)], at, BF16);
}

// The mask's bits for vector `i` of a row, from the lowest on.
fn bits_at(row: u32, i: u32) -> u32 {
  if (PAIRS == 0u) {
    return 0u;
  }
  let col = 4u * EACH * i;
  return mask[row * ((params.cols + 31u) / 32u) + col / 32u] >> (col % 32u);
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

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = first_row(group, groups, thread);
  let rows = rows_from(row);
  let vectors = vectors_of_w();
  var s0: mat4x4f;
  var s1: mat4x4f;
  var s2: mat4x4f;
  var s3: mat4x4f;
  for (var i = thread % LANES; i < vectors; i += LANES) {
    let block = Block(
      weight[rows.x * vectors + i],
      weight[rows.y * vectors + i],
      weight[rows.z * vectors + i],
      weight[rows.w * vectors + i],
      vec4u(bits_at(rows.x, i), bits_at(rows.y, i), bits_at(rows.z, i), bits_at(rows.w, i)),
      vec4f(scale_of(rows.x, i), scale_of(rows.y, i), scale_of(rows.z, i), scale_of(rows.w, i)),
      i * EACH,
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
