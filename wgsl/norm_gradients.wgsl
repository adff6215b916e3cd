// What the runs of a norm have to do with its gain and its bias: adds the sums of dy x̂, and of dy (BIAS). Sums are pairs.
// Bindings: 0 parameters; 1 x and 2 dy, F32 runs x cols; 3 moments, as norm_backward.wgsl leaves them; 4 the gradient by the
// gain or by the bias, F32 rows x cols. One thread a number of it, as in add.wgsl.
struct Params {
  zero: u32, // see pairs.wgsl
  cols: u32,
  first: u32, // the first run
  runs: u32,
  per_row: u32,
  rows: u32,
  moments_at: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> moments: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

override BIAS: u32 = 0u;
override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  zero_bits = params.zero;
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  if (i >= params.rows * params.cols) {
    return;
  }
  let row = i / params.cols;
  let col = i % params.cols;
  var sum = vec2f(out[i], 0.0);
  for (var run = 0u; run < params.runs; run++) {
    if (run % params.per_row % params.rows != row) {
      continue;
    }
    let at = (params.first + run) * params.cols + col;
    if (BIAS == 1u) {
      sum = add_number(sum, dy[at]);
    } else {
      let own = (params.moments_at + run) * 3u;
      sum = add_number(sum, dy[at] * ((x[at] - moments[own] - moments[own + 1u]) * moments[own + 2u]));
    }
  }
  out[i] = sum.x;
}
