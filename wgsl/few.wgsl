// Module: products of up to four rows of x with a weight W, whose reading is what bounds them: each of its numbers is read
// once, and multiplied with all rows of x; a thread has ROWS rows of W, so that what it reads of x serves them all.
// Workgroups in a line that is folded, of THREADS / LANES * ROWS rows of W: LANES neighbouring threads read what is
// neighbours in a row, and the first of them adds up their sums in a fixed order. The bindings of x (F32, rows of whole
// vectors), the bias (numbers stored as BIAS says; not read if there is none) and out (F32) begin at FEW, behind W's.
struct Params {
  rows: u32, // of W, here
  cols: u32, // of W
  weight_row: u32, // where these rows begin in the weight's tile
  first: u32, // row of W that they begin with: out's column
  x_row: u32, // where x's rows begin in its tile
  out_row: u32, // and out's in its
  out_cols: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(FEW) var<storage, read> x: array<vec4f>;
@group(0) @binding(FEW + 1) var<storage, read> bias: array<u32>;
@group(0) @binding(FEW + 2) var<storage, read_write> out: array<f32>;

override BIAS: u32 = 3u; // 3: none
override TOKENS: u32 = 1u; // rows of x
override THREADS: u32 = 64u;
override LANES: u32 = 16u;
override ROWS: u32 = 2u; // up to 4
var<workgroup> parts: array<vec4f, THREADS>;

// The first of the rows of W that a thread has, of those here.
fn first_row(group: vec3u, groups: vec3u, thread: u32) -> u32 {
  return ((group.y * groups.x + group.x) * (THREADS / LANES) + thread / LANES) * ROWS;
}

// Those rows on this tile. What would be behind the last repeats it and is not written: all threads come to all barriers.
fn rows_from(row: u32) -> vec4u {
  return params.weight_row + min(row + vec4u(0u, 1u, 2u, 3u), vec4u(params.rows - 1u));
}

// Vectors of a row of x.
fn vectors_of_x() -> u32 {
  return (params.cols + 3u) / 4u;
}

// Four numbers of each row of x, from vector `i` of it on.
fn inputs(i: u32) -> mat4x4f {
  let stride = vectors_of_x();
  let at = params.x_row * stride + i;
  var numbers: mat4x4f;
  numbers[0] = x[at];
  if (TOKENS > 1u) { numbers[1] = x[at + stride]; }
  if (TOKENS > 2u) { numbers[2] = x[at + 2u * stride]; }
  if (TOKENS > 3u) { numbers[3] = x[at + 3u * stride]; }
  return numbers;
}

fn add(sums: ptr<function, mat4x4f>, four: vec4f, numbers: mat4x4f) {
  (*sums)[0] += four * numbers[0];
  if (TOKENS > 1u) { (*sums)[1] += four * numbers[1]; }
  if (TOKENS > 2u) { (*sums)[2] += four * numbers[2]; }
  if (TOKENS > 3u) { (*sums)[3] += four * numbers[3]; }
}

// Adds up what the threads of a row have, and writes it.
fn store(sums: mat4x4f, row: u32, thread: u32) {
  let own = transpose(sums);
  workgroupBarrier();
  parts[thread] = (own[0] + own[1]) + (own[2] + own[3]);
  workgroupBarrier();
  if (thread % LANES == 0u && row < params.rows) {
    var total: vec4f;
    for (var i = 0u; i < LANES; i++) {
      total += parts[thread + i];
    }
    let place = params.first + row;
    if (BIAS < 3u) {
      total += number_of(bias[word_of(place, BIAS)], place, BIAS);
    }
    for (var token = 0u; token < TOKENS; token++) {
      out[(params.out_row + token) * params.out_cols + place] = total[token];
    }
  }
}
