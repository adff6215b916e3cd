//! Sums over the rows of a matrix, added to a row of f32: the gradient by a bias.

use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Columns of a chunk: of each row four cache lines.
const CHUNK: usize = 64;

/// Adds the sums of the columns of x, rows x cols, to `out`. Sums are f64.
#[wasm_bindgen]
pub unsafe fn add_column_sums(team: *const Team, x: *const f32, rows: usize, cols: usize, out: *mut f32) {
    for run in (*team).runs(cols, CHUNK) {
        let mut sums = [0f64; CHUNK];
        for row in 0..rows {
            let x = x.add(row * cols + run.start);
            for (j, sum) in sums.iter_mut().enumerate().take(run.len()) {
                *sum += *x.add(j) as f64;
            }
        }
        for (j, sum) in sums.into_iter().enumerate().take(run.len()) {
            let to = out.add(run.start + j);
            *to = (*to as f64 + sum) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;

    #[test]
    fn every_column_is_added_once() {
        let (rows, cols) = (7, 131);
        let (x, before) = (numbers(rows * cols, 1), numbers(cols, 2));
        let mut out = before.clone();
        let (p, o) = (x.as_ptr(), out.as_mut_ptr());
        unsafe { alone(|team| add_column_sums(team, p, rows, cols, o)) }
        for j in 0..cols {
            let sum = (0..rows).map(|i| x[i * cols + j] as f64).sum::<f64>() + before[j] as f64;
            assert_eq!(out[j], sum as f32);
        }
    }
}
