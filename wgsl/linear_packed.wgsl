// out = x Wᵀ (+ bias) for up to four rows of x (few.wgsl) and any packed W, which is gone through by words of its mask: of four
// columns at a time the stored numbers are put where they belong, with zeros between them.
// Bindings: 0 parameters; 1 to 4 a tile of W (packed.wgsl); 5 to 7 x, the bias and out.
const FEW = 5u;

// 32 bits of the values, from those of word `i` on that are behind the first `skipped`, of which there are up to 31.
fn window(i: u32, skipped: u32) -> u32 {
  return (values[i] >> skipped) | ((values[i + 1u] << 1u) << (31u - skipped));
}

// Values `at + places`, where places are up to 3, without their scale. What is read behind the last value is of no column.
fn values_at(at: u32, places: vec4u) -> vec4f {
  if (TYPE == F32) {
    return bitcast<vec4f>(vec4u(values[at], values[at + places.y], values[at + places.z], values[at + places.w]));
  }
  if (TYPE == I8) {
    let bytes = vec4u(window(at >> 2u, (at & 3u) * 8u)) >> (places * 8u);
    return vec4f(bitcast<vec4i>(bytes << vec4u(24u)) >> vec4u(24u));
  }
  if (TYPE == I4) {
    let nibbles = vec4u(window(at >> 3u, (at & 7u) * 4u)) >> (places * 4u);
    return vec4f(vec4i(nibbles & vec4u(15u)) - vec4i(8));
  }
  let skipped = (at & 1u) * 16u;
  let low = window(at >> 1u, skipped);
  let high = window((at >> 1u) + 1u, skipped);
  let words = select(vec4u(low), vec4u(high), places > vec4u(1u));
  return numbers_of((words >> ((places & vec4u(1u)) * 16u)) & vec4u(0xffffu), TYPE);
}

// The numbers of four columns, whose mask is in the lowest bits, from value `at` on.
fn four(bits: u32, at: u32) -> vec4f {
  let before = countOneBits(vec4u(bits) & vec4u(0u, 1u, 3u, 7u));
  let kept = (vec4u(bits) & vec4u(1u, 2u, 4u, 8u)) != vec4u(0u);
  return select(vec4f(0.0), values_at(at, before), kept);
}

// Of a thread's rows the masks of 32 columns, the values that they begin with, and their scales.
struct Words {
  bits: vec4u,
  at: vec4u,
  scales: vec4f,
}

fn read_words(rows: vec4u, word: u32) -> Words {
  var words: Words;
  for (var i = 0u; i < ROWS; i++) {
    words.bits[i] = mask_of(rows[i], word, params.cols);
    words.at[i] = first_of(rows[i], word, params.cols);
    words.scales[i] = 1.0;
    if (TYPE >= I8) {
      words.scales[i] = scale_of(rows[i], word, params.cols);
    }
  }
  return words;
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = first_row(group, groups, thread);
  let rows = rows_from(row);
  var s0: mat4x4f;
  var s1: mat4x4f;
  var s2: mat4x4f;
  var s3: mat4x4f;
  for (var word = thread % LANES; 32u * word < params.cols; word += LANES) {
    var words = read_words(rows, word);
    let end = min(8u * word + 8u, vectors_of_x());
    for (var i = 8u * word; i < end; i++) {
      let numbers = inputs(i);
      add(&s0, four(words.bits.x, words.at.x) * words.scales.x, numbers);
      if (ROWS > 1u) { add(&s1, four(words.bits.y, words.at.y) * words.scales.y, numbers); }
      if (ROWS > 2u) { add(&s2, four(words.bits.z, words.at.z) * words.scales.z, numbers); }
      if (ROWS > 3u) { add(&s3, four(words.bits.w, words.at.w) * words.scales.w, numbers); }
      words.at += countOneBits(words.bits & vec4u(15u));
      words.bits >>= vec4u(4u);
    }
  }
  store(s0, row, thread);
  if (ROWS > 1u) { store(s1, row + 1u, thread); }
  if (ROWS > 2u) { store(s2, row + 2u, thread); }
  if (ROWS > 3u) { store(s3, row + 3u, thread); }
}
