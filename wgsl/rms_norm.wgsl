// RMSNorm over runs of `cols` neighbouring numbers: out = x / sqrt(mean(x²) + epsilon) * gain.
// Bindings: 0 parameters; 1 x, F32 runs x cols; 2 gain, stored as GAIN says; 3 out, as x. One workgroup a run: its
// threads take every THREADS-th number, then add up their parts in a fixed order.
struct Params {
  cols: u32,
  first: u32, // the first run
  epsilon: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gain: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

override GAIN: u32 = 0u;
override THREADS: u32 = 64u;
var<workgroup> parts: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let begin = (params.first + group.x) * params.cols;
  var sum = 0.0;
  for (var j = lane; j < params.cols; j += THREADS) {
    sum += x[begin + j] / f32(params.cols) * x[begin + j]; // the mean stays in range where the sum would not
  }
  parts[lane] = sum;
  workgroupBarrier();
  sum = 0.0;
  for (var i = 0u; i < THREADS; i++) {
    sum += parts[i];
  }
  let scale = 1.0 / sqrt(sum + params.epsilon);
  for (var j = lane; j < params.cols; j += THREADS) {
    out[begin + j] = x[begin + j] * scale * number_of(gain[word_of(j, GAIN)], j, GAIN);
  }
}
