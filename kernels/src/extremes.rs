//! Where the line between removed and kept magnitudes lies in every row: the greatest of those that a mask removes, and the
//! least and the greatest of those that it keeps.

use crate::dtype::Stored;
use crate::lanes::{first, lanes, words};
use crate::simd::{F32x4, U32x4};
use crate::stored;
use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Numbers of a chunk, about.
const CHUNK: usize = 32768;
/// The greatest of no numbers: below every magnitude.
const NONE: f32 = -1.0;

/// `out` (rows x 3) of the magnitudes of `values` (rows x cols, finite): -1 for the greatest of none, infinity for the
/// least.
#[wasm_bindgen]
pub unsafe fn extremes(
    team: *const Team,
    values: *const u8,
    dtype: u32,
    rows: usize,
    cols: usize,
    mask: *const u32,
    out: *mut f32,
) {
    for row in (*team).runs(rows, CHUNK.div_ceil(cols)).flatten() {
        let mask = words(mask, row, cols);
        stored!(dtype, of_row(values, row * cols, cols, mask, out.add(row * 3)));
    }
}

unsafe fn of_row<T: Stored>(values: *const u8, at: usize, cols: usize, mask: &[u32], out: *mut f32) {
    let (none, infinity) = (F32x4::splat(NONE).bits(), F32x4::splat(f32::INFINITY).bits());
    let (mut most, mut least, mut greatest) = (none.floats(), infinity.floats(), none.floats());
    let mut take = |x: F32x4, removed: U32x4, there: U32x4| {
        let bits = x.abs().bits();
        let kept = there.without(removed);
        most = most.max(removed.and(bits).or(none.without(removed)).floats());
        least = least.min(kept.and(bits).or(infinity.without(kept)).floats());
        greatest = greatest.max(kept.and(bits).or(none.without(kept)).floats());
    };
    let whole = cols & !3;
    for j in (0..whole).step_by(4) {
        take(T::load(values, at + j), lanes(mask.as_ptr(), j), U32x4::splat(u32::MAX));
    }
    if whole < cols {
        let some = cols - whole;
        take(T::load_some(values, at + whole, some), lanes(mask.as_ptr(), whole), first(some));
    }
    *out = most.to_array().into_iter().fold(NONE, f32::max);
    *out.add(1) = least.to_array().into_iter().fold(f32::INFINITY, f32::min);
    *out.add(2) = greatest.to_array().into_iter().fold(NONE, f32::max);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;

    #[test]
    fn each_row_has_its_own_line() {
        for cols in [1, 4, 7, 32, 67] {
            let rows = 4;
            let values = numbers(rows * cols, 5);
            // Nothing, everything, and every third.
            let removes = |row: usize, col: usize| row == 1 || row > 1 && (row + col).is_multiple_of(3);
            let words = cols.div_ceil(32);
            let mut mask = vec![0u32; rows * words];
            for at in 0..rows * cols {
                mask[at / cols * words + at % cols / 32] |= (removes(at / cols, at % cols) as u32) << (at % cols % 32);
            }
            let mut out = vec![f32::NAN; rows * 3];
            let (v, m, o) = (values.as_ptr() as *const u8, mask.as_ptr(), out.as_mut_ptr());
            unsafe { alone(|team| extremes(team, v, 0, rows, cols, m, o)) }
            for row in 0..rows {
                let of = |removed: bool| {
                    let values = &values[row * cols..(row + 1) * cols];
                    values
                        .iter()
                        .enumerate()
                        .filter(move |(col, _)| removes(row, *col) == removed)
                        .map(|(_, x)| x.abs())
                };
                let expected = [
                    of(true).fold(-1.0, f32::max),
                    of(false).fold(f32::INFINITY, f32::min),
                    of(false).fold(-1.0, f32::max),
                ];
                assert_eq!(out[row * 3..row * 3 + 3], expected, "row {row} of {cols}");
            }
        }
    }
}
