//! Column sums of squares that do not lose precision as calibration grows: computed in f64, kept as two f32 whose sum
//! is the value (`sums` is 2 x cols: the high part, then what it lost), 48 bits in all.

use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Columns of a chunk: two cache lines of a row, and f64 sums that stay in the first-level cache.
const CHUNK: usize = 32;

unsafe fn get(sums: *const f32, cols: usize, j: usize) -> f64 {
    *sums.add(j) as f64 + *sums.add(cols + j) as f64
}

unsafe fn set(sums: *mut f32, cols: usize, j: usize, value: f64) {
    let high = value as f32;
    *sums.add(j) = high;
    *sums.add(cols + j) = (value - high as f64) as f32;
}

/// `sums[j] += sum over the rows of x[t, j]²`.
#[wasm_bindgen]
pub unsafe fn add_squares(team: *const Team, sums: *mut f32, x: *const f32, rows: usize, cols: usize) {
    for run in (*team).runs(cols, CHUNK) {
        let mut squares = [0f64; CHUNK];
        let squares = &mut squares[..run.len()];
        for t in 0..rows {
            let row = x.add(t * cols + run.start);
            for (j, sum) in squares.iter_mut().enumerate() {
                let v = *row.add(j) as f64;
                *sum += v * v;
            }
        }
        for (j, sum) in run.zip(squares) {
            set(sums, cols, j, get(sums, cols, j) + *sum);
        }
    }
}

/// `sums += other`.
#[wasm_bindgen]
pub unsafe fn merge(team: *const Team, sums: *mut f32, other: *const f32, cols: usize) {
    for j in (*team).runs(cols, CHUNK).flatten() {
        set(sums, cols, j, get(sums, cols, j) + get(other, cols, j));
    }
}

/// `out = scale * sums`, rounded once.
#[wasm_bindgen]
pub unsafe fn finish(team: *const Team, sums: *const f32, cols: usize, scale: f64, out: *mut f32) {
    for j in (*team).runs(cols, CHUNK).flatten() {
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
        let (rows, cols, times) = (50, 45, 400);
        let x = numbers(rows * cols, 1);
        let mut sums = vec![0f32; 2 * cols];
        let mut half = vec![0f32; 2 * cols];
        let mut out = vec![0f32; cols];
        let (px, s, h, o) = (x.as_ptr(), sums.as_mut_ptr(), half.as_mut_ptr(), out.as_mut_ptr());
        unsafe {
            for _ in 0..times / 2 {
                alone(|team| add_squares(team, s, px, rows, cols));
                alone(|team| add_squares(team, h, px, rows, cols));
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
