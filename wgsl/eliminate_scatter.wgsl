// The way back from eliminate.wgsl: the block's weights to their matrix, and their errors to rows of whole vectors; what has an
// error, be it -0, was removed.
// Bindings: 0 parameters; 1 block and 2 errors, the bits of F32 width x rows; 3 weight, the bits of F32; 4 out, the
// errors as rows, zeros after the last; 5 removed, a mask, whose bits are set. One thread a number of out, as in add.wgsl.
struct Params {
  rows: u32,
  cols: u32,
  weight_row: u32,
  first: u32, // columns [first, first + width)
  width: u32,
  block_rows: u32,
  block_row: u32,
  out_cols: u32,
  out_row: u32,
  words: u32, // of a row of the mask
  removed_row: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> block: array<u32>;
@group(0) @binding(2) var<storage, read> errors: array<u32>;
@group(0) @binding(3) var<storage, read_write> weight: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<u32>;
@group(0) @binding(5) var<storage, read_write> removed: array<atomic<u32>>;

override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  let row = i / params.out_cols;
  let col = i % params.out_cols;
  if (row >= params.rows) {
    return;
  }
  var error = 0u;
  if (col < params.width) {
    let at = col * params.block_rows + params.block_row + row;
    weight[(params.weight_row + row) * params.cols + params.first + col] = block[at];
    error = errors[at];
    if (error != 0u) {
      let bit = params.first + col;
      atomicOr(&removed[(params.removed_row + row) * params.words + bit / 32u], 1u << (bit & 31u));
    }
  }
  out[(params.out_row + row) * params.out_cols + col] = error;
}
