//! RIA's score (Zhang et al., 2024, equation 3): `|w| * (1 / Σ_row |W| + 1 / Σ_column |W|) * statistic[column]^(1/4)`.
//!
//! ```text
//!   absolute_parts   64 rows of W ──▶ the sums of the rows, one row of column sums     a chunk = 64 rows
//!   relative         adds up the column sums of its columns, then scores             a chunk = 64 columns
//! ```
//!
//! Both sums are f64, and a sum of zero gives 0: there is nothing to score.

use crate::dtype::Stored;
use crate::stored;
use crate::team::Team;
use core::slice::from_raw_parts_mut;
use wasm_bindgen::prelude::wasm_bindgen;

/// Rows of a part.
const ROWS: usize = 64;
/// Columns of a chunk that scores.
const COLS: usize = 64;

/// f64 of the sums of the rows and of the parts.
#[wasm_bindgen]
pub fn absolute_scratch(rows: usize, cols: usize) -> usize {
    rows + rows.div_ceil(ROWS) * cols
}

/// Sums `|W|` (rows x cols): first the rows, then of every part of the rows the columns.
#[wasm_bindgen]
pub unsafe fn absolute_parts(
    team: *const Team,
    weight: *const u8,
    dtype: u32,
    rows: usize,
    cols: usize,
    sums: *mut f64,
) {
    for run in (*team).runs(rows, ROWS) {
        let part = from_raw_parts_mut(sums.add(rows + run.start / ROWS * cols), cols);
        part.fill(0.0);
        for row in run {
            *sums.add(row) = stored!(dtype, add_row(weight, row * cols, part));
        }
    }
}

unsafe fn add_row<T: Stored>(weight: *const u8, first: usize, part: &mut [f64]) -> f64 {
    let mut sum = 0.0;
    for (j, four) in part.chunks_mut(4).enumerate() {
        let w = load::<T>(weight, first + j * 4, four.len());
        for (column, w) in four.iter_mut().zip(w) {
            *column += w as f64;
            sum += w as f64;
        }
    }
    sum
}

#[inline(always)]
unsafe fn load<T: Stored>(weight: *const u8, at: usize, n: usize) -> [f32; 4] {
    if n == 4 { T::load(weight, at) } else { T::load_some(weight, at, n) }.abs().to_array()
}

/// Scores of a weight whose sums are known; `statistic` is 1 x cols.
#[wasm_bindgen]
pub unsafe fn relative(
    team: *const Team,
    weight: *const u8,
    dtype: u32,
    rows: usize,
    cols: usize,
    statistic: *const f32,
    sums: *const f64,
    out: *mut f32,
) {
    let mut columns = [0f64; COLS];
    let mut scale = [0f64; COLS];
    for run in (*team).runs(cols, COLS) {
        for (i, j) in run.clone().enumerate() {
            columns[i] = inverse((0..rows.div_ceil(ROWS)).map(|part| *sums.add(rows + part * cols + j)).sum());
            scale[i] = (*statistic.add(j) as f64).sqrt().sqrt();
        }
        let of = (&columns[..run.len()], &scale[..run.len()]);
        for row in 0..rows {
            let at = row * cols + run.start;
            stored!(dtype, score_run(weight, at, inverse(*sums.add(row)), of, out.add(at)));
        }
    }
}

fn inverse(sum: f64) -> f64 {
    if sum == 0.0 {
        0.0
    } else {
        1.0 / sum
    }
}

unsafe fn score_run<T: Stored>(
    weight: *const u8,
    at: usize,
    row: f64,
    (columns, scale): (&[f64], &[f64]),
    out: *mut f32,
) {
    for j in (0..columns.len()).step_by(4) {
        let some = (columns.len() - j).min(4);
        for (k, w) in load::<T>(weight, at + j, some).into_iter().take(some).enumerate() {
            *out.add(j + k) = (w as f64 * (row + columns[j + k]) * scale[j + k]) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;

    #[test]
    fn scores_are_the_formula_and_zero_where_nothing_is_left() {
        let (rows, cols) = (67, 133);
        let mut weight = numbers(rows * cols, 1);
        weight[..cols].fill(0.0);
        (0..rows).for_each(|i| weight[i * cols + 5] = 0.0);
        let statistic: Vec<f32> = numbers(cols, 2).iter().map(|x| x.abs()).collect();
        let mut out = vec![f32::NAN; rows * cols];
        let mut sums = vec![f64::NAN; absolute_scratch(rows, cols)];
        let (w, t, s, o) = (weight.as_ptr() as *const u8, statistic.as_ptr(), sums.as_mut_ptr(), out.as_mut_ptr());
        unsafe {
            alone(|team| absolute_parts(team, w, 0, rows, cols, s));
            alone(|team| relative(team, w, 0, rows, cols, t, s, o));
        }
        let sum = |at: &mut dyn Iterator<Item = usize>| inverse(at.map(|i| weight[i].abs() as f64).sum());
        for i in 0..rows {
            let row = sum(&mut (i * cols..(i + 1) * cols));
            for j in 0..cols {
                let column = sum(&mut (j..rows * cols).step_by(cols));
                let expected = weight[i * cols + j].abs() as f64 * (row + column) * (statistic[j] as f64).powf(0.25);
                assert!((out[i * cols + j] as f64 - expected).abs() <= 2f64.powi(-23) * expected);
            }
        }
    }
}
