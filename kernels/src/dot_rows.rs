//! The sum over the columns of the product of two matrices: what a factor of each row has to do with a loss.

use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Rows of a chunk.
const CHUNK: usize = 16;

/// `out[i] = Σ_j x[i, j] y[i, j]`. Sums are f64.
#[wasm_bindgen]
pub unsafe fn dot_rows(team: *const Team, x: *const f32, y: *const f32, rows: usize, cols: usize, out: *mut f32) {
    for run in (*team).runs(rows, CHUNK) {
        for row in run {
            let (x, y) = (x.add(row * cols), y.add(row * cols));
            *out.add(row) = (0..cols).map(|j| *x.add(j) as f64 * *y.add(j) as f64).sum::<f64>() as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::team::alone;

    #[test]
    fn rows_are_multiplied_with_their_own() {
        let (x, y) = ([1f32, 2.0, 3.0, 4.0], [5f32, 6.0, 7.0, 8.0]);
        let mut out = [0f32; 2];
        let (a, b, o) = (x.as_ptr(), y.as_ptr(), out.as_mut_ptr());
        unsafe { alone(|team| dot_rows(team, a, b, 2, 2, o)) }
        assert_eq!(out, [17.0, 53.0]);
    }
}
