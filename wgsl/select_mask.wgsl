// The mask of rows whose limits are known: a score goes if it is below the row's value, or is one of the first `ties`
// scores equal to it.
// Bindings: 0 parameters; 1 scores, the bits of F32; 2 limits, u32 rows x 2: value, ties; 3 mask, u32 rows x words. One
// workgroup a row; each thread takes a run of neighbouring words, so that ties are counted in the order of columns.
struct Params {
  cols: u32,
  words: u32, // of a row of the mask
  score_row: u32,
  limit_row: u32,
  mask_row: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scores: array<u32>;
@group(0) @binding(2) var<storage, read> limits: array<vec2u>;
@group(0) @binding(3) var<storage, read_write> mask: array<u32>;

override THREADS: u32 = 64u;
var<workgroup> ties: array<u32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let limit = limits[params.limit_row + group.x];
  let begin = (params.score_row + group.x) * params.cols;
  let run = (params.words + THREADS - 1u) / THREADS;
  let first = min(lane * run, params.words);
  let end = min(first + run, params.words);
  var count = 0u;
  if (limit.y != 0u && limit.y != 0xffffffffu) {
    for (var j = first * 32u; j < min(end * 32u, params.cols); j++) {
      count += select(0u, 1u, (scores[begin + j] & UNSIGNED) == limit.x);
    }
  }
  ties[lane] = count;
  workgroupBarrier();
  var left = limit.y;
  for (var i = 0u; i < lane; i++) {
    left -= min(left, ties[i]);
  }
  for (var word = first; word < end; word++) {
    var bits = 0u;
    for (var j = word * 32u; j < min(word * 32u + 32u, params.cols); j++) {
      let score = scores[begin + j] & UNSIGNED;
      if (score < limit.x) {
        bits |= 1u << (j & 31u);
      } else if (score == limit.x && left > 0u) {
        bits |= 1u << (j & 31u);
        left -= 1u;
      }
    }
    mask[(params.mask_row + group.x) * params.words + word] = bits;
  }
}
