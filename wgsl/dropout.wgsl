// out = scale * x where the hash of a number's place and the key is at least the limit, else 0: mix.wgsl, which stands
// before it, twice.
// Bindings: 0 parameters; 1 x; 2 out, both F32 of `count` numbers. One thread a number, as in add.wgsl.
struct Params {
  count: u32,
  first: u32, // the place of this tile's first number in the matrix
  key: u32,
  limit: u32,
  scale: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  if (i < params.count) {
    out[i] = select(0.0, params.scale * x[i], mix32(mix32(params.first + i) ^ params.key) >= params.limit);
  }
}
