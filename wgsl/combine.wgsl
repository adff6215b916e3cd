// The sum of one to three matrices, each times its coefficient for what the mask keeps or removes, and those that are SCALED
// times a number of the column. Bindings: 0 parameters; 1 a, 2 b and 3 c, stored as A, B and C say (NONE: no such term); 4 mask,
// u32 rows x words (not read unless MASKED); 5 columns, F32 1 x cols (not read unless one is SCALED); 6 out, F32, which is the
// first term itself where the sum is made IN_PLACE. One thread a number, as in add.wgsl.
struct Params {
  rows: u32, // of this dispatch
  cols: u32,
  words: u32, // of a row of the mask
  a_row: u32, // where these rows begin in each tile
  b_row: u32,
  c_row: u32,
  mask_row: u32,
  out_row: u32,
  a_kept: f32,
  a_removed: f32,
  b_kept: f32,
  b_removed: f32,
  c_kept: f32,
  c_removed: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<u32>;
@group(0) @binding(2) var<storage, read> b: array<u32>;
@group(0) @binding(3) var<storage, read> c: array<u32>;
@group(0) @binding(4) var<storage, read> mask: array<u32>;
@group(0) @binding(5) var<storage, read> columns: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

const NONE = 3u;
override A: u32 = 0u;
override B: u32 = NONE;
override C: u32 = NONE;
override MASKED: bool = false;
override SCALED_A: bool = false;
override SCALED_B: bool = false;
override SCALED_C: bool = false;
override IN_PLACE: bool = false;
override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  if (i >= params.rows * params.cols) {
    return;
  }
  let row = i / params.cols;
  let col = i % params.cols;
  var removed = false;
  if (MASKED) {
    removed = ((mask[(params.mask_row + row) * params.words + col / 32u] >> (col & 31u)) & 1u) == 1u;
  }
  var scale = 1.0;
  if (SCALED_A || SCALED_B || SCALED_C) {
    scale = columns[col];
  }
  let place = params.out_row * params.cols + i;
  var sum = select(params.a_kept, params.a_removed, removed);
  if (IN_PLACE) {
    sum *= out[place];
  } else {
    let at = params.a_row * params.cols + i;
    sum *= number_of(a[word_of(at, A)], at, A);
  }
  if (SCALED_A) {
    sum *= scale;
  }
  if (B < NONE) {
    let at = params.b_row * params.cols + i;
    var term = select(params.b_kept, params.b_removed, removed) * number_of(b[word_of(at, B)], at, B);
    if (SCALED_B) {
      term *= scale;
    }
    sum += term;
  }
  if (C < NONE) {
    let at = params.c_row * params.cols + i;
    var term = select(params.c_kept, params.c_removed, removed) * number_of(c[word_of(at, C)], at, C);
    if (SCALED_C) {
      term *= scale;
    }
    sum += term;
  }
  out[place] = sum;
}
