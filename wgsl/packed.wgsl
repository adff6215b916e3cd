// Packed weights: some numbers are not stored, or they are integers that share a scale, or both; how they lie is said in
// src/backend/packed.ts. Shared by the shaders that read them, which bind a tile of whole rows as 1 to 4. Integer work on
// bits as in numbers.wgsl, which comes before this.
@group(0) @binding(1) var<storage, read> values: array<u32>;
@group(0) @binding(2) var<storage, read> mask: array<u32>; // rows of whole words; not read if all numbers are stored
// The tile's number of the value that each row begins with, or, of a mask without a pattern, each 256 columns of a row.
@group(0) @binding(3) var<storage, read> offsets: array<u32>;
@group(0) @binding(4) var<storage, read> scales: array<u32>; // BF16, of integers

const I8 = 3u;
const I4 = 4u;
const DENSE = 0u;
const GROUPS = 1u; // of every M neighbouring columns N
const BITMASK = 2u;
const SEGMENT_WORDS = 8u; // words of a mask that share an offset

override TYPE: u32 = 0u;
override PATTERN: u32 = 0u;
override N: u32 = 2u;
override M: u32 = 4u;
override SCALE_WORDS: u32 = 4u; // words of a mask that share a scale

// The mask of 32 columns, from column 32 * word on.
fn mask_of(row: u32, word: u32, cols: u32) -> u32 {
  let words = (cols + 31u) / 32u;
  if (PATTERN != DENSE) {
    return mask[row * words + word];
  }
  let last = cols - 32u * word;
  if (last >= 32u) {
    return 0xffffffffu;
  }
  return (1u << last) - 1u;
}

// The number of the value that these 32 columns begin with.
fn first_of(row: u32, word: u32, cols: u32) -> u32 {
  if (PATTERN == DENSE) {
    return offsets[row] + 32u * word;
  }
  if (PATTERN == GROUPS) {
    return offsets[row] + 32u * word / M * N;
  }
  let words = (cols + 31u) / 32u;
  let segment = word / SEGMENT_WORDS;
  var first = offsets[row * ((words + SEGMENT_WORDS - 1u) / SEGMENT_WORDS) + segment];
  for (var before = segment * SEGMENT_WORDS; before < word; before++) {
    first += countOneBits(mask[row * words + before]);
  }
  return first;
}

// The bits of value `at` as an f32; an integer's without its scale.
fn value_bits(at: u32) -> u32 {
  if (TYPE == I8) {
    return bitcast<u32>(f32(extractBits(i32(values[at >> 2u]), (at & 3u) * 8u, 8u)));
  }
  if (TYPE == I4) {
    return bitcast<u32>(f32(i32(extractBits(values[at >> 3u], (at & 7u) * 4u, 4u)) - 8));
  }
  return bits_of(values[word_of(at, TYPE)], at, TYPE);
}

// The scale of these 32 columns.
fn scale_of(row: u32, word: u32, cols: u32) -> f32 {
  let words = (cols + 31u) / 32u;
  let at = row * ((words + SCALE_WORDS - 1u) / SCALE_WORDS) + word / SCALE_WORDS;
  return number_of(scales[word_of(at, BF16)], at, BF16);
}
