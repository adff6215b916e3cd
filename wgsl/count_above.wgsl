// How many scores of a row are above a limit. Scores are never negative, so their bits are compared.
// Bindings: 0 parameters; 1 scores, the bits of F32; 2 out, F32 rows x 1. A workgroup a row.
struct Params {
  cols: u32,
  score_row: u32,
  out_row: u32,
  limit: i32, // bits; negative if the limit is
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scores: array<i32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

override THREADS: u32 = 64u;
var<workgroup> counts: array<u32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let begin = (params.score_row + group.x) * params.cols;
  var count = 0u;
  for (var j = lane; j < params.cols; j += THREADS) {
    count += select(0u, 1u, scores[begin + j] > params.limit);
  }
  counts[lane] = count;
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 1u; i < THREADS; i++) {
      count += counts[i];
    }
    out[params.out_row + group.x] = f32(count);
  }
}
