//! The upper triangular `U` with `H⁻¹ = Uᵀ U`, in place. With `H = R Rᵀ`, R upper triangular (a Cholesky factorisation
//! that begins at the last row), `U = R⁻¹`; the inverse is taken along, so that one sweep does both: 2/3 n³ operations.
//!
//! ```text
//!            j < k            k           j > k            Before step k, what is above block row k holds
//!        ┌───────────┬──────────────┬───────────────┐        - on the left H less what R explains of it,
//!  i < k │  H - R Rᵀ │      H       │  sum of R U   │        - on the right sums of products of R and U,
//!        └───────────┼──────────────┼───────────────┤      and block row k itself becomes the last row of U:
//!    k               │      H       │  sum of R U   │        U_kk = the factor of H_kk        (pivot.rs)
//!                    └──────────────┼───────────────┤        U_kj = -U_kk (sum of R U)_kj     (panel)
//!                                   │  rows of U    │        R_ik = H_ik U_kkᵀ                (panel)
//!                                   └───────────────┘      Then all that is above, from the diagonal on, gets the
//!                                                          product of R_:k and [-R_:kᵀ | U_k:]   (update)
//! ```
//!
//! A step is two commands, panel and update. The worker that updates the diagonal block of the next step, the first
//! chunk of an update, takes its pivot at once while the others still work. Each block sees the steps in their order:
//! the bytes do not depend on the number of workers.

use crate::dtype::Single;
use crate::gemm;
use crate::pack;
use crate::pivot;
use crate::team::Team;
use crate::tile::{COLS, ROWS};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use wasm_bindgen::prelude::wasm_bindgen;

/// Rows and columns of a block: 16 KiB, a third of what a product of blocks needs in a cache; a multiple of `COLS`.
pub const BLOCK: usize = 64;
/// Rows of a chunk that copies.
const RUN: usize = 16;

/// U on its way (n x n, in the rows and columns of the result), and whether a pivot failed.
#[derive(Clone, Copy)]
struct Factor {
    u: *mut f32,
    n: usize,
    failed: *const AtomicU32,
}

impl Factor {
    unsafe fn at(self, i: usize, j: usize) -> *mut f32 {
        self.u.add(i * self.n + j)
    }
    unsafe fn failed(self) -> bool {
        (*self.failed).load(Relaxed) != 0
    }
    fn blocks(self) -> usize {
        self.n.div_ceil(BLOCK)
    }
    /// Rows and columns of block k.
    fn size(self, k: usize) -> usize {
        (self.n - k * BLOCK).min(BLOCK)
    }
    unsafe fn pivot(self, k: usize) {
        if !pivot::invert(self.at(k * BLOCK, k * BLOCK), self.size(k), self.n) {
            (*self.failed).store(1, Relaxed);
        }
    }
}

/// How many steps there are.
#[wasm_bindgen]
pub fn factor_steps(n: usize) -> usize {
    n.div_ceil(BLOCK)
}

/// f32 of scratch that all workers share: R_:k in panels of 4 rows, and [-R_:kᵀ | U_k:] in panels of 8 columns.
#[wasm_bindgen]
pub fn factor_scratch(n: usize) -> usize {
    2 * BLOCK * n.next_multiple_of(COLS)
}

/// The damped Hessian into the upper triangle of `u`, zeros below it; `dead` (1 x n) marks the zeros on its diagonal, and
/// `failed` (one u32) becomes 0.
#[wasm_bindgen]
pub unsafe fn factor_start(
    team: *const Team,
    hessian: *const f32,
    n: usize,
    damping: f64,
    u: *mut f32,
    dead: *mut f32,
    failed: *mut u32,
) {
    let alive = |j: usize| {
        let h = *hessian.add(j * n + j);
        if h == 0.0 {
            1.0
        } else {
            h as f64
        }
    };
    // Every worker adds up the diagonal for itself.
    let shift = damping * (0..n).map(alive).sum::<f64>() / n as f64;
    for run in (*team).runs(n, RUN) {
        if run.start == 0 {
            *failed = 0;
        }
        for i in run {
            let row = u.add(i * n);
            row.write_bytes(0, i);
            row.add(i).copy_from_nonoverlapping(hessian.add(i * n + i), n - i);
            *dead.add(i) = if *row.add(i) == 0.0 { 1.0 } else { 0.0 };
            *row.add(i) = (alive(i) + shift) as f32;
        }
    }
}

/// The pivot of the last block, where the sweep begins.
#[wasm_bindgen]
pub unsafe fn factor_pivot(team: *const Team, n: usize, u: *mut f32, failed: *const u32) {
    let factor = Factor { u, n, failed: failed as *const AtomicU32 };
    for _ in (*team).chunks(1) {
        factor.pivot(factor.blocks() - 1);
    }
}

