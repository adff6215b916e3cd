//! `x * rsqrt(mean(x²) + epsilon) * gain` over runs of neighbouring columns: a whole row, or each head of it.

use crate::dtype::Stored;
use crate::simd::F32x4;
use crate::stored;
use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Numbers of a chunk, about.
const CHUNK: usize = 16384;

/// `runs` runs of `size` numbers, each normalised and multiplied by the gain.
#[wasm_bindgen]
pub unsafe fn rms_norm(
    team: *const Team,
    x: *const f32,
    runs: usize,
    size: usize,
    gain: *const u8,
    dtype: u32,
    epsilon: f64,
    out: *mut f32,
) {
    for chunk in (*team).runs(runs, CHUNK.div_ceil(size)) {
        for run in chunk {
            let (x, out) = (x.add(run * size), out.add(run * size));
            stored!(dtype, normalise(x, size, gain, epsilon, out));
        }
    }
}

unsafe fn normalise<T: Stored>(x: *const f32, n: usize, gain: *const u8, epsilon: f64, out: *mut f32) {
    let whole = n & !3;
    // f64, so that no square overflows.
    let mut squares = [0f64; 4];
    for i in (0..whole).step_by(4) {
        for (j, sum) in squares.iter_mut().enumerate() {
            let v = *x.add(i + j) as f64;
            *sum += v * v;
        }
    }
    let mut sum = (squares[0] + squares[1]) + (squares[2] + squares[3]);
    for i in whole..n {
        sum += *x.add(i) as f64 * *x.add(i) as f64;
    }
    let scale = (1.0 / (sum / n as f64 + epsilon).sqrt()) as f32;
    for i in (0..whole).step_by(4) {
        F32x4::load(x.add(i)).mul(F32x4::splat(scale)).mul(T::load(gain, i)).store(out.add(i));
    }
    if whole < n {
        let last = T::load_some(gain, whole, n - whole).to_array();
        for i in whole..n {
            *out.add(i) = *x.add(i) * scale * last[i - whole];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;

    #[test]
    fn every_run_is_normalised_on_its_own() {
        for (runs, size) in [(1, 1), (3, 5), (7, 64), (2, 577)] {
            let x = numbers(runs * size, 1);
            let gain = numbers(size, 2);
            let mut out = vec![f32::NAN; x.len()];
            let (px, g, o) = (x.as_ptr(), gain.as_ptr() as *const u8, out.as_mut_ptr());
            unsafe { alone(|team| rms_norm(team, px, runs, size, g, 0, 1e-5, o)) }
            for run in 0..runs {
                let row = &x[run * size..][..size];
                let mean = row.iter().map(|&v| v as f64 * v as f64).sum::<f64>() / size as f64;
                for i in 0..size {
                    let expected = row[i] as f64 / (mean + 1e-5).sqrt() * gain[i] as f64;
                    // A sum of `size` positive terms, then six roundings; the square root halves the sum's share.
                    let bound = (size / 2 + 6) as f64 * 2f64.powi(-24) * expected.abs();
                    assert!((out[run * size + i] as f64 - expected).abs() <= bound);
                }
            }
        }
    }
}
