// The diagonal of rows of a square matrix.
// Bindings: 0 parameters; 1 matrix, F32; 2 out, F32 1 x cols. One thread a row.
struct Params {
  rows: u32,
  cols: u32,
  first: u32, // the row of the matrix
  place: u32, // and where it is in the tile
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> matrix: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < params.rows) {
    let col = params.first + id.x;
    out[col] = matrix[(params.place + id.x) * params.cols + col];
  }
}
