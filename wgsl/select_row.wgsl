// Exact selection in every row on its own: finds the score of rank `remove` (from 0) in ascending order. Scores are not
// negative, so their bits order as they do. The bits are found from the top, two at a time, by counting how many
// scores lie below the three candidates: 16 passes over a row that stays in the cache, nothing sorted, nothing moved.
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
var<workgroup> below: array<atomic<u32>, 48>; // three counts for each pass

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let begin = (params.score_row + group.x) * params.cols;
  var value = 0u;
  var less = 0u;
  for (var pass_ = 0u; pass_ < 16u; pass_++) {
    let unit = 1u << (30u - 2u * pass_);
    var counts = vec3u(0u);
    let candidates = vec3u(value) + vec3u(1u, 2u, 3u) * unit;
    for (var j = lane; j < params.cols; j += THREADS) {
      counts += select(vec3u(0u), vec3u(1u), vec3u(scores[begin + j]) < candidates);
    }
    atomicAdd(&below[3u * pass_], counts.x);
    atomicAdd(&below[3u * pass_ + 1u], counts.y);
    atomicAdd(&below[3u * pass_ + 2u], counts.z);
    workgroupBarrier();
    for (var i = 0u; i < 3u; i++) {
      let count = atomicLoad(&below[3u * pass_ + i]);
      if (count <= params.remove) {
        value += unit;
        less = count;
      }
    }
  }
  if (lane == 0u) {
    limits[params.limit_row + group.x] = vec2u(value, select(params.remove - less, 0xffffffffu, params.all_ties == 1u));
  }
}
