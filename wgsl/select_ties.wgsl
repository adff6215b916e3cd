// After the selection in groups of many rows: how many scores of every row equal its group's value.
// Bindings: 0 parameters; 1 scores, the bits of F32, a tile; 2 groups, their state; 3 limits, u32 rows x 2 as in
// select_row.wgsl, but with all ties of the row. One workgroup a row.
struct Params {
  cols: u32,
  score_row: u32,
  limit_row: u32,
  row: u32, // the first row of this dispatch in the matrix
  group_rows: u32,
  first_group: u32,
}
struct Group {
  value: u32,
  less: u32,
  left: u32,
  below: array<u32, 16>,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scores: array<u32>;
@group(0) @binding(2) var<storage, read> groups: array<Group>;
@group(0) @binding(3) var<storage, read_write> limits: array<vec2u>;

override THREADS: u32 = 64u;
var<workgroup> ties: atomic<u32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let value = groups[(params.row + group.x) / params.group_rows - params.first_group].value;
  let begin = (params.score_row + group.x) * params.cols;
  var count = 0u;
  for (var j = lane; j < params.cols; j += THREADS) {
    count += select(0u, 1u, (scores[begin + j] & UNSIGNED) == value);
  }
  atomicAdd(&ties, count);
  workgroupBarrier();
  if (lane == 0u) {
    limits[params.limit_row + group.x] = vec2u(value, atomicLoad(&ties));
  }
}
