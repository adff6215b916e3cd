//! Linear combinations of matrices of one shape, whose coefficients may differ for what a mask keeps and what it removes,
//! and whose columns may be scaled: the elementwise part of weight updates, each number read once.

use crate::dtype::Stored;
use crate::lanes::{lanes, words};
use crate::simd::{F32x4, U32x4};
use crate::stored;
use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Numbers of a chunk, about.
const CHUNK: usize = 16384;
/// Columns that stay in the first-level cache while every term is added: whole words of a mask.
const COLS: usize = 512;

/// `out = (a + b) + c`, each term times its coefficient for what is kept or removed, and times its columns (1 x cols), if it has
/// any. Terms b and c may be null, as may the mask (all is kept). a may be out, in f32.
#[wasm_bindgen]
pub unsafe fn combine(
    team: *const Team,
    rows: usize,
    cols: usize,
    a: *const u8,
    a_dtype: u32,
    a_kept: f32,
    a_removed: f32,
    a_columns: *const f32,
    b: *const u8,
    b_dtype: u32,
    b_kept: f32,
    b_removed: f32,
    b_columns: *const f32,
    c: *const u8,
    c_dtype: u32,
    c_kept: f32,
    c_removed: f32,
    c_columns: *const f32,
    mask: *const u32,
    out: *mut f32,
) {
    for row in (*team).runs(rows, CHUNK.div_ceil(cols)).flatten() {
        for first in (0..cols).step_by(COLS) {
            let (at, n) = (row * cols + first, COLS.min(cols - first));
            let bits = if mask.is_null() { mask } else { words(mask, row, cols).as_ptr().add(first / 32) };
            let part = Part { at, n, bits, out: out.add(at) };
            let from = |columns: *const f32| if columns.is_null() { columns } else { columns.add(first) };
            let of = |x, kept, removed, columns| Term { x, kept, removed, columns: from(columns) };
            stored!(a_dtype, add(&part, &of(a, a_kept, a_removed, a_columns), true));
            if !b.is_null() {
                stored!(b_dtype, add(&part, &of(b, b_kept, b_removed, b_columns), false));
            }
            if !c.is_null() {
                stored!(c_dtype, add(&part, &of(c, c_kept, c_removed, c_columns), false));
            }
        }
    }
}

/// Neighbouring numbers of a row.
struct Part {
    /// The first, in the matrices.
    at: usize,
    n: usize,
    /// Of the mask, or null.
    bits: *const u32,
    out: *mut f32,
}

/// A matrix, what it is multiplied by, and what these columns of it are, or null.
struct Term {
    x: *const u8,
    kept: f32,
    removed: f32,
    columns: *const f32,
}

/// Adds a term, or begins with it.
#[inline(always)]
unsafe fn add<T: Stored>(&Part { at, n, bits, out }: &Part, term: &Term, first: bool) {
    let (x, columns) = (term.x, term.columns);
    let (kept, removed) = (F32x4::splat(term.kept), F32x4::splat(term.removed));
    let factor = |j: usize| {
        let gone = if bits.is_null() { U32x4::splat(0) } else { lanes(bits, j) };
        removed.bits().and(gone).or(kept.bits().without(gone)).floats()
    };
    let whole = n & !3;
    for j in (0..whole).step_by(4) {
        let x = T::load(x, at + j);
        let sum = match (columns.is_null(), first) {
            (true, true) => x.mul(factor(j)),
            (true, false) => x.madd(factor(j), F32x4::load(out.add(j))),
            // The term is rounded by itself: what is equal to it is nothing apart.
            (false, true) => x.mul(factor(j)).mul(F32x4::load(columns.add(j))),
            (false, false) => x.mul(factor(j)).mul(F32x4::load(columns.add(j))).add(F32x4::load(out.add(j))),
        };
        sum.store(out.add(j));
    }
    if whole < n {
        let (last, factor) = (T::load_some(x, at + whole, n - whole).to_array(), factor(whole).to_array());
        for j in whole..n {
            let by = if columns.is_null() { 1.0 } else { *columns.add(j) };
            let product = last[j - whole] * factor[j - whole] * by;
            *out.add(j) = if first { product } else { product + *out.add(j) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;
    use core::ptr::null;

    #[test]
    fn every_term_has_its_coefficient_for_what_is_kept_and_what_is_removed() {
        let (rows, cols) = (5, 519);
        let (x, y, z) = (numbers(rows * cols, 1), numbers(rows * cols, 2), numbers(rows * cols, 3));
        let columns = numbers(cols, 4);
        let words = cols.div_ceil(32);
        let mask: Vec<u32> = numbers(rows * words, 5).iter().map(|x| x.to_bits().wrapping_mul(2_654_435_761)).collect();
        let (mut out, mut plain) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
        let mut in_place = x.clone();
        let of = |x: &[f32]| x.as_ptr() as *const u8;
        let (m, c, no) = (mask.as_ptr(), columns.as_ptr(), null());
        // b is what no column counts for.
        let three = |x: *const u8, to: *mut f32| unsafe {
            alone(|team| {
                combine(team, rows, cols, x, 0, 1.0, -2.0, c, of(&y), 0, -1.0, 0.0, no, of(&z), 0, 0.5, 3.0, c, m, to)
            })
        };
        three(of(&x), out.as_mut_ptr());
        three(of(&in_place), in_place.as_mut_ptr());
        let to = plain.as_mut_ptr();
        unsafe {
            alone(|team| {
                combine(
                    team,
                    rows,
                    cols,
                    of(&x),
                    0,
                    3.0,
                    7.0,
                    no,
                    null(),
                    0,
                    0.0,
                    0.0,
                    no,
                    null(),
                    0,
                    0.0,
                    0.0,
                    no,
                    null(),
                    to,
                )
            })
        }
        for i in 0..rows * cols {
            let (row, col) = (i / cols, i % cols);
            let gone = mask[row * words + col / 32] >> (col % 32) & 1 == 1;
            let (a, b, c) = if gone { (-2.0, 0.0, 3.0) } else { (1.0, -1.0, 0.5) };
            let scale = columns[col] as f64;
            let terms = [a * x[i] as f64 * scale, b * y[i] as f64, c * z[i] as f64 * scale];
            let size: f64 = terms.iter().map(|term| term.abs()).sum();
            let expected: f64 = terms.iter().sum();
            // A rounding for every product and sum.
            assert!((out[i] as f64 - expected).abs() <= 4.0 * 2f64.powi(-24) * size, "[{row}, {col}]: {}", out[i]);
            assert_eq!(in_place[i].to_bits(), out[i].to_bits());
            assert_eq!(plain[i], 3.0 * x[i]);
        }
    }
}
