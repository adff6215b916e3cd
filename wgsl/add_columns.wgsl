// Adds runs of numbers to columns of another matrix: out[row + i, first + j of every run of `period`] += x[i, j].
// Bindings: 0 parameters; 1 x, F32 rows x (runs * width); 2 out, F32 rows x (runs * period). One thread a number of x, as in
// add.wgsl.
struct Params {
  count: u32, // numbers of x
  x_at: u32, // the first
  width: u32,
  period: u32,
  out_at: u32, // where the first goes
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  if (i < params.count) {
    out[params.out_at + i / params.width * params.period + i % params.width] += x[params.x_at + i];
  }
}
