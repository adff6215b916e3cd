//! Some columns of every run of columns: q, k and v out of what a fused projection gives, in any order.

use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Numbers of a chunk, about.
const CHUNK: usize = 16384;

/// Of each of `runs` runs of `period` numbers the numbers `first..first + width`.
#[wasm_bindgen]
pub unsafe fn slice(
    team: *const Team,
    x: *const f32,
    runs: usize,
    period: usize,
    first: usize,
    width: usize,
    out: *mut f32,
) {
    for chunk in (*team).runs(runs, CHUNK.div_ceil(width)) {
        for run in chunk {
            out.add(run * width).copy_from_nonoverlapping(x.add(run * period + first), width);
        }
    }
}

/// Adds dy, `runs` runs of `width` numbers, to the numbers `first..first + width` of each run of `period` numbers.
#[wasm_bindgen]
pub unsafe fn add_slice(
    team: *const Team,
    dy: *const f32,
    runs: usize,
    period: usize,
    first: usize,
    width: usize,
    out: *mut f32,
) {
    for chunk in (*team).runs(runs, CHUNK.div_ceil(width)) {
        for run in chunk {
            for i in 0..width {
                *out.add(run * period + first + i) += *dy.add(run * width + i);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::team::alone;

    #[test]
    fn a_slice_is_the_same_columns_of_every_run() {
        let x: Vec<f32> = (0..21).map(|i| i as f32).collect();
        let mut out = [-1f32; 6];
        let (p, o) = (x.as_ptr(), out.as_mut_ptr());
        unsafe { alone(|team| slice(team, p, 3, 7, 4, 2, o)) }
        assert_eq!(out, [4.0, 5.0, 11.0, 12.0, 18.0, 19.0]);
    }

    #[test]
    fn what_a_slice_was_made_of_is_added_to() {
        let dy: Vec<f32> = (0..6).map(|i| i as f32).collect();
        let mut out = [1f32; 21];
        let (p, o) = (dy.as_ptr(), out.as_mut_ptr());
        unsafe { alone(|team| add_slice(team, p, 3, 7, 4, 2, o)) }
        for (i, &x) in out.iter().enumerate() {
            let (run, at) = (i / 7, i % 7);
            assert_eq!(x, if at == 4 || at == 5 { 1.0 + (run * 2 + at - 4) as f32 } else { 1.0 });
        }
    }
}
