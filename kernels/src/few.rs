//! `y = x Wᵀ (+ bias)` for a few tokens: every number of W is read once, from where it lies, and multiplied at once. What
//! bounds it is how fast memory gives W; so no panel is packed, and nothing is read twice.
//!
//! ```text
//!   4 rows of W  ──▶  8 numbers of each, widened  ──▶  times 8 numbers of x  ──▶  8 sums of a row, added at its end
//! ```
//!
//! The four rows lie apart, each at the beginning of a run of rows that follow it: so W is read in four streams as long as
//! pages. A processor fetches ahead for one stream in a page; of 576 inputs four neighbouring rows are several in one.
//!
//! F16 is widened by five instructions for eight numbers: its bits move to their places in an f32, whose exponent is then 112
//! too small. So x is taken as many times as large as it can be, and the sums are given what is missing of 2^112: powers of 2,
//! which round nothing.

use crate::dtype::{Brain, Half, Single, Stored};
use crate::packed::{self, upper_bits, BF16, F16};
use crate::simd::{F32x4, U8x16};
use crate::stored;
use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Rows of W whose sums are in registers together, for one token.
const ROWS: usize = 4;
/// Numbers of a row that are widened at once.
const WIDE: usize = 8;
/// Numbers of a run of rows, at least: some pages.
const RUN: usize = 8192;

/// How numbers are widened where a power of 2 may be left for later.
pub trait Wide: Stored {
    /// [`Self::load_wide`] gives numbers times 2^-MISSING.
    const MISSING: i32;
    /// Numbers `i..i + 8` of the array at `p`. `upper`: `packed::upper_bits`.
    unsafe fn load_wide(p: *const u8, i: usize, upper: U8x16) -> [F32x4; 2];
}

impl Wide for Single {
    const MISSING: i32 = 0;
    #[inline(always)]
    unsafe fn load_wide(p: *const u8, i: usize, _: U8x16) -> [F32x4; 2] {
        [Self::load(p, i), Self::load(p, i + 4)]
    }
}

impl Wide for Brain {
    const MISSING: i32 = 0;
    #[inline(always)]
    unsafe fn load_wide(p: *const u8, i: usize, upper: U8x16) -> [F32x4; 2] {
        packed::widen::<BF16>(U8x16::load(p.add(2 * i)), upper)
    }
}

impl Wide for Half {
    const MISSING: i32 = 112;
    #[inline(always)]
    unsafe fn load_wide(p: *const u8, i: usize, upper: U8x16) -> [F32x4; 2] {
        packed::widen::<F16>(U8x16::load(p.add(2 * i)), upper)
    }
}

/// x of a token is made so large that its largest number is about 2^LARGE: times 2^16 and 2^-112, a sum of 2^27 such products
/// is below 2^32, and what is 2^-100 of the largest is no subnormal yet.
const LARGE: i32 = 100;

/// 2^exponent, of a normal number.
fn power(exponent: i32) -> f32 {
    f32::from_bits(((exponent + 127) as u32) << 23)
}

/// f32 of scratch for each worker: x of all tokens, and two factors for the sums of each.
#[wasm_bindgen]
pub fn few_scratch(tokens: usize, depth: usize) -> usize {
    tokens * (depth + 2)
}

/// y (tokens x outs) of x (tokens x depth) and W (outs x depth). In F16 the numbers of W are finite: an infinity or NaN would be
/// taken for 65536 and more, since nobody looks at the exponent. `bias` (1 x outs) is null if there is
/// none. `scratch` holds [`few_scratch`] f32 for each worker.
#[wasm_bindgen]
pub unsafe fn linear_few(
    team: *const Team,
    x: *const f32,
    tokens: usize,
    depth: usize,
    weight: *const u8,
    dtype: u32,
    outs: usize,
    bias: *const u8,
    bias_dtype: u32,
    y: *mut f32,
    scratch: *mut f32,
) {
    let team = &*team;
    let scratch = scratch.add(team.worker * few_scratch(tokens, depth));
    let bias = |out: usize| if bias.is_null() { 0.0 } else { stored!(bias_dtype, one(bias, out)) };
    stored!(dtype, multiply(team, x, tokens, depth, weight, outs, bias, y, scratch));
}

/// Number `i` of the array at `p`.
pub unsafe fn one<T: Stored>(p: *const u8, i: usize) -> f32 {
    T::load_some(p, i, 1).to_array()[0]
}

