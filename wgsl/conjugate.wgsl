// One step of conjugate gradients in every row on its own: x += alpha p, r -= alpha q, p = r + beta p, with q the product where
// the mask keeps and 0 elsewhere.
// Bindings: 0 parameters; 1 x, 2 r, 3 p and 4 product, F32; 5 mask, u32 rows x words. A workgroup a row: its threads take every
// THREADS-th number, then add up their parts in a fixed order.
struct Params {
  cols: u32,
  words: u32, // of a row of the mask
  x_row: u32, // where these rows begin in each tile
  r_row: u32,
  p_row: u32,
  product_row: u32,
  mask_row: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> r: array<f32>;
@group(0) @binding(3) var<storage, read_write> p: array<f32>;
@group(0) @binding(4) var<storage, read> product: array<f32>;
@group(0) @binding(5) var<storage, read> mask: array<u32>;

// Below it a sum of squares has lost terms to underflow that would count, and steps by such sums lead away from the least, not to
// it: 2^24 times the smallest normal number.
const LEAST = 1.9721523e-31; // 2^-102

fn quotient(numerator: f32, denominator: f32) -> f32 {
  if (denominator > LEAST) {
    return numerator / denominator;
  }
  return 0.0;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let at_x = (params.x_row + group.x) * params.cols;
  let at_r = (params.r_row + group.x) * params.cols;
  let at_p = (params.p_row + group.x) * params.cols;
  let at_product = (params.product_row + group.x) * params.cols;
  let at_mask = (params.mask_row + group.x) * params.words;
  var square = 0.0;
  var curve = 0.0;
  for (var j = lane; j < params.cols; j += THREADS) {
    square += r[at_r + j] * r[at_r + j];
    curve += p[at_p + j] * product[at_product + j]; // p is 0 where the product does not count
  }
  let before = total(square, lane);
  let alpha = quotient(before, total(curve, lane));
  square = 0.0;
  for (var j = lane; j < params.cols; j += THREADS) {
    x[at_x + j] += alpha * p[at_p + j];
    if (((mask[at_mask + j / 32u] >> (j & 31u)) & 1u) == 0u) {
      let residual = r[at_r + j] - alpha * product[at_product + j];
      r[at_r + j] = residual;
      square += residual * residual;
    }
  }
  let beta = quotient(total(square, lane), before);
  for (var j = lane; j < params.cols; j += THREADS) {
    p[at_p + j] = r[at_r + j] + beta * p[at_p + j];
  }
}
