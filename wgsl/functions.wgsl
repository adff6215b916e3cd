// Functions of one number, by FUNCTION: shared by activate.wgsl and activate_backward.wgsl.

const SILU = 0u;
const GELU = 1u;
const GELU_TANH = 2u;
const RELU = 3u;
const SCALE = 4u;
const SOFT_CAP = 5u;

override FUNCTION: u32 = 0u;
override GATED: u32 = 0u;

// Φ(-|g|) = exp(-a²/2) t P(t) with a = |g|, t = 1 / (1 + a/4) and P interpolated at the ten Chebyshev points of t for a in
// [0, 14], 1.5e-8 relative.
fn normal_tail(g: f32) -> f32 {
  let a = min(abs(g), 14.0); // beyond, the tail is less than the smallest f32
  let t = 1.0 / (1.0 + a * 0.25);
  let low = 0.09975179 + t * (0.09941662 + t * (0.09615087 + t * (0.069011636 + t * 0.09537557)));
  let high = -0.0036779593 + t * (0.048318084 + t * (0.036615256 + t * (-0.056345463 + t * 0.015383603)));
  let square = t * t;
  return exp(-0.5 * (a * a)) * (t * (low + square * square * t * high));
}

// x Φ(x), without cancellation on either side: max(x, 0) - |x| Φ(-|x|).
fn gelu(g: f32) -> f32 {
  return max(g, 0.0) - min(abs(g), 14.0) * normal_tail(g);
}
