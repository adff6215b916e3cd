// Adds xᵀ x to running sums, from its upper triangle: what lies below the diagonal is read from across it, so the sums
// stay symmetric to the bit.
// Bindings: 0 parameters; 1 gram, F32, a tile of xᵀ x, of which only what is on and above the diagonal is read; 2 high and
// 3 low, F32 rows x cols. One thread a sum, as in add.wgsl; a sum whose product is in another tile is left to its dispatch.
struct Params {
  zero: u32, // see pairs.wgsl
  rows: u32,
  cols: u32,
  first: u32, // the row of the matrix that the sums begin with
  gram_first: u32, // rows [gram_first, gram_first + gram_rows) are in the tile
  gram_rows: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gram: array<f32>;
@group(0) @binding(2) var<storage, read_write> high: array<f32>;
@group(0) @binding(3) var<storage, read_write> low: array<f32>;

override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  zero_bits = params.zero;
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  let row = params.first + i / params.cols;
  let col = i % params.cols;
  let upper = min(row, col) - params.gram_first; // wraps before the tile
  if (i >= params.rows * params.cols || upper >= params.gram_rows) {
    return;
  }
  let sum = add_number(vec2f(high[i], low[i]), gram[upper * params.cols + max(row, col)]);
  high[i] = sum.x;
  low[i] = sum.y;
}
