// out = x + y, elementwise.
// Bindings: 0 parameters; 1 x; 2 y; 3 out, all F32 of `count` numbers. One thread a number; the workgroups form one
// long line that is folded to stay within the limit of a dimension.
struct Params { count: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  if (i < params.count) {
    out[i] = x[i] + y[i];
  }
}
