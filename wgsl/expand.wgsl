// Rows of a packed weight, dense: as the bits of F32, or of what its values are stored as. Nothing is rounded.
// Bindings: 0 parameters; 1 to 4 a tile of the weight (packed.wgsl); 5 out. One thread a word of out, which holds one number or
// two.
struct Params {
  numbers: u32, // of these rows
  cols: u32,
  row: u32, // of the tile, the first
  out_at: u32, // the word of out that they begin with
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(5) var<storage, read_write> out: array<u32>;

override THREADS: u32 = 64u;
override SHORT: u32 = 0u; // 1: out holds the 16 bits of the values

// The bits of a number as F32, or as it is stored.
fn expanded(number: u32) -> u32 {
  if (number >= params.numbers) {
    return 0u;
  }
  let cols = params.cols;
  let row = params.row + number / cols;
  let col = number % cols;
  let word = col / 32u;
  let bits = mask_of(row, word, cols);
  let bit = 1u << (col % 32u);
  if ((bits & bit) == 0u) {
    return 0u;
  }
  let at = first_of(row, word, cols) + countOneBits(bits & (bit - 1u));
  if (SHORT == 1u) {
    return extractBits(values[at >> 1u], (at & 1u) * 16u, 16u);
  }
  if (TYPE >= I8) {
    return bitcast<u32>(bitcast<f32>(value_bits(at)) * scale_of(row, word, cols));
  }
  return value_bits(at);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let word = (group.y * groups.x + group.x) * THREADS + lane;
  if (SHORT == 1u) {
    if (2u * word < params.numbers) {
      out[params.out_at + word] = expanded(2u * word) | (expanded(2u * word + 1u) << 16u);
    }
  } else if (word < params.numbers) {
    out[params.out_at + word] = expanded(word);
  }
}
