// One pass of the selection (digits.wgsl) in groups of many rows: counts the scores below the candidates of every
// group; select_step.wgsl then decides the next digit.
// Bindings: 0 parameters; 1 scores, the bits of F32, a tile; 2 groups, their state. One workgroup a block of
// neighbouring rows of one group.
struct Params {
  cols: u32,
  tile_row: u32, // the row of the matrix that the tile begins with
  first: u32, // rows of this dispatch: [first, end) of the matrix
  end: u32,
  group_rows: u32,
  first_group: u32, // the group that the state begins with
  block_rows: u32,
  group_blocks: u32, // ceil(group_rows / block_rows)
  first_block: u32,
  end_block: u32,
  unit: u32, // of the digit
}
struct Group {
  value: u32, // the bits found so far
  less: u32, // scores below them
  left: u32, // ties that may still be removed
  below: array<atomic<u32>, 16>,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scores: array<u32>;
@group(0) @binding(2) var<storage, read_write> groups: array<Group>;

override THREADS: u32 = 64u;
var<workgroup> below: array<atomic<u32>, 16>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let block = params.first_block + group.y * count.x + group.x;
  let g = block / params.group_blocks;
  let block_row = g * params.group_rows + (block % params.group_blocks) * params.block_rows;
  let end_row = min(min(block_row + params.block_rows, (g + 1u) * params.group_rows), params.end);
  let first_row = max(block_row, params.first);
  if (block >= params.end_block || first_row >= end_row) {
    return;
  }
  let at = g - params.first_group;
  let candidates = candidates_of(groups[at].value, params.unit);
  var counts = Digits();
  let end = (end_row - params.tile_row) * params.cols;
  for (var i = (first_row - params.tile_row) * params.cols + lane; i < end; i += THREADS) {
    count_score(&counts, candidates, scores[i] & UNSIGNED);
  }
  for (var i = 0u; i < 16u; i++) {
    atomicAdd(&below[i], counts[i / 4u][i % 4u]);
  }
  workgroupBarrier();
  for (var i = lane; i < 16u; i += THREADS) {
    atomicAdd(&groups[at].below[i], atomicLoad(&below[i]));
  }
}
