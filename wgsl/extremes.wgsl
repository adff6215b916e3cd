// Where the line between removed and kept magnitudes lies in a row: the greatest that the mask removes, the least and the
// greatest that it keeps. Magnitudes are compared by their bits; those of -1, the greatest of none, are below all.
// Bindings: 0 parameters; 1 values, stored as VALUES says; 2 mask, u32 rows x words; 3 out, the bits of F32 rows x 3. A
// workgroup a row.
struct Params {
  cols: u32,
  words: u32, // of a row of the mask
  value_row: u32,
  mask_row: u32,
  out_row: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<u32>;
@group(0) @binding(2) var<storage, read> mask: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<i32>;

override VALUES: u32 = 0u;
override THREADS: u32 = 64u;

const NONE = -0x40800000i; // -1 as bits
const INFINITE = 0x7f800000i;

var<workgroup> found: array<vec3i, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let begin = (params.value_row + group.x) * params.cols;
  let mask_begin = (params.mask_row + group.x) * params.words;
  var own = vec3i(NONE, INFINITE, NONE);
  for (var j = lane; j < params.cols; j += THREADS) {
    let number = begin + j;
    let bits = i32(bits_of(values[word_of(number, VALUES)], number, VALUES) & 0x7fffffffu);
    if (((mask[mask_begin + j / 32u] >> (j & 31u)) & 1u) == 1u) {
      own.x = max(own.x, bits);
    } else {
      own.y = min(own.y, bits);
      own.z = max(own.z, bits);
    }
  }
  found[lane] = own;
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 1u; i < THREADS; i++) {
      let other = found[i];
      own = vec3i(max(own.x, other.x), min(own.y, other.y), max(own.z, other.z));
    }
    for (var i = 0u; i < 3u; i++) {
      out[(params.out_row + group.x) * 3u + i] = own[i];
    }
  }
}
