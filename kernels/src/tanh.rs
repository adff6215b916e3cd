//! `cap * tanh(x / cap)`, four at a time: the soft cap of scores and logits (Gemma 2), to a few units of f32.

use crate::exp::Exp;
use crate::simd::F32x4;
use core::hint::black_box;

/// Below this |z| the polynomial, from it on the exponential.
const NEAR: f32 = 0.625;
/// `(tanh(z) / z - 1) / z²` as a polynomial in z² on |z| < 0.625 (S. L. Moshier, Cephes, tanhf.c).
const TERMS: [f32; 5] = [-0.333_332_8, 0.133_314_42, -0.053_739_715, 0.020_639_088, -0.005_704_988_7];

/// The constants, out of the compiler's sight: see [`Exp`].
#[derive(Clone, Copy)]
pub struct Tanh {
    exp: Exp,
    terms: [F32x4; 5],
    near: F32x4,
    one: F32x4,
    two: F32x4,
    sign: F32x4,
    cap: F32x4,
    inverse: F32x4,
}

impl Tanh {
    /// For a cap of this size.
    pub fn new(cap: f32) -> Self {
        let splat = |x: f32| F32x4::splat(black_box(x));
        Self {
            exp: Exp::new(),
            terms: TERMS.map(splat),
            near: splat(NEAR),
            one: splat(1.0),
            two: splat(2.0),
            sign: splat(-0.0),
            cap: splat(cap),
            inverse: splat((1.0 / cap as f64) as f32),
        }
    }

    /// tanh(z): `z + z³ P(z²)` where that is short, else `1 - 2 / (e^2|z| + 1)` with the sign of z.
    #[inline(always)]
    pub fn of(&self, z: F32x4) -> F32x4 {
        let size = z.abs();
        let square = z.mul(z);
        let mut sum = self.terms[4];
        for i in (0..4).rev() {
            sum = sum.mul(square).add(self.terms[i]);
        }
        let near = z.add(z.mul(square.mul(sum)));
        let far = self.one.sub(self.two.div(self.exp.of(size.add(size)).add(self.one)));
        let signed = far.bits().or(z.bits().and(self.sign.bits()));
        let is_far = size.above(self.near);
        signed.and(is_far).or(near.bits().without(is_far)).floats()
    }

    /// `cap * tanh(x / cap)`.
    #[inline(always)]
    pub fn cap(&self, x: F32x4) -> F32x4 {
        self.of(x.mul(self.inverse)).mul(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tanh_is_within_four_units_in_the_last_place() {
        let tanh = Tanh::new(1.0);
        for i in -2_000_000..=2_000_000 {
            let z = i as f32 * 1e-5;
            let exact = (z as f64).tanh();
            let unit = f32::from_bits((exact.abs() as f32).to_bits() + 1) as f64 - exact.abs() as f32 as f64;
            let found = tanh.of(F32x4::splat(z)).to_array()[0] as f64;
            assert!((found - exact).abs() <= 4.0 * unit, "tanh({z}) = {found}");
        }
        assert_eq!(tanh.of(F32x4::splat(f32::INFINITY)).to_array()[0], 1.0);
        assert_eq!(tanh.of(F32x4::splat(-1e30)).to_array()[0], -1.0);
    }
}
