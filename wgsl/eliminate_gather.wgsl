// A block of columns, turned so that neighbouring threads of eliminate.wgsl read neighbouring numbers, and beside every
// weight whether it goes.
// Bindings: 0 parameters; 1 weight, the bits of F32; 2 mask (not read unless MASKED); 3 block, the bits of F32 width x
// rows; 4 removed, of the same shape, 1 or 0. One thread a number, as in add.wgsl.
struct Params {
  rows: u32,
  cols: u32,
  weight_row: u32,
  first: u32, // columns [first, first + width)
  width: u32,
  block_rows: u32, // rows of the weight that the block has room for
  block_row: u32, // where these begin
  words: u32, // of a row of the mask
  mask_row: u32,
  mask_col: u32, // the block's first column in the mask
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight: array<u32>;
@group(0) @binding(2) var<storage, read> mask: array<u32>;
@group(0) @binding(3) var<storage, read_write> block: array<u32>;
@group(0) @binding(4) var<storage, read_write> removed: array<u32>;

override MASKED: bool = false;
override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  let row = i / params.width;
  let col = i % params.width;
  if (row >= params.rows) {
    return;
  }
  let to = col * params.block_rows + params.block_row + row;
  block[to] = weight[(params.weight_row + row) * params.cols + params.first + col];
  var bit = 0u;
  if (MASKED) {
    let at = params.mask_col + col;
    bit = (mask[(params.mask_row + row) * params.words + at / 32u] >> (at & 31u)) & 1u;
  }
  removed[to] = bit;
}
