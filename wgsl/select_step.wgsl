// Decides the next digit of every group's value from the counts of select_count.wgsl, and clears the counts.
// Bindings: 0 parameters; 1 groups. One thread a group.
struct Params {
  count: u32, // groups
  unit: u32, // of the digit; after the last, 1, the ties are known as well
  remove: u32, // scores to remove from a group
  remove_last: u32, // from the last group, if it is a shorter one
  last: u32, // its place in the state, or a number that is none
  all_ties: u32, // 1: every score equal to the value goes
}
struct Group {
  value: u32,
  less: u32,
  left: u32,
  below: array<u32, 16>,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> groups: array<Group>;

override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.count) {
    return;
  }
  let remove = select(params.remove, params.remove_last, id.x == params.last);
  let found = groups[id.x].value;
  for (var i = 0u; i < 16u; i++) {
    let below = groups[id.x].below[i];
    if (below <= remove) {
      groups[id.x].value = found + i * params.unit;
      groups[id.x].less = below;
    }
    groups[id.x].below[i] = 0u;
  }
  groups[id.x].left = select(remove - groups[id.x].less, 0xffffffffu, params.all_ties == 1u);
}