/// Step `k`: finishes block row k of U and packs what the update multiplies. A chunk = a block of row or column k.
#[wasm_bindgen]
pub unsafe fn factor_panel(team: *const Team, n: usize, k: usize, u: *mut f32, failed: *const u32, scratch: *mut f32) {
    let factor = Factor { u, n, failed: failed as *const AtomicU32 };
    if factor.failed() {
        return;
    }
    let size = factor.size(k);
    let (left, right) = (scratch, scratch.add(BLOCK * n.next_multiple_of(COLS)));
    let corner = factor.at(k * BLOCK, k * BLOCK);
    let mut by_rows = [0f32; BLOCK * BLOCK]; // -U_kk as the left factor
    let mut by_cols = [0f32; BLOCK * BLOCK]; // U_kkᵀ as the right factor
    panels::<ROWS>(corner, n, size, size, by_rows.as_mut_ptr());
    panels::<COLS>(corner, n, size, size, by_cols.as_mut_ptr());
    negate(by_rows.as_mut_ptr(), BLOCK * BLOCK);
    let mut packed = [0f32; BLOCK * BLOCK];
    let mut product = [0f32; BLOCK * BLOCK];
    let whole = size.next_multiple_of(COLS);
    for b in (*team).chunks(factor.blocks()) {
        let at = b * BLOCK;
        let to = right.add(at * size);
        if b < k {
            panels::<ROWS>(factor.at(at, k * BLOCK), n, BLOCK, size, packed.as_mut_ptr());
            let (p, c, out) = (packed.as_ptr(), by_cols.as_ptr(), product.as_mut_ptr());
            gemm::product(size, p, BLOCK, c, size, whole, out, BLOCK, false);
            panels::<ROWS>(out, BLOCK, BLOCK, size, left.add(at * size));
            panels::<COLS>(out, BLOCK, BLOCK, size, to);
            negate(to, BLOCK * size);
        } else {
            let (columns, width) = (factor.at(k * BLOCK, at), factor.size(b));
            if b > k {
                strips(columns, n, width, size, packed.as_mut_ptr());
                let (p, c) = (by_rows.as_ptr(), packed.as_ptr());
                gemm::product(size, p, size, c, size, width, columns, n, false);
            }
            strips(columns, n, width, size, to);
        }
    }
}

/// Step `k`: brings all that lies above block row k up to date. A chunk = a block.
#[wasm_bindgen]
pub unsafe fn factor_update(team: *const Team, n: usize, k: usize, u: *mut f32, failed: *const u32, scratch: *mut f32) {
    let factor = Factor { u, n, failed: failed as *const AtomicU32 };
    if factor.failed() {
        return;
    }
    let (left, right) = (scratch, scratch.add(BLOCK * n.next_multiple_of(COLS)));
    let size = factor.size(k);
    for chunk in (*team).chunks(usize::MAX) {
        let Some((i, j)) = above(k, factor.blocks(), chunk) else {
            break;
        };
        let (row, col) = (i * BLOCK, j * BLOCK);
        let (a, b) = (left.add(row * size), right.add(col * size));
        gemm::product(size, a, BLOCK, b, size, factor.size(j), factor.at(row, col), n, j != k);
        if chunk == 0 {
            factor.pivot(k - 1);
        }
    }
}

/// The chunk-th block above block row k: block rows from the lowest up, each from its diagonal on.
fn above(k: usize, blocks: usize, chunk: usize) -> Option<(usize, usize)> {
    let mut left = chunk;
    for i in (0..k).rev() {
        if left < blocks - i {
            return Some((i, i + left));
        }
        left -= blocks - i;
    }
    None
}

/// Packs `rows` rows in panels of N.
unsafe fn panels<const N: usize>(from: *const f32, stride: usize, rows: usize, depth: usize, to: *mut f32) {
    for i in (0..rows).step_by(N) {
        pack::panel::<Single, N>(from as *const u8, i * stride, stride, (rows - i).min(N), depth, to.add(i * depth));
    }
}

/// Packs `cols` columns in strips.
unsafe fn strips(from: *const f32, stride: usize, cols: usize, depth: usize, to: *mut f32) {
    for j in (0..cols).step_by(COLS) {
        pack::strip::<COLS>(from.add(j), stride, (cols - j).min(COLS), depth, to.add(j * depth));
    }
}

