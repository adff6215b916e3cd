// out = x Wᵀ + bias for one tile of W (some of its rows, that is some columns of out).
struct Params {
  rows: u32, // of x and out, here
  inputs: u32,
  outputs: u32, // rows of this tile of W
  weight_row: u32, // where its rows begin in the tile
  x_row: u32,
  out_row: u32,
  out_cols: u32,
  out_col: u32, // the column of out that the tile begins with
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<u32>;
@group(0) @binding(3) var<storage, read> bias: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

override WEIGHT: u32 = 0u;
override BIAS: u32 = 3u;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.outputs || id.y >= params.rows) {
    return;
  }
  var sum = 0.0;
  let xr = (params.x_row + id.y) * params.inputs;
  let wr = (params.weight_row + id.x) * params.inputs;
  for (var k = 0u; k < params.inputs; k++) {
    let n = wr + k;
    sum += x[xr + k] * number_of(weight[word_of(n, WEIGHT)], n, WEIGHT);
  }
  let column = params.out_col + id.x;
  if (BIAS != 3u) {
    sum += number_of(bias[word_of(column, BIAS)], column, BIAS);
  }
  out[(params.out_row + id.y) * params.out_cols + column] = sum;
}