unsafe fn multiply<S: Wide>(
    team: &Team,
    x: *const f32,
    tokens: usize,
    depth: usize,
    weight: *const u8,
    outs: usize,
    bias: impl Fn(usize) -> f32,
    y: *mut f32,
    scratch: *mut f32,
) {
    let (large, factors) = (scratch, scratch.add(tokens * depth) as *mut [f32; 2]);
    let mut ready = false;
    for chunk in team.runs(outs, ROWS * RUN.div_ceil(depth).max(4)) {
        if !ready {
            for token in 0..tokens {
                let at = token * depth;
                *factors.add(token) = enlarge(x.add(at), depth, S::MISSING, large.add(at));
            }
            ready = true;
        }
        let store = |row: usize, token: usize, sum: f32| {
            let [first, second] = *factors.add(token);
            *y.add(token * outs + row) = sum * first * second + bias(row);
        };
        let run = chunk.len() / ROWS;
        for row in chunk.start..chunk.start + run {
            let w = weight.add(row * depth * S::BYTES);
            let mut token = 0;
            while token + 2 <= tokens {
                let sums = dots::<S, ROWS, 2, 1>(w, run * depth, large.add(token * depth), depth);
                for (r, pair) in sums.into_iter().enumerate() {
                    store(row + r * run, token, pair[0]);
                    store(row + r * run, token + 1, pair[1]);
                }
                token += 2;
            }
            if token < tokens {
                let sums = dots::<S, ROWS, 1, 2>(w, run * depth, large.add(token * depth), depth);
                for (r, [sum]) in sums.into_iter().enumerate() {
                    store(row + r * run, token, sum);
                }
            }
        }
        for row in chunk.start + ROWS * run..chunk.end {
            for token in 0..tokens {
                let w = weight.add(row * depth * S::BYTES);
                let [[sum]] = dots::<S, 1, 1, 2>(w, 0, large.add(token * depth), depth);
                store(row, token, sum);
            }
        }
    }
}

/// Writes x times a power of 2, and gives the two factors that sums with it are to be multiplied by for 2^missing.
pub unsafe fn enlarge(x: *const f32, n: usize, missing: i32, to: *mut f32) -> [f32; 2] {
    if missing == 0 {
        to.copy_from_nonoverlapping(x, n);
        return [1.0; 2];
    }
    let largest = (0..n).fold(0f32, |largest, i| largest.max((*x.add(i)).abs()));
    let exponent = (largest.to_bits() >> 23) as i32 - 127;
    let more = (LARGE - exponent).clamp(-126, missing);
    let factor = power(more);
    for i in 0..n {
        *to.add(i) = *x.add(i) * factor;
    }
    let rest = missing - more;
    [power(rest / 2), power(rest - rest / 2)]
}

/// The products of `R` rows of W, so many numbers `apart`, with `T` of x, which follow each other; each in `H` sums of four
/// lanes, so that no sum waits for the last one.
#[inline(always)]
pub unsafe fn dots<S: Wide, const R: usize, const T: usize, const H: usize>(
    w: *const u8,
    apart: usize,
    x: *const f32,
    depth: usize,
) -> [[f32; T]; R] {
    let (mut sums, upper) = ([[[F32x4::splat(0.0); H]; T]; R], upper_bits());
    let whole = depth - depth % WIDE;
    for k in (0..whole).step_by(WIDE) {
        let mut xs = [[F32x4::splat(0.0); 2]; T];
        for (t, own) in xs.iter_mut().enumerate() {
            *own = [F32x4::load(x.add(t * depth + k)), F32x4::load(x.add(t * depth + k + 4))];
        }
        for (r, row) in sums.iter_mut().enumerate() {
            add(S::load_wide(w, r * apart + k, upper), &xs, row);
        }
    }
    if whole < depth {
        let rest = depth - whole;
        let mut xs = [[F32x4::splat(0.0); 2]; T];
        for (t, own) in xs.iter_mut().enumerate() {
            let mut padded = [0f32; WIDE];
            padded.as_mut_ptr().copy_from_nonoverlapping(x.add(t * depth + whole), rest);
            *own = [F32x4::load(padded.as_ptr()), F32x4::load(padded.as_ptr().add(4))];
        }
        for (r, row) in sums.iter_mut().enumerate() {
            let mut padded = [0f32; WIDE];
            let bytes = padded.as_mut_ptr() as *mut u8;
            bytes.copy_from_nonoverlapping(w.add((r * apart + whole) * S::BYTES), rest * S::BYTES);
            add(S::load_wide(bytes, 0, upper), &xs, row);
        }
    }
    sums.map(|row| row.map(|parts| parts.into_iter().reduce(F32x4::add).unwrap_or(F32x4::splat(0.0)).sum()))
}

