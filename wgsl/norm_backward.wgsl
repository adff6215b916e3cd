// The gradient by the input of a norm (norm.wgsl). With x̂ the normalised run, s its reciprocal root and d = dy * gain:
// dx = s (d - x̂ mean(d x̂)); LAYER: s (d - mean(d) - x̂ mean(d x̂)).
// Bindings: 0 parameters; 1 x and 2 dy, F32 runs x cols; 3 the gain, rows x cols, stored as GAIN says; 4 dx, as x; 5 moments,
// F32 runs x 3: the mean in two parts, and s. One workgroup a run, as there.
struct Params {
  cols: u32,
  first: u32, // the first run
  epsilon: f32,
  per_row: u32, // runs of a row of x; `first` begins one
  rows: u32, // of the gain
  moments_at: u32, // the first run's place in the moments
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> gain: array<u32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<storage, read_write> moments: array<f32>;

override GAIN: u32 = 0u;
override LAYER: u32 = 0u;
override UNIT: u32 = 0u; // 1: the gain is 1 + what is stored

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x % params.per_row % params.rows * params.cols;
  let begin = (params.first + group.x) * params.cols;
  let count = f32(params.cols);
  var mean = 0.0;
  var rest = 0.0;
  if (LAYER == 1u) {
    var sum = 0.0;
    for (var j = lane; j < params.cols; j += THREADS) {
      sum += x[begin + j] / count;
    }
    mean = total(sum, lane);
    sum = 0.0;
    for (var j = lane; j < params.cols; j += THREADS) {
      sum += (x[begin + j] - mean) / count;
    }
    rest = total(sum, lane);
  }
  var sum = 0.0;
  for (var j = lane; j < params.cols; j += THREADS) {
    let value = x[begin + j] - mean - rest;
    sum += value / count * value;
  }
  let scale = 1.0 / sqrt(total(sum, lane) + params.epsilon);
  var middle = 0.0;
  var along = 0.0;
  for (var j = lane; j < params.cols; j += THREADS) {
    let at = row + j;
    var factor = number_of(gain[word_of(at, GAIN)], at, GAIN);
    if (UNIT == 1u) {
      factor += 1.0;
    }
    let d = dy[begin + j] * factor;
    dx[begin + j] = d;
    middle += d / count;
    along += d / count * ((x[begin + j] - mean - rest) * scale);
  }
  middle = select(0.0, total(middle, lane), LAYER == 1u);
  along = total(along, lane);
  for (var j = lane; j < params.cols; j += THREADS) {
    dx[begin + j] = scale * (dx[begin + j] - middle - (x[begin + j] - mean - rest) * scale * along);
  }
  if (lane == 0u) {
    let at = (params.moments_at + group.x) * 3u;
    moments[at] = mean;
    moments[at + 1u] = rest;
    moments[at + 2u] = scale;
  }
}
