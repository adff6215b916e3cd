//! e^x, four at a time: the one transcendental function of the forward pass (softmax, SiLU, cross entropy).

use crate::simd::{F32x4, U32x4};

/// At or below this e^x is given as 0 (the true value is under 1.2e-38, the smallest normal f32).
const SMALLEST: f32 = -87.3;
/// Above this e^x is held at its value here, 3.39e38, just under the largest f32.
const LARGEST: f32 = 88.72;
/// 1.5 * 2^23: added to a small number, it leaves the nearest integer in the lowest bits.
const ROUND: f32 = 12_582_912.0;
/// ln 2 as a short number, whose products with integers below 2^9 are exact, and the rest.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// (e^r - 1 - r) / r² on |r| <= ln(2)/2, interpolated at the five Chebyshev points: 1e-8 relative in e^r.
const TAIL: [f32; 5] = [0.5, 0.166_665_77, 0.041_666_555, 0.008_363_173, 0.001_392_617_6];

/// e^x within 2 units in the last place; -infinity gives 0.
#[inline(always)]
pub fn exp(x: F32x4) -> F32x4 {
    exp_small(x.min(F32x4::splat(LARGEST)))
}

/// The same for x <= [`LARGEST`], as all of a softmax are.
/// With n the integer nearest to x / ln 2: e^x = 2^n e^r, r = x - n ln 2, and 2^n is added to the exponent.
#[inline(always)]
pub fn exp_small(x: F32x4) -> F32x4 {
    let counts = x.above(F32x4::splat(SMALLEST));
    let x = x.max(F32x4::splat(SMALLEST));
    let shifted = x.madd(F32x4::splat(core::f32::consts::LOG2_E), F32x4::splat(ROUND));
    let n = shifted.sub(F32x4::splat(ROUND));
    let r = n.madd(F32x4::splat(-LN2_HIGH), x);
    let r = n.madd(F32x4::splat(-LN2_LOW), r);
    let mut tail = F32x4::splat(TAIL[4]);
    for c in [TAIL[3], TAIL[2], TAIL[1], TAIL[0]] {
        tail = tail.madd(r, F32x4::splat(c));
    }
    let e = tail.madd(r.mul(r), r).add(F32x4::splat(1.0));
    let scaled: U32x4 = e.bits().add(shifted.bits().shl(23));
    scaled.and(counts).floats()
}

/// One e^x.
pub fn exp_one(x: f32) -> f32 {
    exp(F32x4::splat(x)).to_array()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        for i in -870_000..=887_000 {
            let x = i as f32 * 1e-4;
            let exact = (x as f64).exp();
            let unit = f32::from_bits((exact as f32).to_bits() + 1) as f64 - exact as f32 as f64;
            assert!((exp_one(x) as f64 - exact).abs() <= 2.0 * unit, "e^{x}");
        }
    }

    #[test]
    fn exp_of_the_far_left_is_zero_and_of_zero_is_one() {
        assert_eq!(exp_one(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp_one(-1e30), 0.0);
        assert_eq!(exp_one(0.0), 1.0);
        assert!(exp_one(1e30) > 3.3e38);
    }
}