unsafe fn negate(numbers: *mut f32, count: usize) {
    for x in core::slice::from_raw_parts_mut(numbers, count) {
        *x = -*x;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;

    /// The factor by these commands, and the dead columns; None if a pivot failed.
    fn factor(hessian: &[f32], n: usize, damping: f64) -> Option<(Vec<f32>, Vec<f32>)> {
        let (mut upper, mut dead, mut failed) = (vec![f32::NAN; n * n], vec![f32::NAN; n], 7u32);
        let mut scratch = vec![f32::NAN; factor_scratch(n)];
        let (h, u, s) = (hessian.as_ptr(), upper.as_mut_ptr(), scratch.as_mut_ptr());
        let (d, f) = (dead.as_mut_ptr(), &mut failed as *mut u32);
        unsafe {
            alone(|team| factor_start(team, h, n, damping, u, d, f));
            alone(|team| factor_pivot(team, n, u, f));
            for k in (0..factor_steps(n)).rev() {
                alone(|team| factor_panel(team, n, k, u, f, s));
                alone(|team| factor_update(team, n, k, u, f, s));
            }
        }
        (failed == 0).then_some((upper, dead))
    }

    /// The same in f64, number by number: R from the last column on, then its inverse.
    fn truth(h: &[f64], n: usize) -> Vec<f64> {
        let (mut r, mut u) = (vec![0f64; n * n], vec![0f64; n * n]);
        for j in (0..n).rev() {
            for i in (0..=j).rev() {
                let sum = h[i * n + j] - (j + 1..n).map(|k| r[i * n + k] * r[j * n + k]).sum::<f64>();
                r[i * n + j] = if i == j { sum.sqrt() } else { sum / r[j * n + j] };
            }
        }
        for j in 0..n {
            for i in (0..=j).rev() {
                let sum = (i + 1..=j).map(|k| r[i * n + k] * u[k * n + j]).sum::<f64>();
                u[i * n + j] = (if i == j { 1.0 } else { 0.0 } - sum) / r[i * n + i];
            }
        }
        u
    }

    /// The Frobenius norm of the difference over that of the truth; what is below the diagonal is nobody's.
    fn error(found: &[f32], truth: &[f64], n: usize) -> f64 {
        let upper = || (0..n * n).filter(|at| at % n >= at / n);
        let off: f64 = upper().map(|at| (found[at] as f64 - truth[at]).powi(2)).sum();
        (off / upper().map(|at| truth[at].powi(2)).sum::<f64>()).sqrt()
    }

    /// The damped Hessian, in f64.
    fn damped(h: &[f32], n: usize, damping: f64) -> Vec<f64> {
        let mut wide: Vec<f64> = h.iter().map(|&x| x as f64).collect();
        (0..n).filter(|j| h[j * n + j] == 0.0).for_each(|j| wide[j * n + j] = 1.0);
        let shift = damping * (0..n).map(|j| wide[j * n + j]).sum::<f64>() / n as f64;
        (0..n).for_each(|j| wide[j * n + j] += shift);
        wide
    }

    /// `X Xᵀ` of some numbers, n x n.
    fn second_moment(n: usize, tokens: usize) -> Vec<f32> {
        let x = numbers(n * tokens, n as u64);
        let dot = |i: usize, j: usize| (0..tokens).map(|t| x[i * tokens + t] as f64 * x[j * tokens + t] as f64).sum();
        (0..n * n).map(|at| dot(at / n, at % n)).map(|sum: f64| sum as f32).collect()
    }

    #[test]
    fn the_factor_is_that_of_f64_at_every_edge_of_a_block() {
        for n in [1, 2, 7, 8, 9, 63, 64, 65, 128, 131, 200] {
            let h = second_moment(n, 2 * n);
            let (upper, dead) = factor(&h, n, 0.01).unwrap();
            let error = error(&upper, &truth(&damped(&h, n, 0.01), n), n);
            assert!(error < 1e-5, "{n}: {error:e}");
            assert!((0..n * n).all(|at| at % n >= at / n || upper[at] == 0.0));
            assert!(dead.iter().all(|&d| d == 0.0));
        }
    }

    #[test]
    fn damping_makes_a_hessian_of_few_tokens_regular() {
        let (n, tokens) = (150, 10);
        let h = second_moment(n, tokens);
        let (upper, _) = factor(&h, n, 0.01).unwrap();
        let error = error(&upper, &truth(&damped(&h, n, 0.01), n), n);
        assert!(error < 1e-4, "{error:e}");
    }

    #[test]
    fn a_dead_column_is_marked_and_stands_alone() {
        let n = 70;
        let mut h = second_moment(n, 2 * n);
        for i in 0..n {
            (h[i * n + 66], h[66 * n + i], h[i * n + 3], h[3 * n + i]) = (0.0, 0.0, 0.0, 0.0);
        }
        let (upper, dead) = factor(&h, n, 0.0).unwrap();
        for (j, &d) in dead.iter().enumerate() {
            assert_eq!(d == 1.0, j == 3 || j == 66);
        }
        assert!((4..n).all(|j| upper[3 * n + j] == 0.0) && upper[3 * n + 3] == 1.0);
    }

    #[test]
    fn a_matrix_that_is_not_positive_definite_has_no_factor() {
        for n in [1, 70] {
            let mut h = second_moment(n, 2 * n);
            h[0] = -1.0;
            assert!(factor(&h, n, 0.0).is_none());
        }
    }
}
