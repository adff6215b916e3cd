// The mask of what is zero in a weight, of either sign. One thread a word of the mask.
// Bindings: 0 parameters; 1 weight, stored as WEIGHT says; 2 mask, u32 rows x words.
struct Params {
  rows: u32, // of this dispatch
  cols: u32,
  words: u32, // of a row of the mask
  weight_row: u32, // where these rows begin in the weight's tile
  mask_row: u32, // and in the mask's
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight: array<u32>;
@group(0) @binding(2) var<storage, read_write> mask: array<u32>;

override WEIGHT: u32 = 0u;
override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  let row = i / params.words;
  if (row >= params.rows) {
    return;
  }
  let word = i % params.words;
  let begin = (params.weight_row + row) * params.cols;
  var bits = 0u;
  for (var j = word * 32u; j < min(word * 32u + 32u, params.cols); j++) {
    let number = bits_of(weight[word_of(begin + j, WEIGHT)], begin + j, WEIGHT);
    bits |= select(0u, 1u, (number & 0x7fffffffu) == 0u) << (j & 31u);
  }
  mask[(params.mask_row + row) * params.words + word] = bits;
}
