//! The backward pass of a norm (`norm.rs`). With x̂ the normalised run, s its reciprocal root and `d = dy * gain`:
//!
//! ```text
//!   norm_backward    dx = s (d - x̂ mean(d x̂)), of a layer norm s (d - mean(d) - x̂ mean(d x̂));     a chunk = some runs
//!                    mean and s of every run stay in a scratch
//!   norm_gradients   gain[j] += Σ dy x̂, bias[j] += Σ dy, over the runs of a row of the gain         a chunk = 64 columns
//! ```
//!
//! Sums are f64.

use crate::dtype::{widen, Stored};
use crate::norm::{moments, squares};
use crate::stored;
use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Numbers of a chunk, about.
const CHUNK: usize = 16384;
/// Columns of a chunk of the sums over runs.
const COLUMNS: usize = 64;
/// Numbers of a gain that are widened at a time.
const WIDENED: usize = 256;

/// The gradient by the input; the arguments are those of `norm`, and dy. `moments_of` takes two f64 for each run.
#[wasm_bindgen]
pub unsafe fn norm_backward(
    team: *const Team,
    x: *const f32,
    dy: *const f32,
    runs: usize,
    size: usize,
    per_row: usize,
    gain: *const u8,
    dtype: u32,
    rows: usize,
    layer: bool,
    unit: bool,
    epsilon: f64,
    moments_of: *mut [f64; 2],
    out: *mut f32,
) {
    for chunk in (*team).runs(runs, CHUNK.div_ceil(size)) {
        for run in chunk {
            let (x, dy, out, at) =
                (x.add(run * size), dy.add(run * size), out.add(run * size), run % per_row % rows * size);
            let (mean, spread) = if layer { moments(x, size) } else { (0.0, squares(x, size, 0.0)) };
            let scale = 1.0 / (spread / size as f64 + epsilon).sqrt();
            *moments_of.add(run) = [mean, scale];
            stored!(dtype, multiplied(dy, gain, at, size, unit, out));
            let (mut sum, mut product) = (0f64, 0f64);
            for i in 0..size {
                let d = *out.add(i) as f64;
                sum += d;
                product += d * ((*x.add(i) as f64 - mean) * scale);
            }
            let (sum, product) = (if layer { sum / size as f64 } else { 0.0 }, product / size as f64);
            for i in 0..size {
                let normed = (*x.add(i) as f64 - mean) * scale;
                *out.add(i) = (scale * (*out.add(i) as f64 - sum - normed * product)) as f32;
            }
        }
    }
}

/// `dy * gain` of a run.
unsafe fn multiplied<T: Stored>(dy: *const f32, gain: *const u8, at: usize, size: usize, unit: bool, out: *mut f32) {
    let mut wide = [0f32; WIDENED];
    let one = if unit { 1.0 } else { 0.0 };
    for from in (0..size).step_by(WIDENED) {
        let some = WIDENED.min(size - from);
        widen::<T>(gain.add((at + from) * T::BYTES), some, wide.as_mut_ptr());
        for (i, gain) in wide.iter().enumerate().take(some) {
            *out.add(from + i) = *dy.add(from + i) * (gain + one);
        }
    }
}

