// What every weight is worth: |w|, or |w| * sqrt(statistic of its column), as the bits of an F32. The result is the
// IEEE one to the last bit on any device, since masks hang on it: a device's own square root may be off by some units,
// and it may flush subnormal numbers, so the root is corrected by its exact residual, and a product that would be
// subnormal is made of integers.
// Bindings: 0 parameters; 1 weight, stored as WEIGHT says; 2 statistic, the bits of F32 1 x cols (not read for
// magnitude); 3 scores, the bits of F32. One thread a column of ROWS rows: workgroups x columns, y blocks of rows.
struct Params {
  zero: u32, // see pairs.wgsl
  rows: u32,
  cols: u32,
  weight_row: u32, // where these rows begin in the weight's tile
  score_row: u32, // and in the tile of the scores
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight: array<u32>;
@group(0) @binding(2) var<storage, read> statistic: array<u32>;
@group(0) @binding(3) var<storage, read_write> scores: array<u32>;

override WEIGHT: u32 = 0u;
override ACTIVATION: bool = false;
override ROWS: u32 = 16u;
override THREADS: u32 = 64u;

// The correctly rounded square root of the number with these bits, positive or 0.
fn root(bits: u32) -> f32 {
  if (bits == 0u) {
    return 0.0;
  }
  let shift = max(countLeadingZeros(bits), 8u) - 8u; // more than 0 for a subnormal number
  let exponent = i32(max(bits >> 23u, 1u)) - i32(shift) - 127;
  let odd = exponent & 1;
  // x = m * 4^h with m in [1, 4); the root of m is in [1, 2], where neighbours are 2^-23 apart.
  let m = bitcast<f32>((u32(127 + odd) << 23u) | ((bits << shift) & 0x7fffffu));
  var r = sqrt(m);
  let square = two_product(r, r);
  let residual = opaque(m - square.x) - square.y;
  let step = r * 0x1p-23f; // (r ± 2^-24)² = r² ± step, but for less than the residual can resolve
  if (residual > step) {
    r = bitcast<f32>(bitcast<u32>(r) + 1u);
  } else if (residual <= -step) {
    r = bitcast<f32>(bitcast<u32>(r) - 1u);
  }
  return bitcast<f32>(bitcast<u32>(r) + (u32((exponent - odd) / 2) << 23u));
}

// The bits of a * b, rounded to nearest even; a not negative, b normal or 0.
fn product(a: u32, b: f32) -> u32 {
  let b_bits = bitcast<u32>(b);
  if (a == 0u || b_bits == 0u) {
    return 0u;
  }
  let shift = max(countLeadingZeros(a), 8u) - 8u;
  let exponent = i32(max(a >> 23u, 1u)) - i32(shift) + i32(b_bits >> 23u) - 127;
  if (shift == 0u && exponent >= 1) {
    return bitcast<u32>(bitcast<f32>(a) * b);
  }
  if (exponent >= 1) { // only a is subnormal: the power of two that makes it normal goes to b's side
    return bitcast<u32>(bitcast<f32>(((a << shift) & 0x7fffffu) | 0x3f800000u) * bitcast<f32>((b_bits & 0x7fffffu) | (u32(exponent) << 23u)));
  }
  // 24 bits times 24 bits, as high * 2^24 + low.
  let x = ((a << shift) & 0x7fffffu) | 0x800000u;
  let y = (b_bits & 0x7fffffu) | 0x800000u;
  let middle = (x >> 12u) * (y & 0xfffu) + (x & 0xfffu) * (y >> 12u);
  var low = (x & 0xfffu) * (y & 0xfffu) + ((middle & 0xfffu) << 12u);
  let high = (x >> 12u) * (y >> 12u) + (middle >> 12u) + (low >> 24u);
  low &= 0xffffffu;
  // In units of the smallest subnormal number it is that, shifted to the right by 24 + away.
  let away = u32(-exponent);
  if (away > 24u) {
    return 0u;
  }
  var half = low >> 23u;
  var rest = low & 0x7fffffu;
  if (away > 0u) {
    half = (high >> (away - 1u)) & 1u;
    rest = low | (high & ((1u << (away - 1u)) - 1u));
  }
  let whole = high >> away;
  return whole + (half & (select(0u, 1u, rest != 0u) | (whole & 1u)));
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(global_invocation_id) id: vec3u) {
  zero_bits = params.zero;
  if (id.x >= params.cols) {
    return;
  }
  var scale = 1.0;
  if (ACTIVATION) {
    scale = root(statistic[id.x] & 0x7fffffffu);
  }
  let begin = group.y * ROWS;
  for (var row = begin; row < min(begin + ROWS, params.rows); row++) {
    let number = (params.weight_row + row) * params.cols + id.x;
    var bits = bits_of(weight[word_of(number, WEIGHT)], number, WEIGHT) & 0x7fffffffu;
    if (ACTIVATION) {
      bits = product(bits, scale);
    }
    scores[(params.score_row + row) * params.cols + id.x] = bits;
  }
}
