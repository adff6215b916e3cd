// Rotary position embedding: pairs of every head's first `turned` dimensions turn by the angles of their row; the others
// are copied. INVERSE turns the other way.
// Bindings: 0 parameters; 1 x, F32 rows x cols; 2 a tile of the angles, for each row the cosines and then the sines of
// turned / 2 frequencies; 3 out, as x. One thread a pair, or a dimension that is copied, as in add.wgsl.
struct Params {
  rows: u32,
  cols: u32,
  head_dim: u32,
  turned: u32,
  at: u32, // where these rows begin in the tiles of x and out
  angle_row: u32, // and in that of the angles
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> angles: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

override NEIGHBOURS: u32 = 0u; // 0: pairs (j, j + turned / 2); 1: (2j, 2j + 1)
override INVERSE: u32 = 0u;
override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  let half = params.turned / 2u;
  let tasks = params.head_dim - half; // of a head
  let row_tasks = params.cols / params.head_dim * tasks;
  let row = i / row_tasks;
  if (row >= params.rows) {
    return;
  }
  let head = i % row_tasks / tasks;
  let j = i % tasks;
  let begin = (params.at + row) * params.cols + head * params.head_dim;
  if (j >= half) {
    out[begin + half + j] = x[begin + half + j];
    return;
  }
  let angle = (params.angle_row + row) * params.turned + j;
  let cosine = angles[angle];
  let sine = select(angles[angle + half], -angles[angle + half], INVERSE == 1u);
  let at = begin + select(j, 2u * j, NEIGHBOURS == 1u);
  let other = at + select(half, 1u, NEIGHBOURS == 1u);
  out[at] = x[at] * cosine - x[other] * sine;
  out[other] = x[other] * cosine + x[at] * sine;
}