/// Adds what every run has to do with its row of the gain, and of the bias; either may be null.
#[wasm_bindgen]
pub unsafe fn norm_gradients(
    team: *const Team,
    x: *const f32,
    dy: *const f32,
    runs: usize,
    size: usize,
    per_row: usize,
    rows: usize,
    moments_of: *const [f64; 2],
    gain: *mut f32,
    bias: *mut f32,
) {
    let across = size.div_ceil(COLUMNS);
    for chunk in (*team).chunks(rows * across) {
        let (row, from) = (chunk / across, chunk % across * COLUMNS);
        let some = COLUMNS.min(size - from);
        let mut sums = [[0f64; COLUMNS]; 2];
        for run in 0..runs {
            if run % per_row % rows != row {
                continue;
            }
            let at = run * size + from;
            let [mean, scale] = *moments_of.add(run);
            let [by_gain, by_bias] = &mut sums;
            for (j, (by_gain, by_bias)) in by_gain.iter_mut().zip(by_bias).enumerate().take(some) {
                let (x, dy) = (*x.add(at + j) as f64, *dy.add(at + j) as f64);
                *by_gain += dy * ((x - mean) * scale);
                *by_bias += dy;
            }
        }
        for (to, sums) in [gain, bias].into_iter().zip(sums) {
            if to.is_null() {
                continue;
            }
            for (j, sum) in sums.into_iter().enumerate().take(some) {
                let to = to.add(row * size + from + j);
                *to = (*to as f64 + sum) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;

    /// `Σ dy norm(x)` in f64.
    fn loss(x: &[f64], gain: &[f64], dy: &[f32], size: usize, per_row: usize, layer: bool, unit: bool) -> f64 {
        let rows = gain.len() / size;
        (0..x.len() / size)
            .map(|run| {
                let own = &x[run * size..][..size];
                let mean = if layer { own.iter().sum::<f64>() / size as f64 } else { 0.0 };
                let spread = own.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / size as f64;
                (0..size)
                    .map(|i| {
                        let gain = gain[run % per_row % rows * size + i] + if unit { 1.0 } else { 0.0 };
                        (own[i] - mean) / (spread + 1e-5).sqrt() * gain * dy[run * size + i] as f64
                    })
                    .sum::<f64>()
            })
            .sum()
    }

    fn check(runs: usize, size: usize, per_row: usize, rows: usize, layer: bool, unit: bool) {
        let (x, dy, gain) = (numbers(runs * size, 1), numbers(runs * size, 2), numbers(rows * size, 3));
        let (mut dx, mut by_gain, mut by_bias) =
            (vec![f32::NAN; x.len()], vec![0f32; gain.len()], vec![0f32; gain.len()]);
        let mut moments_of = vec![[0f64; 2]; runs];
        let (p, d, g, m) = (x.as_ptr(), dy.as_ptr(), gain.as_ptr() as *const u8, moments_of.as_mut_ptr());
        let (o, a, b) = (dx.as_mut_ptr(), by_gain.as_mut_ptr(), by_bias.as_mut_ptr());
        unsafe {
            alone(|team| norm_backward(team, p, d, runs, size, per_row, g, 0, rows, layer, unit, 1e-5, m, o));
            alone(|team| norm_gradients(team, p, d, runs, size, per_row, rows, m, a, b));
        }
        let wide = |v: &[f32]| v.iter().map(|&v| v as f64).collect::<Vec<_>>();
        let (x, gain) = (wide(&x), wide(&gain));
        // Central differences of f64 with steps of 1e-5 are good to some 1e-9.
        let slope = |of: &[f64], at: usize, loss: &dyn Fn(&[f64]) -> f64| {
            let moved = |by: f64| {
                let mut moved = of.to_vec();
                moved[at] += by;
                loss(&moved)
            };
            (moved(1e-5) - moved(-1e-5)) / 2e-5
        };
        let close = |found: f32, expected: f64, size: f64| {
            assert!((found as f64 - expected).abs() < 1e-6 * (size + expected.abs()), "{found}, not {expected}");
        };
        for at in (0..x.len()).step_by(7) {
            // The reciprocal root of a short run is up to some hundred.
            close(dx[at], slope(&x, at, &|x| loss(x, &gain, &dy, size, per_row, layer, unit)), 10.0);
        }
        for at in 0..gain.len() {
            close(by_gain[at], slope(&gain, at, &|gain| loss(&x, gain, &dy, size, per_row, layer, unit)), 1.0);
            let own = (0..runs).filter(|run| run % per_row % rows == at / size);
            close(by_bias[at], own.map(|run| dy[run * size + at % size] as f64).sum(), 1.0);
        }
    }

    #[test]
    fn gradients_are_the_slopes_of_the_norm() {
        for (layer, unit) in [(false, false), (false, true), (true, false), (true, true)] {
            check(3, 70, 1, 1, layer, unit);
            check(30, 9, 5, 3, layer, unit);
            check(2, 300, 1, 1, layer, unit);
        }
    }
}
