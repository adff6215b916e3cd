// Sets the removed weights to (positive) zero, in their own dtype. One thread a word of the weight, which may hold two
// numbers, even of two rows: a number whose row is not in this tile of the mask is left to the dispatch that has it.
// Bindings: 0 parameters; 1 mask, u32 rows x words; 2 weight, stored as WEIGHT says.
struct Params {
  rows: u32, // of this dispatch
  cols: u32,
  words: u32, // of a row of the mask
  weight_row: u32, // where these rows begin in the weight's tile
  mask_row: u32, // and in the mask's
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> mask: array<u32>;
@group(0) @binding(2) var<storage, read_write> weight: array<u32>;

override WEIGHT: u32 = 0u;
override THREADS: u32 = 64u;

// 1 if number `i` of these rows is removed.
fn removed(i: u32) -> u32 {
  let row = i / params.cols;
  let col = i % params.cols;
  if (row >= params.rows) { // after these rows, or (wrapped) before them
    return 0u;
  }
  return (mask[(params.mask_row + row) * params.words + col / 32u] >> (col & 31u)) & 1u;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  let first = params.weight_row * params.cols; // number of the tile
  let word = word_of(first, WEIGHT) + i;
  if (word > word_of(first + params.rows * params.cols - 1u, WEIGHT)) {
    return;
  }
  if (WEIGHT == F32) {
    if (removed(i) == 1u) {
      weight[word] = 0u;
    }
    return;
  }
  let number = 2u * word - first;
  let keep = ~(removed(number) * 0xffffu | removed(number + 1u) * 0xffff0000u);
  if (keep != 0xffffffffu) {
    weight[word] &= keep;
  }
}
