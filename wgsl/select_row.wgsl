// Exact selection in every row on its own (see digits.wgsl); the row stays in the cache.
// Bindings: 0 parameters; 1 scores, the bits of F32 rows x cols; 2 limits, u32 rows x 2: the value below which all is
// removed, and how many scores equal to it go too (the first ones). One workgroup a row.
struct Params {
  cols: u32,
  score_row: u32,
  limit_row: u32,
  remove: u32,
  all_ties: u32, // 1: every score equal to the value goes
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scores: array<u32>;
@group(0) @binding(2) var<storage, read_write> limits: array<vec2u>;

override THREADS: u32 = 64u;
var<workgroup> below: array<atomic<u32>, 16u * PASSES>; // counts of each pass

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let begin = (params.score_row + group.x) * params.cols;
  var value = 0u;
  var less = 0u;
  for (var round = 0u; round < PASSES; round++) {
    let unit = 1u << (4u * (PASSES - 1u - round));
    let candidates = candidates_of(value, unit);
    var counts = Digits();
    for (var j = lane; j < params.cols; j += THREADS) {
      count_score(&counts, candidates, scores[begin + j] & UNSIGNED);
    }
    for (var i = 0u; i < 16u; i++) {
      atomicAdd(&below[16u * round + i], counts[i / 4u][i % 4u]);
    }
    workgroupBarrier();
    let found = value;
    for (var i = 0u; i < 16u; i++) {
      let count = atomicLoad(&below[16u * round + i]);
      if (count <= params.remove) {
        value = found + i * unit;
        less = count;
      }
    }
  }
  if (lane == 0u) {
    limits[params.limit_row + group.x] = vec2u(value, select(params.remove - less, 0xffffffffu, params.all_ties == 1u));
  }
}
