// Weighted rows added to some rows of another matrix: out[rows[i]] += weights[i] * x[i].
// Bindings: 0 parameters; 1 a tile of x, F32; 2 rows, one u32 a row of x; 3 weights, likewise F32; 4 a tile of out, F32. One
// thread a number of x, as in add.wgsl; rows that are in another tile of out are left to it.
struct Params {
  count: u32, // rows of x in this dispatch
  cols: u32,
  x_row: u32, // where they begin in x's tile
  place: u32, // and in those of rows and weights
  first: u32, // the row of out that its tile begins with
  out_rows: u32, // of the tile
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> rows: array<u32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  let row = i / params.cols;
  if (row >= params.count) {
    return;
  }
  let to = rows[params.place + row] - params.first; // wraps for a row before the tile
  if (to < params.out_rows) {
    let col = i % params.cols;
    out[to * params.cols + col] += weights[params.place + row] * x[(params.x_row + row) * params.cols + col];
  }
}
