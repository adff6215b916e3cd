//! Column sums of squares that do not lose precision as calibration grows: computed in f64, kept as two f32 whose sum
//! is the value (`sums` is 2 x cols: the high part, then what it lost), 48 bits in all.
//!
//! Squares are added up in two commands, so that x is read as it lies and the order of the additions is fixed:
//!
//! ```text
//!   square_parts   64 rows of x ──▶ one row of f64 column sums     a chunk = 64 rows
//!   add_parts      all those rows, in order ──▶ sums               a chunk = 32 columns
//! ```

use crate::team::Team;
use core::slice::{from_raw_parts, from_raw_parts_mut};
use wasm_bindgen::prelude::wasm_bindgen;

/// Rows of a part: a few hundred kilobytes that are read once, in their order.
const ROWS: usize = 64;
/// Rows that are added up before a column's sum is touched.
const AT_ONCE: usize = 4;
/// Columns of a chunk where all parts are there.
const COLS: usize = 32;
/// Numbers of a chunk where each stands alone: 64 KiB of either part.
const RUN: usize = 16384;

unsafe fn get(sums: *const f32, cols: usize, j: usize) -> f64 {
    *sums.add(j) as f64 + *sums.add(cols + j) as f64
}

unsafe fn set(sums: *mut f32, cols: usize, j: usize, value: f64) {
    let high = value as f32;
    *sums.add(j) = high;
    *sums.add(cols + j) = (value - high as f64) as f32;
}

/// f64 of scratch for [`square_parts`].
#[wasm_bindgen]
pub fn square_scratch(rows: usize, cols: usize) -> usize {
    rows.div_ceil(ROWS) * cols
}

/// Of every part of the rows of x the column sums of `x²`: `parts` is ceil(rows / 64) x cols.
#[wasm_bindgen]
pub unsafe fn square_parts(team: *const Team, x: *const f32, rows: usize, cols: usize, parts: *mut f64) {
    for run in (*team).runs(rows, ROWS) {
        let sums = from_raw_parts_mut(parts.add(run.start / ROWS * cols), cols);
        sums.fill(0.0);
        let x = from_raw_parts(x.add(run.start * cols), run.len() * cols);
        let some = x.chunks_exact(AT_ONCE * cols);
        for row in some.remainder().chunks(cols) {
            sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += square(x));
        }
        for rows in some {
            let (a, rest) = rows.split_at(cols);
            let (b, rest) = rest.split_at(cols);
            let (c, d) = rest.split_at(cols);
            for ((((sum, &a), &b), &c), &d) in sums.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *sum += (square(a) + square(b)) + (square(c) + square(d));
            }
        }
    }
}

fn square(x: f32) -> f64 {
    x as f64 * x as f64
}

/// Adds the parts to `sums`, in their order.
#[wasm_bindgen]
pub unsafe fn add_parts(team: *const Team, sums: *mut f32, cols: usize, parts: *const f64, count: usize) {
    for j in (*team).runs(cols, COLS).flatten() {
        let added: f64 = (0..count).map(|part| *parts.add(part * cols + j)).sum();
        set(sums, cols, j, get(sums, cols, j) + added);
    }
}

/// `sums += other`.
#[wasm_bindgen]
pub unsafe fn merge(team: *const Team, sums: *mut f32, other: *const f32, cols: usize) {
    for j in (*team).runs(cols, RUN).flatten() {
        set(sums, cols, j, get(sums, cols, j) + get(other, cols, j));
    }
}

/// `out = scale * sums`, rounded once.
#[wasm_bindgen]
pub unsafe fn finish(team: *const Team, sums: *const f32, cols: usize, scale: f64, out: *mut f32) {
    for j in (*team).runs(cols, RUN).flatten() {
        *out.add(j) = (scale * get(sums, cols, j)) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;

    #[test]
    fn a_long_sum_of_squares_is_right_to_the_last_bit_of_an_f32() {
        let (rows, cols, times) = (131, 45, 400);
        let x = numbers(rows * cols, 1);
        let mut sums = vec![0f32; 2 * cols];
        let mut half = vec![0f32; 2 * cols];
        let mut out = vec![0f32; cols];
        let mut parts = vec![0f64; square_scratch(rows, cols)];
        let p = parts.as_mut_ptr();
        let (px, s, h, o) = (x.as_ptr(), sums.as_mut_ptr(), half.as_mut_ptr(), out.as_mut_ptr());
        unsafe {
            for _ in 0..times / 2 {
                alone(|team| square_parts(team, px, rows, cols, p));
                alone(|team| add_parts(team, s, cols, p, 3));
                alone(|team| add_parts(team, h, cols, p, 3));
            }
            alone(|team| merge(team, s, h, cols));
            alone(|team| finish(team, s, cols, 0.25, o));
        }
        for j in 0..cols {
            let sum: f64 = (0..rows).map(|t| (x[t * cols + j] as f64).powi(2)).sum();
            assert_eq!(out[j], (0.25 * times as f64 * sum) as f32);
        }
    }
}
