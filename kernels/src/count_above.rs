//! How many scores of each row are above a limit (OWL's outliers).

use crate::team::Team;
use core::slice::from_raw_parts;
use wasm_bindgen::prelude::wasm_bindgen;

/// Numbers of a chunk, about.
const CHUNK: usize = 32768;

/// `out` (rows x 1) of the scores (rows x cols).
#[wasm_bindgen]
pub unsafe fn count_above(team: *const Team, scores: *const f32, rows: usize, cols: usize, limit: f64, out: *mut f32) {
    for row in (*team).runs(rows, CHUNK.div_ceil(cols)).flatten() {
        let scores = from_raw_parts(scores.add(row * cols), cols);
        *out.add(row) = scores.iter().map(|&score| (score as f64 > limit) as u32).sum::<u32>() as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::team::alone;

    #[test]
    fn a_score_at_the_limit_is_not_above_it() {
        let scores = [0.0, 1.0, 2.0, 1.0, 1.0, 0.5f32];
        let mut out = [f32::NAN; 2];
        let (s, o) = (scores.as_ptr(), out.as_mut_ptr());
        unsafe { alone(|team| count_above(team, s, 2, 3, 1.0, o)) }
        assert_eq!(out, [1.0, 0.0]);
        unsafe { alone(|team| count_above(team, s, 2, 3, 0.99, o)) }
        assert_eq!(out, [2.0, 2.0]);
    }
}
