// out = silu(gate) * up, elementwise, with silu(g) = g / (1 + exp(-g)).
// Bindings: 0 parameters; 1 gate; 2 up; 3 out, all F32 of `count` numbers. One thread a number, as in add.wgsl.
struct Params { count: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gate: array<f32>;
@group(0) @binding(2) var<storage, read> up: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  if (i < params.count) {
    let g = gate[i];
    let e = exp(-abs(g)); // never overflows
    out[i] = g * select(e, 1.0, g >= 0.0) / (1.0 + e) * up[i];
  }
}
