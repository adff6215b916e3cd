// F32 numbers rounded to a weight's dtype, to nearest, ties to even; or to BF16 STOCHASTICally, by a hash of a key and a
// number's place (mix.wgsl): 16 random bits are added to those that are cut off. One thread a word of the weight, which may hold two
// numbers, even of two rows: a number that is not of these rows stays.
// Bindings: 0 parameters; 1 source, the bits of F32; 2 weight, stored as WEIGHT says.
struct Params {
  rows: u32,
  cols: u32,
  source_row: u32, // where these rows begin in the source's tile
  weight_row: u32, // and in the weight's
  place: u32, // of the first of these numbers in the matrix
  key: u32, // not read unless STOCHASTIC
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<u32>;
@group(0) @binding(2) var<storage, read_write> weight: array<u32>;

override WEIGHT: u32 = 0u;
override STOCHASTIC: bool = false;
override THREADS: u32 = 64u;

// Number `i` of these rows, rounded.
fn rounded(i: u32) -> u32 {
  let bits = source[params.source_row * params.cols + i];
  if (!STOCHASTIC || (bits & 0x7fffffffu) > 0x7f800000u) { // NaN
    return half_of(bits, WEIGHT);
  }
  return (bits + (mix32(mix32(params.place + i) ^ params.key) & 0xffffu)) >> 16u;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  let first = params.weight_row * params.cols; // number of the tile
  let count = params.rows * params.cols;
  let word = word_of(first, WEIGHT) + i;
  if (word > word_of(first + count - 1u, WEIGHT)) {
    return;
  }
  if (WEIGHT == F32) {
    weight[word] = source[params.source_row * params.cols + i];
    return;
  }
  var bits = weight[word];
  let number = 2u * word - first; // wraps where the first number is the upper one of its word
  if (number < count) {
    bits = (bits & 0xffff0000u) | rounded(number);
  }
  if (number + 1u < count) {
    bits = (bits & 0xffffu) | (rounded(number + 1u) << 16u);
  }
  weight[word] = bits;
}
