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
}
