//! The same numbers in another dtype, rounded to nearest, ties to even; or to BF16 stochastically (Gupta et al., 2015), by a
//! hash of a key and a number's place, as in `dropout.rs`.

use crate::dropout::mix;
use crate::dtype::{widen, Stored, BF16, F16, F32};
use crate::stored;
use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Numbers of a chunk.
const CHUNK: usize = 32768;
/// Numbers that are widened before they are rounded.
const SOME: usize = 64;

/// `n` numbers of the dtype `from_dtype` at `from`, written in the dtype `to_dtype` at `to`.
#[wasm_bindgen]
pub unsafe fn convert(team: *const Team, from: *const u8, from_dtype: u32, n: usize, to: *mut u8, to_dtype: u32) {
    for run in (*team).runs(n, CHUNK) {
        stored!(from_dtype, convert_run(from, run.start, run.len(), to, to_dtype));
    }
}

unsafe fn convert_run<T: Stored>(from: *const u8, first: usize, n: usize, to: *mut u8, dtype: u32) {
    let mut wide = [0f32; SOME];
    for done in (0..n).step_by(SOME) {
        let (at, some) = (first + done, SOME.min(n - done));
        widen::<T>(from.add(at * T::BYTES), some, wide.as_mut_ptr());
        store(&wide[..some], to, dtype, at);
    }
}

/// `n` F32 numbers at `from`, each rounded to one of the two BF16 beside it, to either as likely as it is near.
#[wasm_bindgen]
pub unsafe fn round_stochastic(team: *const Team, from: *const f32, n: usize, key: u32, to: *mut u16) {
    for i in (*team).runs(n, CHUNK).flatten() {
        *to.add(i) = stochastic(*from.add(i), mix(mix(i as u32) ^ key));
    }
}

/// The BF16 towards zero from `x`, or the one after it where what is cut off and 16 random bits make one more.
#[inline(always)]
fn stochastic(x: f32, random: u32) -> u16 {
    if x.is_nan() {
        return 0x7fc0;
    }
    ((x.to_bits() + (random & 0xffff)) >> 16) as u16
}

/// Numbers written from place `at` on of an array of a dtype.
/// # Safety
/// They can be written.
pub unsafe fn store(from: &[f32], to: *mut u8, dtype: u32, at: usize) {
    match dtype {
        F32 => (to as *mut f32).add(at).copy_from_nonoverlapping(from.as_ptr(), from.len()),
        F16 => narrow(from, half, (to as *mut u16).add(at)),
        BF16 => narrow(from, brain, (to as *mut u16).add(at)),
        other => unreachable!("dtype {other}"),
    }
}

#[inline(always)]
unsafe fn narrow(from: &[f32], round: impl Fn(f32) -> u16, to: *mut u16) {
    for (i, &x) in from.iter().enumerate() {
        *to.add(i) = round(x);
    }
}

/// The F16 nearest to `x`.
#[inline(always)]
fn half(x: f32) -> u16 {
    /// Half a step beyond the largest F16, 65504: from here on infinity is nearest.
    const TOO_LARGE: u32 = 0x477f_f000;
    const SMALLEST_NORMAL: u32 = 0x3880_0000; // 2^-14
    const INFINITY: u32 = 0x7f80_0000;
    let bits = x.to_bits();
    let size = bits & 0x7fff_ffff;
    let rounded = if size > INFINITY {
        0x7e00
    } else if size >= TOO_LARGE {
        0x7c00
    } else if size < SMALLEST_NORMAL {
        // Beside 0.5 an f32 has steps of 2^-24, those of a subnormal F16: the addition rounds.
        (f32::from_bits(size) + 0.5).to_bits() - 0.5f32.to_bits()
    } else {
        nearest(size, 13) - ((127 - 15) << 10)
    };
    (bits >> 16 & 0x8000 | rounded) as u16
}

/// The BF16 nearest to `x`.
#[inline(always)]
fn brain(x: f32) -> u16 {
    if x.is_nan() {
        return 0x7fc0;
    }
    nearest(x.to_bits(), 16) as u16
}

