// out = x Wᵀ (+ bias) for a few rows of x and a packed W. What bounds it is reading W, so each of its values is read once
// and multiplied with all rows of x.
// Bindings: 0 parameters; 1 to 4 a tile of W (packed.wgsl); 5 x, F32; 6 the bias, numbers stored as BIAS says (values again if
// there is none); 7 out, F32. One workgroup a row of W, in a line that is folded: its threads take every THREADS-th 32
// columns, then add up their sums in a fixed order.
struct Params {
  rows: u32, // of the tile
  cols: u32,
  first: u32, // row of W that the tile begins with: out's column
  x_at: u32, // where these rows begin in x's tile
  x_rows: u32, // up to MOST
  out_at: u32, // and in out's
  out_cols: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(5) var<storage, read> x: array<f32>;
@group(0) @binding(6) var<storage, read> bias: array<u32>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;

override BIAS: u32 = 3u; // 3: none
const MOST = 8u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * groups.x + group.x;
  if (row >= params.rows) {
    return;
  }
  let cols = params.cols;
  var sums: array<f32, MOST>;
  for (var word = lane; word < (cols + 31u) / 32u; word += THREADS) {
    var bits = mask_of(row, word, cols);
    var at = first_of(row, word, cols);
    var scale = 1.0;
    if (TYPE >= I8) {
      scale = scale_of(row, word, cols);
    }
    while (bits != 0u) {
      let col = 32u * word + firstTrailingBit(bits);
      let number = bitcast<f32>(value_bits(at)) * scale;
      for (var token = 0u; token < params.x_rows; token++) {
        sums[token] += number * x[(params.x_at + token) * cols + col];
      }
      bits &= bits - 1u;
      at++;
    }
  }
  for (var token = 0u; token < params.x_rows; token++) {
    var sum = total(sums[token], lane);
    if (lane == 0u) {
      let place = params.first + row;
      if (BIAS < 3u) {
        sum += number_of(bias[word_of(place, BIAS)], place, BIAS);
      }
      out[(params.out_at + token) * params.out_cols + place] = sum;
    }
  }
}
