// n:m, keeps n: of every m neighbouring columns of a row those of rank below m - n go, where the rank of a score is
// how many of its group are smaller, or equal and further left.
// Bindings: 0 parameters; 1 scores, the bits of F32; 2 mask, u32 rows x words. One thread a word of the mask.
struct Params {
  rows: u32,
  cols: u32,
  words: u32, // of a row of the mask
  score_row: u32,
  mask_row: u32,
  m: u32,
  remove: u32, // m - n
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scores: array<u32>;
@group(0) @binding(2) var<storage, read_write> mask: array<u32>;

override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  let row = i / params.words;
  if (row >= params.rows) {
    return;
  }
  let word = i % params.words;
  let begin = (params.score_row + row) * params.cols;
  var bits = 0u;
  for (var j = word * 32u; j < min(word * 32u + 32u, params.cols); j++) {
    let score = scores[begin + j] & UNSIGNED;
    let first = j / params.m * params.m;
    var rank = 0u;
    for (var other = first; other < first + params.m; other++) {
      let rival = scores[begin + other] & UNSIGNED;
      rank += select(0u, 1u, rival < score || (rival == score && other < j));
    }
    if (rank < params.remove) {
      bits |= 1u << (j & 31u);
    }
  }
  mask[(params.mask_row + row) * params.words + word] = bits;
}
