// Sums and products as pairs (high, low) of f32 with about 48 bits together (Dekker 1971; Knuth, TAOCP 4.2.2): what a
// device without f64 has for long sums. Compilers that take f32 for real numbers would cancel these formulas to
// nothing, so the results that matter pass through `opaque`.

// 0, but only the host knows: every shader sets it from its parameters before it uses a pair.
var<private> zero_bits: u32;

// The same number, out of the sight of the optimiser.
fn opaque(x: f32) -> f32 {
  return bitcast<f32>(bitcast<u32>(x) ^ zero_bits);
}

// a + b exactly, as a pair.
fn two_sum(a: f32, b: f32) -> vec2f {
  let sum = opaque(a + b);
  let b_part = opaque(sum - a);
  let a_part = opaque(sum - b_part);
  return vec2f(sum, opaque(a - a_part) + opaque(b - b_part));
}

// a + b exactly, as a pair, for |a| >= |b|.
fn quick_two_sum(a: f32, b: f32) -> vec2f {
  let sum = opaque(a + b);
  return vec2f(sum, b - opaque(sum - a));
}

// A pair plus a number.
fn add_number(a: vec2f, b: f32) -> vec2f {
  let sum = two_sum(a.x, b);
  return quick_two_sum(sum.x, sum.y + a.y);
}

// A pair plus a pair.
fn add_pair(a: vec2f, b: vec2f) -> vec2f {
  let high = two_sum(a.x, b.x);
  let low = two_sum(a.y, b.y);
  let sum = quick_two_sum(high.x, high.y + low.x);
  return quick_two_sum(sum.x, sum.y + low.y);
}

// The upper 12 bits of a significand; the lower 12 are what is left. Products of such halves are exact.
fn upper_half(x: f32) -> f32 {
  return bitcast<f32>(bitcast<u32>(x) & 0xfffff000u);
}

// a * b exactly, as a pair (where nothing under- or overflows).
fn two_product(a: f32, b: f32) -> vec2f {
  let a1 = upper_half(a);
  let b1 = upper_half(b);
  let a2 = opaque(a - a1);
  let b2 = opaque(b - b1);
  let product = opaque(a * b);
  return vec2f(product, opaque(opaque(opaque(a1 * b1 - product) + a1 * b2) + a2 * b1) + a2 * b2);
}
