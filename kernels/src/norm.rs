//! Norms over runs of neighbouring columns: a whole row, or each head of it. RMS: `x * rsqrt(mean(x²) + epsilon) * gain`
//! (Zhang and Sennrich, 2019); layer: `(x - mean) * rsqrt(variance + epsilon) * gain + bias` (Ba et al., 2016).
//! Sums are f64, so that no square overflows and a large mean costs no digits.

use crate::dtype::Stored;
use crate::simd::F32x4;
use crate::stored;
use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Numbers of a chunk, about.
const CHUNK: usize = 16384;

/// `runs` runs of `size` numbers, `per_row` in a row of x, each normalised (about its mean if `layer`) and multiplied by its
/// row of the gain (`rows` x size; run `j` of a row takes row `j % rows`), or by 1 + that if `unit`; plus its row of the
/// bias, unless that is null.
#[wasm_bindgen]
pub unsafe fn norm(
    team: *const Team,
    x: *const f32,
    runs: usize,
    size: usize,
    per_row: usize,
    gain: *const u8,
    dtype: u32,
    rows: usize,
    bias: *const u8,
    bias_dtype: u32,
    layer: bool,
    unit: bool,
    epsilon: f64,
    out: *mut f32,
) {
    for chunk in (*team).runs(runs, CHUNK.div_ceil(size)) {
        for run in chunk {
            let (x, out, at) = (x.add(run * size), out.add(run * size), run % per_row % rows * size);
            let (mean, spread) = if layer { moments(x, size) } else { (0.0, squares(x, size, 0.0)) };
            let scale = (1.0 / (spread / size as f64 + epsilon).sqrt()) as f32;
            if layer {
                centre(x, size, mean, out);
            }
            let x = if layer { out } else { x };
            stored!(dtype, scaled(x, size, scale, gain, at, unit, out));
            if !bias.is_null() {
                stored!(bias_dtype, add_bias(bias, at, size, out));
            }
        }
    }
}

/// Calls `f` with a place and how many numbers from there on: four each time, then the rest.
#[inline(always)]
fn fours(n: usize, mut f: impl FnMut(usize, usize)) {
    for i in (0..n & !3).step_by(4) {
        f(i, 4);
    }
    if n & 3 > 0 {
        f(n & !3, n & 3);
    }
}

/// The sum of `(x - mean)²`.
#[inline(always)]
pub unsafe fn squares(x: *const f32, n: usize, mean: f64) -> f64 {
    let whole = n & !3;
    let mut squares = [0f64; 4];
    for i in (0..whole).step_by(4) {
        for (j, sum) in squares.iter_mut().enumerate() {
            let v = *x.add(i + j) as f64 - mean;
            *sum += v * v;
        }
    }
    let mut sum = (squares[0] + squares[1]) + (squares[2] + squares[3]);
    for i in whole..n {
        let v = *x.add(i) as f64 - mean;
        sum += v * v;
    }
    sum
}

/// The mean, and the sum of `(x - mean)²`.
#[inline(never)]
pub unsafe fn moments(x: *const f32, n: usize) -> (f64, f64) {
    let mut sums = [0f64; 4];
    fours(n, |i, some| {
        for (j, sum) in sums.iter_mut().enumerate().take(some) {
            *sum += *x.add(i + j) as f64;
        }
    });
    let mean = ((sums[0] + sums[1]) + (sums[2] + sums[3])) / n as f64;
    (mean, squares(x, n, mean))
}

/// `x - mean`, whose second part is what f32 cannot hold of the first: near the mean the first difference is exact.
#[inline(never)]
unsafe fn centre(x: *const f32, n: usize, mean: f64, out: *mut f32) {
    let high = mean as f32;
    let low = (mean - high as f64) as f32;
    for i in 0..n {
        *out.add(i) = (*x.add(i) - high) - low;
    }
}

/// `x * scale * gain`, x and out perhaps the same.
unsafe fn scaled<T: Stored>(
    x: *const f32,
    n: usize,
    scale: f32,
    gain: *const u8,
    at: usize,
    unit: bool,
    out: *mut f32,
) {
    let factor = |gain: F32x4| if unit { gain.add(F32x4::splat(1.0)) } else { gain };
    let whole = n & !3;
    for i in (0..whole).step_by(4) {
        F32x4::load(x.add(i)).mul(F32x4::splat(scale)).mul(factor(T::load(gain, at + i))).store(out.add(i));
    }
    if whole < n {
        let last = factor(T::load_some(gain, at + whole, n - whole)).to_array();
        for i in whole..n {
            *out.add(i) = *x.add(i) * scale * last[i - whole];
        }
    }
}

unsafe fn add_bias<T: Stored>(bias: *const u8, at: usize, n: usize, out: *mut f32) {
    fours(n, |i, some| {
        let last = if some == 4 { T::load(bias, at + i) } else { T::load_some(bias, at + i, some) }.to_array();
        for (j, b) in last.into_iter().enumerate().take(some) {
            *out.add(i + j) += b;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;
    use core::ptr::null;

    /// Normalises runs of numbers about `middle`, with and without a bias, and compares with f64.
    fn check(runs: usize, size: usize, per_row: usize, rows: usize, middle: f32, layer: bool, unit: bool) {
        let x: Vec<f32> = numbers(runs * size, 1).iter().map(|v| v + middle).collect();
        let (gain, bias) = (numbers(rows * size, 2), numbers(rows * size, 3));
        for biased in [false, true] {
            let mut out = vec![f32::NAN; x.len()];
            let (px, g, o) = (x.as_ptr(), gain.as_ptr() as *const u8, out.as_mut_ptr());
            let b = if biased { bias.as_ptr() as *const u8 } else { null() };
            unsafe { alone(|team| norm(team, px, runs, size, per_row, g, 0, rows, b, 0, layer, unit, 1e-5, o)) }
            for run in 0..runs {
                let row: Vec<f64> = x[run * size..][..size].iter().map(|&v| v as f64).collect();
                let mean = if layer { row.iter().sum::<f64>() / size as f64 } else { 0.0 };
                let spread = row.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / size as f64;
                for i in 0..size {
                    let at = run % per_row % rows * size + i;
                    let factor = gain[at] as f64 + if unit { 1.0 } else { 0.0 };
                    let shift = if biased { bias[at] as f64 } else { 0.0 };
                    let expected = (row[i] - mean) / (spread + 1e-5).sqrt() * factor;
                    // Sums are f64: two roundings of the difference, three of the scale and its products, two of 1 + gain
                    // and the bias.
                    let bound = 7.0 * 2f64.powi(-24) * (expected.abs() + shift.abs()) + 1e-9;
                    let found = out[run * size + i] as f64;
                    assert!((found - expected - shift).abs() <= bound, "[{run}, {i}]: {found}");
                }
            }
        }
    }

    #[test]
    fn every_run_is_normalised_on_its_own_by_its_row_of_the_gain() {
        for (runs, size) in [(1, 1), (3, 5), (7, 64), (2, 577)] {
            for (layer, unit) in [(false, false), (false, true), (true, false), (true, true)] {
                check(runs, size, 1, 1, 0.0, layer, unit);
                check(5 * runs, size, 5, 3, 0.5, layer, unit);
            }
        }
    }

    #[test]
    fn a_large_mean_costs_no_digits() {
        check(3, 577, 1, 1, 16384.0, true, false);
    }
}
