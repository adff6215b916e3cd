//! What a weight is worth: `|w|`, or Wanda's `|w| * sqrt(statistic of its column)` (Sun et al., section 3, equation 1),
//! in f32 as the published code has it: one square root, one multiplication.

use crate::dtype::Stored;
use crate::simd::F32x4;
use crate::stored;
use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Rows of a chunk: they share the square roots.
const ROWS: usize = 8;
/// Columns whose square roots are at hand.
const COLS: usize = 256;

/// Scores of a weight (rows x cols); `statistic` (1 x cols) is null for the magnitude alone.
#[wasm_bindgen]
pub unsafe fn score(
    team: *const Team,
    weight: *const u8,
    dtype: u32,
    rows: usize,
    cols: usize,
    statistic: *const f32,
    out: *mut f32,
) {
    let mut scale = [1f32; COLS];
    for run in (*team).runs(rows, ROWS) {
        for first in (0..cols).step_by(COLS) {
            let n = COLS.min(cols - first);
            if !statistic.is_null() {
                for (j, s) in scale.iter_mut().enumerate().take(n) {
                    *s = (*statistic.add(first + j)).sqrt();
                }
            }
            for row in run.clone() {
                let at = row * cols + first;
                stored!(dtype, score_run(weight, at, n, scale.as_ptr(), out.add(at)));
            }
        }
    }
}

unsafe fn score_run<T: Stored>(weight: *const u8, at: usize, n: usize, scale: *const f32, out: *mut f32) {
    let whole = n & !3;
    for j in (0..whole).step_by(4) {
        T::load(weight, at + j).abs().mul(F32x4::load(scale.add(j))).store(out.add(j));
    }
    if whole < n {
        let last = T::load_some(weight, at + whole, n - whole).abs().to_array();
        for j in whole..n {
            *out.add(j) = last[j - whole] * *scale.add(j);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;

    #[test]
    fn scores_are_the_formula_to_the_bit() {
        let (rows, cols) = (9, 259);
        let weight = numbers(rows * cols, 1);
        let statistic: Vec<f32> = numbers(cols, 2).iter().map(|x| x.abs()).collect();
        let mut out = vec![f32::NAN; weight.len()];
        let (w, s, o) = (weight.as_ptr() as *const u8, statistic.as_ptr(), out.as_mut_ptr());
        unsafe { alone(|team| score(team, w, 0, rows, cols, s, o)) }
        for (i, w) in weight.iter().enumerate() {
            assert_eq!(out[i], w.abs() * statistic[i % cols].sqrt());
        }
    }
}
