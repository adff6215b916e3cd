//! 2^x for x <= 0, four at a time: the softmax of attention, whose scores carry the factor log2(e) already. Without the
//! reduction by ln 2 it has fewer constants than `exp.rs`, and the loop keeps them in registers.

use crate::exp::ROUND;
use crate::simd::F32x4;
use core::f32::consts::LN_2;
use core::hint::black_box;

/// At or below this 2^x is given as 2^-126, which adds nothing to a sum of 1 or more.
const SMALLEST_POWER: f32 = -126.0;
/// (2^r - 1) / r on |r| <= 1/2, interpolated at the six Chebyshev points: 5e-9 relative in 2^r.
const POWER: [f32; 6] = [LN_2, 0.240_226_5, 0.055_503_57, 0.009_618_083, 0.001_339_086_3, 0.000_154_531_63];

/// The constants, out of the compiler's sight: see [`crate::exp::Exp`].
#[derive(Clone, Copy)]
pub struct Power {
    smallest: F32x4,
    round: F32x4,
    terms: [F32x4; 6],
    one: F32x4,
}

impl Power {
    #[inline(always)]
    pub fn new() -> Self {
        let splat = |x: f32| F32x4::splat(black_box(x));
        Self { smallest: splat(SMALLEST_POWER), round: splat(ROUND), terms: POWER.map(splat), one: splat(1.0) }
    }

    /// 2^x within 2 units in the last place, x <= 0.
    #[inline(always)]
    pub fn of(&self, x: F32x4) -> F32x4 {
        let x = x.max(self.smallest);
        let shifted = x.add(self.round);
        let r = x.sub(shifted.sub(self.round));
        let mut sum = self.terms[5];
        for i in (0..5).rev() {
            sum = sum.madd(r, self.terms[i]);
        }
        sum.madd(r, self.one).bits().add(shifted.bits().shl(23)).floats()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_of_two_is_within_two_units_in_the_last_place() {
        let power = Power::new();
        for i in -1_259_990..=0 {
            let x = i as f32 * 1e-4;
            let exact = (x as f64).exp2();
            let unit = f32::from_bits((exact as f32).to_bits() + 1) as f64 - exact as f32 as f64;
            let found = power.of(F32x4::splat(x)).to_array()[0] as f64;
            assert!((found - exact).abs() <= 2.0 * unit, "2^{x}: {found}");
        }
        assert!(power.of(F32x4::splat(f32::NEG_INFINITY)).to_array()[0] < 2e-38);
    }
}