#[inline(always)]
fn add<const T: usize, const H: usize>(wide: [F32x4; 2], xs: &[[F32x4; 2]; T], row: &mut [[F32x4; H]; T]) {
    for (own, parts) in xs.iter().zip(row) {
        parts[0] = wide[0].madd(own[0], parts[0]);
        parts[H - 1] = wide[1].madd(own[1], parts[H - 1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::convert;
    use crate::dtype::{widen, F32};
    use crate::oracle::{close_product, numbers};
    use crate::team::alone;
    use core::ptr::null;

    fn check(tokens: usize, depth: usize, outs: usize, dtype: u32, with_bias: bool) {
        let x = numbers(tokens * depth, 1);
        let exact = numbers(outs * depth, 2);
        let bias = numbers(outs, 3);
        let (mut stored, mut weight) = (vec![0u8; exact.len() * 4], vec![0f32; exact.len()]);
        let s = stored.as_mut_ptr();
        unsafe {
            alone(|team| convert(team, exact.as_ptr() as *const u8, F32, exact.len(), s, dtype));
            match dtype {
                F16 => widen::<Half>(s, exact.len(), weight.as_mut_ptr()),
                BF16 => widen::<Brain>(s, exact.len(), weight.as_mut_ptr()),
                _ => weight.copy_from_slice(&exact),
            }
        }
        let mut y = vec![f32::NAN; tokens * outs];
        let mut scratch = vec![0f32; few_scratch(tokens, depth)];
        let b = if with_bias { bias.as_ptr() as *const u8 } else { null() };
        let (px, py, p) = (x.as_ptr(), y.as_mut_ptr(), scratch.as_mut_ptr());
        unsafe { alone(|team| linear_few(team, px, tokens, depth, s, dtype, outs, b, F32, py, p)) }
        close_product(&y, &x, &weight, with_bias.then_some(&bias), depth, &format!("{dtype}: "));
    }

    #[test]
    fn a_few_tokens_are_the_product_at_every_edge() {
        for dtype in [F32, F16, BF16] {
            for tokens in [1, 2, 3, 4] {
                for depth in [1, 7, 8, 9, 24, 61] {
                    for outs in [1, 3, 4, 5, 16, 21] {
                        check(tokens, depth, outs, dtype, outs % 2 == 1);
                    }
                }
            }
        }
    }

    #[test]
    fn x_may_be_as_large_and_as_small_as_an_f32() {
        let (weight, mut y, mut scratch) = ([0x7bffu16, 0x0001], [0f32; 1], [0f32; 4]); // 65504 and 2^-24
        for x in [[1e30f32, 0.0], [0.0, 1e30], [1e-30, 0.0], [3e33, -3e38], [0.0, 0.0], [1e-38, 1e38]] {
            let (px, pw, py, p) = (x.as_ptr(), weight.as_ptr() as *const u8, y.as_mut_ptr(), scratch.as_mut_ptr());
            unsafe { alone(|team| linear_few(team, px, 1, 2, pw, F16, 1, null(), F32, py, p)) }
            let exact = x[0] as f64 * 65504.0 + x[1] as f64 * 2f64.powi(-24);
            assert_eq!(y[0], exact as f32, "{x:?}");
        }
    }

    #[test]
    fn every_finite_half_is_multiplied_exactly() {
        let all: Vec<u16> = (0..=u16::MAX).filter(|bits| bits & 0x7c00 != 0x7c00).collect();
        let mut wide = vec![0f32; all.len()];
        unsafe { widen::<Half>(all.as_ptr() as *const u8, all.len(), wide.as_mut_ptr()) }
        let (one, mut y, mut scratch) = ([1f32], vec![f32::NAN; all.len()], [0f32; 3]);
        let (px, pw, py, p) = (one.as_ptr(), all.as_ptr() as *const u8, y.as_mut_ptr(), scratch.as_mut_ptr());
        unsafe { alone(|team| linear_few(team, px, 1, 1, pw, F16, all.len(), null(), F32, py, p)) }
        assert_eq!(y, wide);
    }
}
