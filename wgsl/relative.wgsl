// RIA's scores: a magnitude's shares of its row and of its column, times the fourth root of the statistic.
// Bindings: 0 parameters; 1 weight, stored as WEIGHT says; 2 statistic, F32 1 x cols; 3 and 4 the sums of rows and columns
// (magnitude_sums.wgsl), pairs; 5 scores, F32. One thread a number, as in add.wgsl.
struct Params {
  rows: u32,
  cols: u32,
  weight_row: u32,
  score_row: u32,
  sum_row: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight: array<u32>;
@group(0) @binding(2) var<storage, read> statistic: array<f32>;
@group(0) @binding(3) var<storage, read> row_sums: array<vec2f>;
@group(0) @binding(4) var<storage, read> col_sums: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> scores: array<f32>;

override WEIGHT: u32 = 0u;
override THREADS: u32 = 64u;

fn inverse(sum: f32) -> f32 {
  return select(1.0 / sum, 0.0, sum == 0.0);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  let row = i / params.cols;
  let col = i % params.cols;
  if (row >= params.rows) {
    return;
  }
  let number = params.weight_row * params.cols + i;
  let share = inverse(row_sums[params.sum_row + row].x) + inverse(col_sums[col].x);
  let magnitude = abs(number_of(weight[word_of(number, WEIGHT)], number, WEIGHT));
  scores[params.score_row * params.cols + i] = magnitude * share * sqrt(sqrt(statistic[col]));
}
