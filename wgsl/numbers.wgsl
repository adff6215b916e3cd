// How a checkpoint's numbers lie in 32-bit words: shared by the shaders that read weights. F32 fills a word, F16 and
// BF16 share one, the lower column in the lower half. Everything is integer work on bits, since a device may flush a
// subnormal number as soon as it is a float. A storage type is one of the constants below, given as an override.

const F32 = 0u;
const F16 = 1u;
const BF16 = 2u;

// The word that holds number `i`.
fn word_of(i: u32, stored: u32) -> u32 {
  if (stored == F32) {
    return i;
  }
  return i >> 1u;
}

// Number `i`, that `word` holds, as the bits of an f32.
fn bits_of(word: u32, i: u32, stored: u32) -> u32 {
  if (stored == F32) {
    return word;
  }
  let half = (word >> ((i & 1u) * 16u)) & 0xffffu;
  if (stored == BF16) {
    return half << 16u;
  }
  let sign = (half & 0x8000u) << 16u;
  let magnitude = half & 0x7fffu;
  if (magnitude >= 0x7c00u) { // infinity and NaN
    return sign | 0x7f800000u | (magnitude << 13u);
  }
  if (magnitude >= 0x0400u) { // normal: the exponent's bias grows from 15 to 127
    return sign | ((magnitude << 13u) + 0x38000000u);
  }
  // Subnormal in F16 is normal in f32: an integer times 2^-24, exactly.
  return sign | bitcast<u32>(f32(magnitude) * 0x1p-24f);
}

// Number `i`, that `word` holds, as an f32.
fn number_of(word: u32, i: u32, stored: u32) -> f32 {
  return bitcast<f32>(bits_of(word, i, stored));
}

// Four numbers of two bytes each, that the lower halves of `halves` hold, as f32: what number_of says, once for all four, since
// a driver takes the longer for a shader the more often a function is written into it.
fn numbers_of(halves: vec4u, stored: u32) -> vec4f {
  if (stored == BF16) {
    return bitcast<vec4f>(halves << vec4u(16u));
  }
  let magnitude = halves & vec4u(0x7fffu);
  let special = vec4u(0x7f800000u) | (magnitude << vec4u(13u));
  let normal = (magnitude << vec4u(13u)) + vec4u(0x38000000u);
  let subnormal = bitcast<vec4u>(vec4f(magnitude) * 0x1p-24f);
  let finite = select(subnormal, normal, magnitude >= vec4u(0x0400u));
  let bits = select(finite, special, magnitude >= vec4u(0x7c00u));
  return bitcast<vec4f>(((halves & vec4u(0x8000u)) << vec4u(16u)) | bits);
}
