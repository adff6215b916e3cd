// Lays rows of a weight out as linear.wgsl reads them: F32, column-major, in vectors of four rows, with columns of
// zeros up to a multiple of four. A thread takes four columns of four rows.
// Bindings: 0 parameters; 1 weight, stored as WEIGHT says; 2 out, the bits of F32: vector n of column k holds
// W[4n .. 4n + 3, k] (whatever comes after the last row is never used). Workgroups of THREADS x THREADS: x columns, y
// rows.
struct Params {
  rows: u32,
  cols: u32,
  weight_row: u32, // where these rows begin in the weight's tile
  vectors: u32, // of a column of out
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4u>;

override WEIGHT: u32 = 0u;
override THREADS: u32 = 8u;

// The four numbers from `number` on.
fn four(number: u32) -> vec4u {
  let at = word_of(number, WEIGHT);
  if (WEIGHT == F32) {
    return vec4u(weight[at], weight[at + 1u], weight[at + 2u], weight[at + 3u]);
  }
  var low = weight[at];
  var high = weight[at + 1u];
  if ((number & 1u) == 1u) {
    low = (low >> 16u) | (high << 16u);
    high = (high >> 16u) | (weight[at + 2u] << 16u);
  }
  return vec4u(bits_of(low, 0u, WEIGHT), bits_of(low, 1u, WEIGHT), bits_of(high, 0u, WEIGHT), bits_of(high, 1u, WEIGHT));
}

// Four columns from `col` on of a row; those after the last are zeros.
fn columns(row: u32, col: u32) -> vec4u {
  let past = vec4u(col) + vec4u(0u, 1u, 2u, 3u) >= vec4u(params.cols);
  return select(four((params.weight_row + row) * params.cols + col), vec4u(0u), past);
}

@compute @workgroup_size(THREADS, THREADS)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let col = 4u * id.x;
  let row = 4u * id.y;
  if (col >= params.cols || row >= params.rows) {
    return;
  }
  let a = columns(row, col);
  let b = columns(row + 1u, col);
  let c = columns(row + 2u, col);
  let d = columns(row + 3u, col);
  let at = col * params.vectors + id.y;
  out[at] = vec4u(a.x, b.x, c.x, d.x);
  out[at + params.vectors] = vec4u(a.y, b.y, c.y, d.y);
  out[at + 2u * params.vectors] = vec4u(a.z, b.z, c.z, d.z);
  out[at + 3u * params.vectors] = vec4u(a.w, b.w, c.w, d.w);
}
