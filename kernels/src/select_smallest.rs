//! The smallest scores of short groups: some whole rows together, or each column on its own. A worker takes a group and
//! looks at it as often as it must; it stays in the worker's cache. Longer groups: `select_long.rs`.

use crate::cut::Cut;
use crate::team::Team;
use core::slice::{from_raw_parts, from_raw_parts_mut};
use wasm_bindgen::prelude::wasm_bindgen;

/// Every run of `group` rows on its own: the `k` smallest of each fall, `last_k` of the last (which may be shorter).
#[wasm_bindgen]
pub unsafe fn select_rows(
    team: *const Team,
    scores: *const u32,
    rows: usize,
    cols: usize,
    group: usize,
    k: usize,
    last_k: usize,
    whole_ties: bool,
    mask: *mut u32,
) {
    let words = cols.div_ceil(32);
    for run in (*team).runs(rows, group) {
        let k = if run.end == rows { last_k } else { k };
        let bits = from_raw_parts(scores.add(run.start * cols), run.len() * cols);
        let mask = from_raw_parts_mut(mask.add(run.start * words), run.len() * words);
        let mut cut = Cut::find(bits, k, whole_ties);
        for (row, words) in bits.chunks(cols).zip(mask.chunks_mut(words)) {
            cut.mark(row, words);
        }
    }
}

/// Columns of a chunk: those that share a word of the mask.
const COLS: usize = 32;

/// u32 of scratch for each worker that [`select_columns`] needs.
#[wasm_bindgen]
pub fn columns_scratch(rows: usize) -> usize {
    COLS * rows
}

/// Every column on its own: the `k` smallest fall.
#[wasm_bindgen]
pub unsafe fn select_columns(
    team: *const Team,
    scores: *const u32,
    rows: usize,
    cols: usize,
    k: usize,
    whole_ties: bool,
    mask: *mut u32,
    scratch: *mut u32,
) {
    let team = &*team;
    let words = cols.div_ceil(32);
    let own = from_raw_parts_mut(scratch.add(team.worker * COLS * rows), COLS * rows);
    for run in team.runs(cols, COLS) {
        for row in 0..rows {
            for (j, col) in run.clone().enumerate() {
                own[j * rows + row] = *scores.add(row * cols + col);
            }
        }
        let mut cuts = [Cut { at: 0, ties: 0 }; COLS];
        for (cut, column) in cuts.iter_mut().zip(own.chunks(rows)).take(run.len()) {
            *cut = Cut::find(column, k, whole_ties);
        }
        for row in 0..rows {
            let taken = (0..run.len()).map(|j| (cuts[j].takes(own[j * rows + row]) as u32) << j);
            *mask.add(row * words + run.start / 32) = taken.sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;

    #[test]
    fn a_column_is_a_row_of_the_transposed_matrix() {
        let (rows, cols) = (37, 45);
        let scores: Vec<u32> = numbers(rows * cols, 1).iter().map(|x| (x * 9.0).floor().to_bits()).collect();
        let transposed: Vec<u32> = (0..rows * cols).map(|i| scores[i % rows * cols + i / rows]).collect();
        let mut columns = vec![0u32; rows * 2];
        let mut as_rows = vec![0u32; cols * 2];
        let mut scratch = vec![0u32; COLS * rows];
        let (s, t) = (scores.as_ptr(), transposed.as_ptr());
        let (c, r, own) = (columns.as_mut_ptr(), as_rows.as_mut_ptr(), scratch.as_mut_ptr());
        for whole_ties in [false, true] {
            unsafe {
                alone(|team| select_columns(team, s, rows, cols, 17, whole_ties, c, own));
                alone(|team| select_rows(team, t, cols, rows, 1, 17, 17, whole_ties, r));
            }
            for row in 0..rows {
                for col in 0..cols {
                    let by_column = columns[row * 2 + col / 32] >> (col % 32) & 1;
                    assert_eq!(by_column, as_rows[col * 2 + row / 32] >> (row % 32) & 1);
                }
            }
        }
    }
}
