//! Weighted rows added to some rows of another matrix: what an expert gives for the tokens that were routed to it.

use crate::simd::F32x4;
use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Rows of a chunk.
const CHUNK: usize = 16;

/// `out[rows[i]] += weights[i] * x[i]`, `count` rows of `cols` numbers, all different in `out`.
#[wasm_bindgen]
pub unsafe fn add_rows(
    team: *const Team,
    x: *const f32,
    count: usize,
    cols: usize,
    rows: *const u32,
    weights: *const f32,
    out: *mut f32,
) {
    for run in (*team).runs(count, CHUNK) {
        for i in run {
            let (x, out, weight) = (x.add(i * cols), out.add(*rows.add(i) as usize * cols), *weights.add(i));
            let whole = cols & !3;
            for j in (0..whole).step_by(4) {
                let to = out.add(j);
                F32x4::load(to).add(F32x4::load(x.add(j)).mul(F32x4::splat(weight))).store(to);
            }
            for j in whole..cols {
                *out.add(j) += weight * *x.add(j);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::team::alone;

    #[test]
    fn rows_are_weighted_and_others_stay() {
        let x: Vec<f32> = (0..10).map(|i| i as f32).collect();
        let (rows, weights) = ([2u32, 0], [2f32, -1.0]);
        let mut out = [1f32; 15];
        let (p, r, w, o) = (x.as_ptr(), rows.as_ptr(), weights.as_ptr(), out.as_mut_ptr());
        unsafe { alone(|team| add_rows(team, p, 2, 5, r, w, o)) }
        assert_eq!(out[..5], [-4.0, -5.0, -6.0, -7.0, -8.0]);
        assert_eq!(out[5..10], [1.0; 5]);
        assert_eq!(out[10..], [1.0, 3.0, 5.0, 7.0, 9.0]);
    }
}
