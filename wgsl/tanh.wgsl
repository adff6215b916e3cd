// tanh to a few units of f32, which the language's own does not promise: shared by the shaders that cap.

// `z + z³ P(z²)` where that is short (S. L. Moshier, Cephes, tanhf.c), else `1 - 2 / (e^2|z| + 1)` with the sign of z.
fn precise_tanh(z: f32) -> f32 {
  let size = min(abs(z), 20.0); // beyond, it is 1
  if (size > 0.625) {
    return sign(z) * (1.0 - 2.0 / (exp(2.0 * size) + 1.0));
  }
  let square = z * z;
  let near = -0.3333328 + square * (0.13331442 + square * (-0.053739715 + square * (0.020639088 + square * -0.0057049887)));
  return z + z * (square * near);
}

// cap * tanh(x / cap).
fn soft_cap(x: f32, cap: f32) -> f32 {
  return cap * precise_tanh(x / cap);
}
