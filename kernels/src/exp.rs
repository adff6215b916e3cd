//! e^x, four at a time: in SiLU and cross entropy; the softmax of attention has `power.rs`.

use crate::simd::F32x4;
use core::f32::consts::LOG2_E;
use core::hint::black_box;

/// At or below this e^x is given as 0 (the true value is under 1.2e-38, the smallest normal f32).
const SMALLEST: f32 = -87.3;
/// Above this e^x is held at its value here, 3.39e38, just under the largest f32.
const LARGEST: f32 = 88.72;
/// 1.5 * 2^23: added to a small number, it leaves the nearest integer in the lowest bits.
pub const ROUND: f32 = 12_582_912.0;
/// ln 2 as a short number, whose products with integers below 2^9 are exact, and the rest.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// (e^r - 1 - r) / r² on |r| <= ln(2)/2, interpolated at the five Chebyshev points: 1e-8 relative in e^r.
const TAIL: [f32; 5] = [0.5, 0.166_665_77, 0.041_666_555, 0.008_363_173, 0.001_392_617_6];

/// The constants, each in a register of its own (or on the stack, if there are too few). V8 puts a vector constant
/// together from immediates wherever it stands, which would cost more than the arithmetic: so a kernel makes one `Exp`
/// before its loop, out of numbers that the compiler cannot see through.
#[derive(Clone, Copy)]
pub struct Exp {
    smallest: F32x4,
    largest: F32x4,
    round: F32x4,
    log2e: F32x4,
    minus_ln2: [F32x4; 2],
    tail: [F32x4; 5],
    one: F32x4,
}

impl Exp {
    #[inline(always)]
    pub fn new() -> Self {
        let splat = |x: f32| F32x4::splat(black_box(x));
        Self {
            smallest: splat(SMALLEST),
            largest: splat(LARGEST),
            round: splat(ROUND),
            log2e: splat(LOG2_E),
            minus_ln2: [splat(-LN2_HIGH), splat(-LN2_LOW)],
            tail: TAIL.map(splat),
            one: splat(1.0),
        }
    }

    /// e^x within 2 units in the last place; -infinity gives 0.
    #[inline(always)]
    pub fn of(&self, x: F32x4) -> F32x4 {
        self.of_small(x.min(self.largest))
    }

    /// The same for x <= [`LARGEST`], as the difference from the largest logit.
    /// With n the integer nearest to x / ln 2: e^x = 2^n e^r, r = x - n ln 2, and 2^n is added to the exponent.
    #[inline(always)]
    pub fn of_small(&self, x: F32x4) -> F32x4 {
        let counts = x.above(self.smallest);
        let x = x.max(self.smallest);
        let shifted = x.madd(self.log2e, self.round);
        let n = shifted.sub(self.round);
        let r = n.madd(self.minus_ln2[0], x);
        let r = n.madd(self.minus_ln2[1], r);
        let mut tail = self.tail[4];
        for c in [self.tail[3], self.tail[2], self.tail[1], self.tail[0]] {
            tail = tail.madd(r, c);
        }
        let e = tail.madd(r.mul(r), r).add(self.one);
        e.bits().add(shifted.bits().shl(23)).and(counts).floats()
    }

    /// One e^x.
    #[inline(always)]
    pub fn of_one(&self, x: f32) -> f32 {
        self.of(F32x4::splat(x)).to_array()[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        let exp = Exp::new();
        for i in -870_000..=887_000 {
            let x = i as f32 * 1e-4;
            let exact = (x as f64).exp();
            let unit = f32::from_bits((exact as f32).to_bits() + 1) as f64 - exact as f32 as f64;
            assert!((exp.of_one(x) as f64 - exact).abs() <= 2.0 * unit, "e^{x}");
        }
    }

    #[test]
    fn exp_of_the_far_left_is_zero_and_of_zero_is_one() {
        let exp = Exp::new();
        assert_eq!(exp.of_one(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp.of_one(-1e30), 0.0);
        assert_eq!(exp.of_one(0.0), 1.0);
        assert!(exp.of_one(1e30) > 3.3e38);
    }
}
