//! How many weights a mask removes in each cell of a grid over the matrix.

use crate::team::Team;
use core::slice::from_raw_parts;
use wasm_bindgen::prelude::wasm_bindgen;

/// Counts of a mask (rows x cols) in `down` x `across` cells, which cover whole rows and columns: cell `i` of `n` those
/// from `i * rows / n` to `(i + 1) * rows / n`.
#[wasm_bindgen]
pub unsafe fn density(
    team: *const Team,
    mask: *const u32,
    rows: usize,
    cols: usize,
    down: usize,
    across: usize,
    out: *mut f32,
) {
    let words = cols.div_ceil(32);
    for cell in (*team).chunks(down) {
        let rows = edge(cell, rows, down)..edge(cell + 1, rows, down);
        let mask = from_raw_parts(mask.add(rows.start * words), rows.len() * words);
        for part in 0..across {
            let (first, end) = (edge(part, cols, across), edge(part + 1, cols, across));
            let removed: u32 = mask.chunks_exact(words).map(|row| count(row, first, end)).sum();
            *out.add(cell * across + part) = removed as f32;
        }
    }
}

fn edge(cell: usize, size: usize, cells: usize) -> usize {
    (cell as u64 * size as u64 / cells as u64) as usize
}

/// The bits `first..end` of a row that are 1.
fn count(row: &[u32], first: usize, end: usize) -> u32 {
    let (low, high) = (first / 32, (end - 1) / 32);
    (low..=high)
        .map(|word| {
            let from = if word == low { u32::MAX << (first % 32) } else { u32::MAX };
            let to = if word == high { u32::MAX >> (31 - (end - 1) % 32) } else { u32::MAX };
            (row[word] & from & to).count_ones()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;

    #[test]
    fn every_weight_is_counted_in_its_cell() {
        for (rows, cols, down, across) in [(1usize, 1usize, 1, 1), (5, 64, 2, 2), (7, 131, 7, 64), (66, 97, 64, 5)] {
            let words = cols.div_ceil(32);
            let mask: Vec<u32> =
                numbers(rows * words, 4).iter().map(|x| x.to_bits().wrapping_mul(2_654_435_761)).collect();
            let mut out = vec![f32::NAN; down * across];
            let (m, o) = (mask.as_ptr(), out.as_mut_ptr());
            unsafe { alone(|team| density(team, m, rows, cols, down, across, o)) }
            let mut expected = vec![0f32; down * across];
            for row in 0..rows {
                for col in 0..cols {
                    let of =
                        |at: usize, size: usize, cells: usize| (0..cells).rfind(|&c| c * size / cells <= at).unwrap();
                    expected[of(row, rows, down) * across + of(col, cols, across)] +=
                        (mask[row * words + col / 32] >> (col % 32) & 1) as f32;
                }
            }
            assert_eq!(out, expected);
        }
    }
}
