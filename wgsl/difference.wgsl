// before - after as F32.
// Bindings: 0 parameters; 1 before and 2 after, stored as BEFORE and AFTER say; 3 out, F32. One thread a number, as in
// add.wgsl.
struct Params {
  count: u32,
  before_at: u32, // the first number
  after_at: u32,
  out_at: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> before: array<u32>;
@group(0) @binding(2) var<storage, read> after: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

override BEFORE: u32 = 0u;
override AFTER: u32 = 0u;
override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  if (i < params.count) {
    let a = params.before_at + i;
    let b = params.after_at + i;
    out[params.out_at + i] = number_of(before[word_of(a, BEFORE)], a, BEFORE) - number_of(after[word_of(b, AFTER)], b, AFTER);
  }
}
