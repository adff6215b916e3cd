// One step of AdamW, in the order of PyTorch's: with g = scale * gradient, m += first_rate (g - m),
// v = second_keep v + second_rate g², w = keep w - size m / (sqrt(v) / root + epsilon). What the mask removes stays.
// Bindings: 0 parameters; 1 weight, 2 first moment, 3 second moment, 4 gradient, F32; 5 mask, u32 rows x words (not read unless
// MASKED). One thread a number, as in add.wgsl.
struct Params {
  rows: u32, // of this dispatch
  cols: u32,
  words: u32, // of a row of the mask
  weight_row: u32, // where these rows begin in each tile
  first_row: u32,
  second_row: u32,
  gradient_row: u32,
  mask_row: u32,
  scale: f32,
  first_rate: f32,
  second_keep: f32,
  second_rate: f32,
  root: f32,
  epsilon: f32,
  keep: f32,
  size: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> first: array<f32>;
@group(0) @binding(3) var<storage, read_write> second: array<f32>;
@group(0) @binding(4) var<storage, read> gradient: array<f32>;
@group(0) @binding(5) var<storage, read> mask: array<u32>;

override MASKED: bool = false;
override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  if (i >= params.rows * params.cols) {
    return;
  }
  if (MASKED) {
    let col = i % params.cols;
    let word = mask[(params.mask_row + i / params.cols) * params.words + col / 32u];
    if (((word >> (col & 31u)) & 1u) == 1u) {
      return;
    }
  }
  let at_weight = params.weight_row * params.cols + i;
  let at_first = params.first_row * params.cols + i;
  let at_second = params.second_row * params.cols + i;
  let g = params.scale * gradient[params.gradient_row * params.cols + i];
  let m = first[at_first] + params.first_rate * (g - first[at_first]);
  let v = params.second_keep * second[at_second] + params.second_rate * g * g;
  first[at_first] = m;
  second[at_second] = v;
  let below = sqrt(v) / params.root + params.epsilon;
  weight[at_weight] = params.keep * weight[at_weight] - params.size * m / below;
}
