//! Rows of an embedding for token ids, from a slice of its table.

use crate::dtype::{widen, Stored};
use crate::stored;
use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Tokens of a chunk.
const CHUNK: usize = 16;

/// Row `t` of `out` becomes row `ids[t] - first` of the table, if the table's `rows` have it.
#[wasm_bindgen]
pub unsafe fn embed(
    team: *const Team,
    ids: *const u32,
    tokens: usize,
    table: *const u8,
    dtype: u32,
    first: usize,
    rows: usize,
    cols: usize,
    out: *mut f32,
) {
    for run in (*team).runs(tokens, CHUNK) {
        for token in run {
            let row = (*ids.add(token) as usize).wrapping_sub(first);
            if row < rows {
                stored!(dtype, copy(table, row, cols, out.add(token * cols)));
            }
        }
    }
}

unsafe fn copy<T: Stored>(table: *const u8, row: usize, cols: usize, out: *mut f32) {
    widen::<T>(table.add(row * cols * T::BYTES), cols, out);
}

/// Adds rows of dy to the rows of `out` that they were copied from: row `own[g]` of `out` gets the rows of dy that `tokens`
/// names from `starts[g]` to `starts[g + 1]`, in that order.
#[wasm_bindgen]
pub unsafe fn embed_backward(
    team: *const Team,
    dy: *const f32,
    cols: usize,
    own: *const u32,
    groups: usize,
    starts: *const u32,
    tokens: *const u32,
    out: *mut f32,
) {
    for run in (*team).runs(groups, CHUNK) {
        for group in run {
            let out = out.add(*own.add(group) as usize * cols);
            for i in *starts.add(group)..*starts.add(group + 1) {
                let dy = dy.add(*tokens.add(i as usize) as usize * cols);
                for j in 0..cols {
                    *out.add(j) += *dy.add(j);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::team::alone;

    #[test]
    fn only_rows_that_the_slice_has_are_written() {
        let table: Vec<f32> = (0..10).map(|i| i as f32).collect();
        let ids = [4u32, 9, 3, 0];
        let mut out = [-1f32; 20];
        let (i, t, o) = (ids.as_ptr(), table.as_ptr() as *const u8, out.as_mut_ptr());
        unsafe { alone(|team| embed(team, i, 4, t, 0, 3, 2, 5, o)) }
        assert_eq!(out[..5], [5.0, 6.0, 7.0, 8.0, 9.0]);
        assert_eq!(out[5..10], [-1.0; 5]);
        assert_eq!(out[10..15], [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(out[15..], [-1.0; 5]);
    }

    #[test]
    fn a_row_that_was_copied_twice_gets_both_gradients() {
        let dy = [1f32, 2.0, 10.0, 20.0, 100.0, 200.0];
        let (own, starts, tokens) = ([2u32, 0], [0u32, 2, 3], [0u32, 2, 1]);
        let mut out = [0.5f32; 6];
        let (d, r, s, t, o) = (dy.as_ptr(), own.as_ptr(), starts.as_ptr(), tokens.as_ptr(), out.as_mut_ptr());
        unsafe { alone(|team| embed_backward(team, d, 2, r, 2, s, t, o)) }
        assert_eq!(out, [10.5, 20.5, 0.5, 0.5, 101.5, 202.5]);
    }
}
