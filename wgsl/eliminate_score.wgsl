// The scores of a block of columns, from the weights as they are.
// Bindings: 0 parameters; 1 weight, F32; 2 column, F32 1 x cols, see worth.wgsl; 3 scores, F32. One thread a score, as in
// add.wgsl.
struct Params {
  rows: u32,
  cols: u32,
  weight_row: u32,
  score_row: u32,
  first: u32, // columns [first, first + width)
  width: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> column: array<f32>;
@group(0) @binding(3) var<storage, read_write> scores: array<f32>;

override FORMULA: u32 = 0u;
override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  let row = i / params.width;
  if (row >= params.rows) {
    return;
  }
  let col = params.first + i % params.width;
  let number = weight[(params.weight_row + row) * params.cols + col];
  scores[params.score_row * params.width + i] = worth(number, column[col], FORMULA);
}
