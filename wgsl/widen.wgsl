// A weight as F32, with zeros in the dead columns: what an elimination works on.
// Bindings: 0 parameters; 1 weight, stored as WEIGHT says; 2 dead, F32 1 x cols; 3 out, the bits of F32. One thread a
// number, as in add.wgsl.
struct Params {
  rows: u32,
  cols: u32,
  weight_row: u32, // where these rows begin in the weight's tile
  out_row: u32, // and in out's
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight: array<u32>;
@group(0) @binding(2) var<storage, read> dead: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;

override WEIGHT: u32 = 0u;
override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  if (i >= params.rows * params.cols) {
    return;
  }
  let number = params.weight_row * params.cols + i;
  let bits = bits_of(weight[word_of(number, WEIGHT)], number, WEIGHT);
  out[params.out_row * params.cols + i] = select(bits, 0u, dead[i % params.cols] != 0.0);
}
