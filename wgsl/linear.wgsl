// out = x Wᵀ (+ bias), for a block of W's rows. A thread computes a tile of out that is as large as its registers allow,
// since what costs is reading: ROWS x COLS blocks of 4 x 4, each step of which takes four columns of x and multiplies
// two 4 x 4 matrices. Nothing is staged in workgroup memory: neighbouring threads read neighbouring vectors of W and
// the same ones of x, which caches serve.
// Bindings: 0 parameters; 1 x, F32, rows of whole vectors; 2 weight, F32, column-major (pack.wgsl): vector n of column
// k holds W[4n .. 4n + 3, k], columns after the last are 0; 3 bias, F32, in vectors like those of W (not read if there
// is none); 4 out, F32, rows of whole vectors. Workgroups: x tiles of rows, y tiles of columns, each of THREAD_ROWS x
// THREAD_COLS threads.
struct Params {
  rows: u32, // of x and out, here
  steps: u32, // of four columns of x: vectors of one of its rows
  outputs: u32, // vectors of a column of W
  x_row: u32, // where these rows begin in x's tile
  out_row: u32, // and in out's
  out_stride: u32, // vectors of a row of out
  out_at: u32, // the first one written
  biased: u32, // 1: there is a bias
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4f>;

override ROWS: u32 = 2u; // blocks of a thread, up to 6
override COLS: u32 = 2u; // up to 4
override THREAD_ROWS: u32 = 8u;
override THREAD_COLS: u32 = 16u;

fn weight_block(at: u32) -> mat4x4f {
  let stride = params.outputs;
  return mat4x4f(weight[at], weight[at + stride], weight[at + 2u * stride], weight[at + 3u * stride]);
}

fn bias_block(n: u32) -> mat4x4f {
  return mat4x4f(bias[n], bias[n], bias[n], bias[n]);
}

fn add_strip(strip: ptr<function, Strip>, w: Strip, at: u32) {
  let stride = params.steps;
  let rows = mat4x4f(x[at], x[at + stride], x[at + 2u * stride], x[at + 3u * stride]);
  (*strip)[0] = block((*strip)[0], w[0], rows);
  if (COLS > 1u) { (*strip)[1] = block((*strip)[1], w[1], rows); }
  if (COLS > 2u) { (*strip)[2] = block((*strip)[2], w[2], rows); }
  if (COLS > 3u) { (*strip)[3] = block((*strip)[3], w[3], rows); }
}

// Writes a column of a block, four numbers of a row of out.
fn store(sums: vec4f, row: u32, n: u32) {
  if (row < params.rows && n < params.outputs) {
    out[(params.out_row + row) * params.out_stride + params.out_at + n] = sums;
  }
}

fn store_block(sums: mat4x4f, row: u32, n: u32) {
  store(sums[0], row, n);
  store(sums[1], row + 1u, n);
  store(sums[2], row + 2u, n);
  store(sums[3], row + 3u, n);
}

fn store_strip(strip: Strip, row: u32, n: u32) {
  store_block(strip[0], row, n);
  if (COLS > 1u) { store_block(strip[1], row, n + THREAD_COLS); }
  if (COLS > 2u) { store_block(strip[2], row, n + 2u * THREAD_COLS); }
  if (COLS > 3u) { store_block(strip[3], row, n + 3u * THREAD_COLS); }
}

@compute @workgroup_size(THREAD_COLS, THREAD_ROWS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) thread: vec3u) {
  let n = group.y * THREAD_COLS * COLS + thread.x; // vector of W's columns
  let row = (group.x * THREAD_ROWS + thread.y) * ROWS * 4u;
  if (row >= params.rows || n >= params.outputs) {
    return;
  }
  var start: Strip;
  if (params.biased == 1u) {
    start[0] = bias_block(n);
    if (COLS > 1u) { start[1] = bias_block(n + THREAD_COLS); }
    if (COLS > 2u) { start[2] = bias_block(n + 2u * THREAD_COLS); }
    if (COLS > 3u) { start[3] = bias_block(n + 3u * THREAD_COLS); }
  }
  var s0 = start;
  var s1 = start;
  var s2 = start;
  var s3 = start;
  var s4 = start;
  var s5 = start;
  let strip = 4u * params.steps; // vectors of four rows of x
  var at = (params.x_row + row) * params.steps;
  var weight_at = n;
  for (var i = 0u; i < params.steps; i++) {
    var w: Strip;
    w[0] = weight_block(weight_at);
    if (COLS > 1u) { w[1] = weight_block(weight_at + THREAD_COLS); }
    if (COLS > 2u) { w[2] = weight_block(weight_at + 2u * THREAD_COLS); }
    if (COLS > 3u) { w[3] = weight_block(weight_at + 3u * THREAD_COLS); }
    add_strip(&s0, w, at);
    if (ROWS > 1u) { add_strip(&s1, w, at + strip); }
    if (ROWS > 2u) { add_strip(&s2, w, at + 2u * strip); }
    if (ROWS > 3u) { add_strip(&s3, w, at + 3u * strip); }
    if (ROWS > 4u) { add_strip(&s4, w, at + 4u * strip); }
    if (ROWS > 5u) { add_strip(&s5, w, at + 5u * strip); }
    at += 1u;
    weight_at += 4u * params.outputs;
  }
  store_strip(s0, row, n);
  if (ROWS > 1u) { store_strip(s1, row + 4u, n); }
  if (ROWS > 2u) { store_strip(s2, row + 8u, n); }
  if (ROWS > 3u) { store_strip(s3, row + 12u, n); }
  if (ROWS > 4u) { store_strip(s4, row + 16u, n); }
  if (ROWS > 5u) { store_strip(s5, row + 20u, n); }
}
