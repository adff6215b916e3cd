// Writes a tile of a mask (its rows are columns of out) into a tile of the transposed mask.
// Bindings: 0 parameters; 1 source, u32 rows x words; 2 out. One thread a word of out; it takes the bits that this tile
// of the source holds and leaves the others as they are.
struct Params {
  rows: u32, // of out's tile
  words: u32, // of a row of out
  first_row: u32, // the row of the mask that out's tile begins with: a column of the source
  source_words: u32,
  source_first: u32, // rows [source_first, source_end) of the source are in its tile
  source_end: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  let row = i / params.words;
  if (row >= params.rows) {
    return;
  }
  let word = i % params.words;
  let column = params.first_row + row; // of the source
  var bits = out[i];
  for (var j = max(word * 32u, params.source_first); j < min(word * 32u + 32u, params.source_end); j++) {
    let bit = (source[(j - params.source_first) * params.source_words + column / 32u] >> (column & 31u)) & 1u;
    bits |= bit << (j & 31u);
  }
  out[i] = bits;
}
