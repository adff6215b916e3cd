//! Which weights are zero, of either sign: a mask, as what a pruned weight shows by itself.

use crate::dtype::Stored;
use crate::simd::{F32x4, U32x4};
use crate::stored;
use crate::team::Team;
use core::slice::from_raw_parts_mut;
use wasm_bindgen::prelude::wasm_bindgen;

/// Numbers of a chunk, about.
const CHUNK: usize = 32768;

/// The mask of a weight (rows x cols): bit 1 for every zero.
#[wasm_bindgen]
pub unsafe fn zeros(team: *const Team, weight: *const u8, dtype: u32, rows: usize, cols: usize, mask: *mut u32) {
    let words = cols.div_ceil(32);
    for row in (*team).runs(rows, CHUNK.div_ceil(cols)).flatten() {
        stored!(dtype, of_row(weight, row * cols, cols, from_raw_parts_mut(mask.add(row * words), words)));
    }
}

unsafe fn of_row<T: Stored>(weight: *const u8, at: usize, cols: usize, mask: &mut [u32]) {
    // Compared as bits: whatever is not zero in its dtype is not zero in f32.
    let zeros = |x: F32x4| x.abs().bits().equal(U32x4::splat(0)).sign_bits();
    for (word, first) in mask.iter_mut().zip((0..cols).step_by(32)) {
        let n = (cols - first).min(32);
        *word = (0..n & !3).step_by(4).fold(0, |bits, j| bits | zeros(T::load(weight, at + first + j)) << j);
        let done = n & !3;
        if done < n {
            let last = zeros(T::load_some(weight, at + first + done, n - done)) & ((1 << (n - done)) - 1);
            *word |= last << done;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::team::alone;

    #[test]
    fn zeros_of_either_sign_are_marked_and_nothing_behind_a_row() {
        let (rows, cols) = (3, 67);
        let wide: Vec<u32> =
            (0..rows as u32 * cols as u32).map(|i| [0, 0x8000_0000, 1, 0x8000_0001][i as usize % 4]).collect();
        let narrow: Vec<u16> = wide.iter().map(|x| (x >> 16 | x & 1) as u16).collect();
        for (weight, dtype) in [(wide.as_ptr() as *const u8, 0), (narrow.as_ptr() as *const u8, 1)] {
            let mut mask = [u32::MAX; 9];
            let m = mask.as_mut_ptr();
            unsafe { alone(|team| zeros(team, weight, dtype, rows, cols, m)) }
            for row in 0..rows {
                for bit in 0..96 {
                    let found = mask[row * 3 + bit / 32] >> (bit % 32) & 1;
                    assert_eq!(found == 1, bit < cols && wide[row * cols + bit] << 1 == 0, "row {row}, column {bit}");
                }
            }
        }
    }
}
