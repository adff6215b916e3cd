// Shares the ties that a group may still remove out to its rows, the first rows first.
// Bindings: 0 parameters; 1 groups; 2 limits, a tile. One thread a group, which goes over its rows in order; a group
// whose limits lie in several tiles takes several dispatches.
struct Params {
  limit_row: u32, // where row `first` is in the tile
  first: u32, // rows of this dispatch: [first, end) of the matrix
  end: u32,
  group_rows: u32,
  first_group: u32, // the group that the state begins with
  group: u32, // groups of this dispatch: [group, end_group)
  end_group: u32,
}
struct Group {
  value: u32,
  less: u32,
  left: u32,
  below: array<u32, 16>,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> groups: array<Group>;
@group(0) @binding(2) var<storage, read_write> limits: array<vec2u>;

override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let g = params.group + id.x;
  if (g >= params.end_group) {
    return;
  }
  var left = groups[g - params.first_group].left;
  let end = min((g + 1u) * params.group_rows, params.end);
  for (var row = max(g * params.group_rows, params.first); row < end; row++) {
    let at = params.limit_row + row - params.first;
    let ties = min(limits[at].y, left);
    limits[at].y = ties;
    left -= ties;
  }
  groups[g - params.first_group].left = left;
}
