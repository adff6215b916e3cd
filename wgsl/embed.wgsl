// Copies rows of an embedding table: row t of out becomes row ids[t] - first of this tile of the table, if the tile has
// that row; other rows of out stay.
// Bindings: 0 parameters; 1 ids, one u32 a token; 2 the table's tile, numbers stored as TABLE says; 3 out, the bits of
// F32. One thread a number of out, as in add.wgsl.
struct Params {
  rows: u32,
  cols: u32,
  out_row: u32, // where these rows begin in out's tile
  id_row: u32, // and in the tile of ids
  first: u32, // the id that the table's tile begins with
  table_rows: u32, // of the tile
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ids: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;

override TABLE: u32 = 0u;
override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  let row = i / params.cols;
  if (row >= params.rows) {
    return;
  }
  let source = ids[params.id_row + row] - params.first; // wraps to something large for an id before the tile
  if (source < params.table_rows) {
    let number = source * params.cols + i % params.cols;
    out[params.out_row * params.cols + i] = bits_of(table[word_of(number, TABLE)], number, TABLE);
  }
}
