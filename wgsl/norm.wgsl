// Norms over runs of `cols` neighbouring numbers. RMS: out = x / sqrt(mean(x²) + epsilon) * gain. Layer: the same of
// x - mean(x), plus the bias. The mean is found twice: once of x, and once of what is left of x without it, so that a
// large mean costs no digits.
// Bindings: 0 parameters; 1 x, F32 runs x cols; 2 the gain and 3 the bias, rows x cols, stored as GAIN and BIAS say
// (without a bias: the gain again); 4 out, as x. One workgroup a run: its threads take every THREADS-th number, then add up
// their parts in a fixed order.
struct Params {
  cols: u32,
  first: u32, // the first run
  epsilon: f32,
  per_row: u32, // runs of a row of x; `first` begins one
  rows: u32, // of the gain
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gain: array<u32>;
@group(0) @binding(3) var<storage, read> bias: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

override GAIN: u32 = 0u;
override BIAS: u32 = 3u; // 3: none
override LAYER: u32 = 0u;
override UNIT: u32 = 0u; // 1: the gain is 1 + what is stored
@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x % params.per_row % params.rows * params.cols;
  let begin = (params.first + group.x) * params.cols;
  var mean = 0.0;
  var rest = 0.0;
  if (LAYER == 1u) {
    var sum = 0.0;
    for (var j = lane; j < params.cols; j += THREADS) {
      sum += x[begin + j] / f32(params.cols);
    }
    mean = total(sum, lane);
    sum = 0.0;
    for (var j = lane; j < params.cols; j += THREADS) {
      sum += (x[begin + j] - mean) / f32(params.cols);
    }
    rest = total(sum, lane);
  }
  var sum = 0.0;
  for (var j = lane; j < params.cols; j += THREADS) {
    let value = x[begin + j] - mean - rest;
    sum += value / f32(params.cols) * value; // the mean stays in range where the sum would not
  }
  let scale = 1.0 / sqrt(total(sum, lane) + params.epsilon);
  for (var j = lane; j < params.cols; j += THREADS) {
    let at = row + j;
    var factor = number_of(gain[word_of(at, GAIN)], at, GAIN);
    if (UNIT == 1u) {
      factor += 1.0;
    }
    var result = (x[begin + j] - mean - rest) * scale * factor;
    if (BIAS < 3u) {
      result += number_of(bias[word_of(at, BIAS)], at, BIAS);
    }
    out[begin + j] = result;
  }
}