/// `bits` without the last `drop`; a carry into the exponent is right, the next power of two.
#[inline(always)]
fn nearest(bits: u32, drop: u32) -> u32 {
    let odd = bits >> drop & 1;
    (bits + (1 << (drop - 1)) - 1 + odd) >> drop
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::{Brain, Half};
    use crate::team::alone;

    /// Converts F32 to `dtype` and the result back to F32.
    fn both(x: &[f32], dtype: u32) -> (Vec<u16>, Vec<f32>) {
        let (mut narrow, mut wide) = (vec![0u16; x.len()], vec![0f32; x.len()]);
        let (p, q, r) = (x.as_ptr(), narrow.as_mut_ptr(), wide.as_mut_ptr());
        unsafe {
            alone(|team| convert(team, p as *const u8, F32, x.len(), q as *mut u8, dtype));
            alone(|team| convert(team, q as *const u8, dtype, x.len(), r as *mut u8, F32));
        }
        (narrow, wide)
    }

    fn widened<T: Stored>(bits: &[u16]) -> Vec<f32> {
        let mut out = vec![0f32; bits.len()];
        unsafe { widen::<T>(bits.as_ptr() as *const u8, bits.len(), out.as_mut_ptr()) }
        out
    }

    /// Every finite number of the dtype comes back, and what lies between two neighbours goes to the nearer one, to
    /// the even one from the middle.
    fn check<T: Stored>(dtype: u32, largest: u16) {
        let all: Vec<u16> = (0..=largest).collect();
        let values = widened::<T>(&all);
        assert_eq!(both(&values, dtype), (all.clone(), values.clone()));
        let middles: Vec<f32> = values.windows(2).map(|w| ((w[0] as f64 + w[1] as f64) / 2.0) as f32).collect();
        let to_even: Vec<u16> = all.windows(2).map(|w| w[0] + w[0] % 2).collect();
        assert_eq!(both(&middles, dtype).0, to_even);
        let below: Vec<f32> = middles.iter().map(|x| x.next_down()).collect();
        assert_eq!(both(&below, dtype).0, all[..all.len() - 1]);
        let above: Vec<f32> = middles.iter().map(|x| -x.next_up()).collect();
        assert_eq!(both(&above, dtype).0, all[1..].iter().map(|x| x | 0x8000).collect::<Vec<_>>());
    }

    #[test]
    fn the_nearest_half_is_found_and_the_even_one_of_two() {
        check::<Half>(F16, 0x7bff);
        assert_eq!(
            both(&[65519.9, 65520.0, -1e30, f32::INFINITY, -0.0, 1e-30], F16).0,
            [0x7bff, 0x7c00, 0xfc00, 0x7c00, 0x8000, 0]
        );
    }

    #[test]
    fn the_nearest_brain_float_is_found_and_the_even_one_of_two() {
        check::<Brain>(BF16, 0x7f7f);
        assert_eq!(both(&[f32::MAX, f32::NEG_INFINITY, -0.0], BF16).0, [0x7f80, 0xff80, 0x8000]);
    }

    #[test]
    fn a_number_is_rounded_up_as_often_as_it_is_near() {
        let n = 40_000;
        for (x, below, share) in
            [(1.0f32, 0x3f80, 0.0), (1.0 + 1.0 / 512.0, 0x3f80, 0.25), (-1.0 - 3.0 / 512.0, 0xbf80, 0.75)]
        {
            let from = vec![x; n];
            let mut to = vec![0u16; n];
            unsafe { alone(|team| round_stochastic(team, from.as_ptr(), n, 7, to.as_mut_ptr())) }
            let up = to.iter().filter(|&&bits| bits == below + 1).count();
            assert_eq!(up + to.iter().filter(|&&bits| bits == below).count(), n);
            // Five standard deviations of as many independent draws.
            let (mean, spread) = (n as f64 * share, (n as f64 * share * (1.0 - share)).sqrt());
            assert!((up as f64 - mean).abs() <= 5.0 * spread, "{x}: {up}");
        }
        let special = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::from_bits(0x7fff_ffff)];
        assert_eq!(special.map(|x| stochastic(x, u32::MAX)), [0, 0x8000, 0x7f80, 0xff80, 0x7fc0]);
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let nan = [f32::NAN, f32::from_bits(0x7fff_ffff), f32::from_bits(0xff80_0001)];
        for dtype in [F16, BF16] {
            assert!(both(&nan, dtype).1.iter().all(|x| x.is_nan()));
        }
    }
}
