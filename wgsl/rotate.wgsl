// Rotary position embedding, half-split layout: the pair (j, j + head_dim / 2) of every head turns by its row's angle.
// Bindings: 0 parameters; 1 x, F32 rows x cols; 2 a tile of the angles, for each position the cosines and then the
// sines of head_dim / 2 frequencies; 3 out, as x. One thread a pair, as in add.wgsl; rows whose position is in another
// tile of the angles are left to it.
struct Params {
  rows: u32,
  cols: u32,
  head_dim: u32,
  length: u32, // positions of a sequence
  first_row: u32, // the first row's place among all rows of x, which decides its position
  first_position: u32, // that the tile of the angles begins with
  positions: u32, // in that tile
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> angles: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  let half = params.head_dim / 2u;
  let pairs = params.cols / 2u;
  let row = i / pairs;
  if (row >= params.rows) {
    return;
  }
  let position = (params.first_row + row) % params.length - params.first_position; // wraps before the tile
  if (position >= params.positions) {
    return;
  }
  let head = (i % pairs) / half;
  let j = (i % pairs) % half;
  let at = row * params.cols + head * params.head_dim + j;
  let cosine = angles[position * params.head_dim + j];
  let sine = angles[position * params.head_dim + half + j];
  out[at] = x[at] * cosine - x[at + half] * sine;
  out[at + half] = x[at + half] * cosine + x[at] * sine;
}
