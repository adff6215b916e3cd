//! What a change of a weight costs: `tr(D S Dᵀ)` of the difference D (rows x n) of two weights and the second moment S of
//! the inputs. It is the inner product of `DᵀD` and S, both symmetric: half a product's work (`gram.rs`), and DᵀD never
//! exists whole. Rows come in runs:
//!
//! ```text
//!   difference    before - after of a run, in f32
//!   pack_gram     its strips
//!   add_moment    f64 sums over each block of DᵀD times its block of S         a chunk = a block of 64 x 64
//!   total         all those sums, in their order                              once
//! ```
//!
//! A moment that is only a diagonal needs no product: `add_diagonal` sums `D² S` over columns.

use crate::dot::{dot, total_of};
use crate::dtype::{widen, Stored};
use crate::gram::{products, BLOCK};
use crate::simd::{F32x4, F64x2};
use crate::stored;
use crate::team::Team;
use core::slice::from_raw_parts;
use wasm_bindgen::prelude::wasm_bindgen;

/// Rows of a chunk.
const ROWS: usize = 8;

/// `out = before - after`, rows `first..first + rows` of weights with `cols` columns; without `after` (null) `before`.
#[wasm_bindgen]
pub unsafe fn difference(
    team: *const Team,
    before: *const u8,
    before_dtype: u32,
    after: *const u8,
    after_dtype: u32,
    first: usize,
    rows: usize,
    cols: usize,
    out: *mut f32,
) {
    for row in (*team).runs(rows, ROWS).flatten() {
        let (from, to) = ((first + row) * cols, out.add(row * cols));
        stored!(before_dtype, copy(before, from, cols, to));
        if !after.is_null() {
            stored!(after_dtype, subtract(after, from, cols, to));
        }
    }
}

unsafe fn copy<T: Stored>(weight: *const u8, first: usize, n: usize, to: *mut f32) {
    widen::<T>(weight.add(first * T::BYTES), n, to);
}

unsafe fn subtract<T: Stored>(weight: *const u8, first: usize, n: usize, to: *mut f32) {
    let whole = n & !3;
    for j in (0..whole).step_by(4) {
        F32x4::load(to.add(j)).sub(T::load(weight, first + j)).store(to.add(j));
    }
    if whole < n {
        let last = T::load_some(weight, first + whole, n - whole).to_array();
        (whole..n).for_each(|j| *to.add(j) -= last[j - whole]);
    }
}

/// Adds to the sum of every block what a packed run of `rows` rows gives: `moment` is n x n.
#[wasm_bindgen]
pub unsafe fn add_moment(
    team: *const Team,
    strips: *mut f32,
    rows: usize,
    n: usize,
    moment: *const f32,
    sums: *mut f64,
) {
    products(&*team, strips, rows, n, |block| {
        let mut sum = 0.0;
        for i in 0..block.rows {
            let first = block.first(i);
            let product = &block.numbers[i * BLOCK + first..i * BLOCK + block.cols];
            let at = (block.row + i) * n + block.col + first;
            // A number off the diagonal stands for its mirror image too.
            sum += 2.0 * dot(product, from_raw_parts(moment.add(at), product.len()));
            if block.row == block.col {
                sum -= product[0] as f64 * *moment.add(at) as f64;
            }
        }
        *sums.add(block.chunk) += sum;
    });
}

/// Columns of a sum of [`add_diagonal`].
const COLS: usize = 64;

/// How many sums [`add_diagonal`] has.
#[wasm_bindgen]
pub fn diagonal_sums(n: usize) -> usize {
    n.div_ceil(COLS)
}

/// Adds to the sum of every 64 columns what a run of rows gives: `moment` is 1 x n.
#[wasm_bindgen]
pub unsafe fn add_diagonal(
    team: *const Team,
    d: *const f32,
    rows: usize,
    n: usize,
    moment: *const f32,
    sums: *mut f64,
) {
    for run in (*team).runs(n, COLS) {
        let moment = from_raw_parts(moment.add(run.start), run.len());
        for row in 0..rows {
            let d = from_raw_parts(d.add(row * n + run.start), run.len());
            let zero = F64x2::splat(0.0);
            *sums.add(run.start / COLS) += total_of(d, moment, |d, s, sum| d.madd(d, zero).madd(s, sum));
        }
    }
}

/// The sum of `count` sums, rounded once.
#[wasm_bindgen]
pub unsafe fn total(team: *const Team, sums: *const f64, count: usize, out: *mut f32) {
    for _ in (*team).chunks(1) {
        *out = from_raw_parts(sums, count).iter().sum::<f64>() as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gram::{gram_blocks, gram_scratch, pack_gram};
    use crate::oracle::numbers;
    use crate::team::alone;

    #[test]
    fn the_error_is_the_trace_of_the_difference_on_the_moment() {
        for (rows, n) in [(1, 1), (3, 7), (20, 64), (9, 131)] {
            let (before, after) = (numbers(rows * n, 1), numbers(rows * n, 2));
            let half = numbers(n * n, 3);
            let moment: Vec<f32> = (0..n * n).map(|i| half[i] + half[i % n * n + i / n]).collect();
            let mut d = vec![0f32; rows * n];
            let mut strips = vec![0f32; gram_scratch(rows, n)];
            let mut sums = vec![0f64; gram_blocks(n)];
            let mut diagonal = vec![0f64; diagonal_sums(n)];
            let mut out = [f32::NAN; 2];
            let (b, a, to) = (before.as_ptr() as *const u8, after.as_ptr() as *const u8, d.as_mut_ptr());
            let (m, t, s, g) = (moment.as_ptr(), strips.as_mut_ptr(), sums.as_mut_ptr(), diagonal.as_mut_ptr());
            let (first, second) = out.split_at_mut(1);
            unsafe {
                alone(|team| difference(team, b, 0, a, 0, 0, rows, n, to));
                alone(|team| pack_gram(team, to, rows, n, t));
                alone(|team| add_moment(team, t, rows, n, m, s));
                alone(|team| total(team, s, gram_blocks(n), first.as_mut_ptr()));
                alone(|team| add_diagonal(team, to, rows, n, m, g));
                alone(|team| total(team, g, diagonal_sums(n), second.as_mut_ptr()));
            }
            let (mut full, mut size, mut only) = (0.0, 0.0, 0.0);
            for row in d.chunks(n) {
                for j in 0..n {
                    only += (row[j] as f64).powi(2) * moment[j] as f64;
                    for k in 0..n {
                        let term = row[j] as f64 * moment[j * n + k] as f64 * row[k] as f64;
                        full += term;
                        size += term.abs();
                    }
                }
            }
            // The products over the rows are f32, the rest is not.
            let bound = (rows + 2) as f64 * 2f64.powi(-24) * size;
            assert!((out[0] as f64 - full).abs() <= bound, "{} is not {full}", out[0]);
            assert!((out[1] as f64 - only).abs() <= 2f64.powi(-23) * only.abs(), "{} is not {only}", out[1]);
        }
    }
}
