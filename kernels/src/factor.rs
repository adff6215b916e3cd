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
//! the bytes do not depend on the number of workers. All of it exists in f32 and in f64 (`real.rs`); `residual.rs` tells
//! when f32 was not enough.

use crate::pivot;
use crate::real::{upper_product, Real, ROWS};
use crate::team::Team;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use wasm_bindgen::prelude::wasm_bindgen;

/// Rows and columns of a block: 16 KiB in f32, a third of what a product of blocks needs in a cache; whole tiles.
pub const BLOCK: usize = 64;
/// Rows of a chunk that copies.
const RUN: usize = 16;

/// Calls a function that is generic over a [`Real`] in f64 if `wide`, else in f32.
macro_rules! real {
    ($wide:expr, $f:ident($($argument:expr),* $(,)?)) => {
        if $wide { $f::<f64>($($argument),*) } else { $f::<f32>($($argument),*) }
    };
}

/// U on its way (n x n, in the rows and columns of the result), and whether a pivot failed.
#[derive(Clone, Copy)]
struct Factor<T> {
    u: *mut T,
    n: usize,
    failed: *const AtomicU32,
}

impl<T: Real> Factor<T> {
    fn new(u: *mut u8, n: usize, failed: *const u32) -> Self {
        Factor { u: u as *mut T, n, failed: failed as *const AtomicU32 }
    }
    unsafe fn at(self, i: usize, j: usize) -> *mut T {
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

/// Numbers of scratch that all workers share: R_:k as the left operand, [-R_:kᵀ | U_k:] as the right one.
#[wasm_bindgen]
pub fn factor_scratch(n: usize) -> usize {
    2 * side(n)
}

fn side(n: usize) -> usize {
    BLOCK * n.next_multiple_of(<f32 as Real>::COLS)
}

/// What is added to the diagonal: `damping` times its mean, a dead input's zero counted as 1. Every worker adds it up for
/// itself.
/// # Safety
/// The Hessian (n x n) can be read.
pub unsafe fn shift(hessian: *const f32, n: usize, damping: f64) -> f64 {
    damping * (0..n).map(|j| damped(*hessian.add(j * n + j), 0.0)).sum::<f64>() / n as f64
}

/// A number of the diagonal with what is added to it.
pub fn damped(diagonal: f32, shift: f64) -> f64 {
    shift + if diagonal == 0.0 { 1.0 } else { diagonal as f64 }
}

/// The damped Hessian into the upper triangle of `u`, zeros below it; `dead` (1 x n) marks the zeros on its diagonal, and
/// `failed` (one u32) becomes 0. Here and below `u` and the scratch are f64 if `wide`, else f32.
#[wasm_bindgen]
pub unsafe fn factor_start(
    team: *const Team,
    wide: bool,
    hessian: *const f32,
    n: usize,
    damping: f64,
    u: *mut u8,
    dead: *mut f32,
    failed: *mut u32,
) {
    let shift = shift(hessian, n, damping);
    for run in (*team).runs(n, RUN) {
        if run.start == 0 {
            *failed = 0;
        }
        for i in run {
            let row = hessian.add(i * n);
            *dead.add(i) = if *row.add(i) == 0.0 { 1.0 } else { 0.0 };
            real!(wide, start_row(row, n, i, shift, u));
        }
    }
}

unsafe fn start_row<T: Real>(row: *const f32, n: usize, i: usize, shift: f64, u: *mut u8) {
    let to = (u as *mut T).add(i * n);
    to.write_bytes(0, i);
    *to.add(i) = T::from_f64(damped(*row.add(i), shift));
    for j in i + 1..n {
        *to.add(j) = T::from_f64(*row.add(j) as f64);
    }
}

/// The pivot of the last block, where the sweep begins.
#[wasm_bindgen]
pub unsafe fn factor_pivot(team: *const Team, wide: bool, n: usize, u: *mut u8, failed: *const u32) {
    for _ in (*team).chunks(1) {
        real!(wide, last_pivot(n, u, failed));
    }
}

unsafe fn last_pivot<T: Real>(n: usize, u: *mut u8, failed: *const u32) {
    let factor = Factor::<T>::new(u, n, failed);
    factor.pivot(factor.blocks() - 1);
}

/// Step `k`: finishes block row k of U and packs what the update multiplies. A chunk = a block of row or column k.
#[wasm_bindgen]
pub unsafe fn factor_panel(
    team: *const Team,
    wide: bool,
    n: usize,
    k: usize,
    u: *mut u8,
    failed: *const u32,
    scratch: *mut u8,
) {
    real!(wide, panel(&*team, n, k, u, failed, scratch));
}

unsafe fn panel<T: Real>(team: &Team, n: usize, k: usize, u: *mut u8, failed: *const u32, scratch: *mut u8) {
    let factor = Factor::<T>::new(u, n, failed);
    if factor.failed() {
        return;
    }
    let size = factor.size(k);
    let left = scratch as *mut T;
    let right = left.add(side(n));
    let corner = factor.at(k * BLOCK, k * BLOCK);
    let mut negative = [T::default(); BLOCK * BLOCK]; // -U_kk as the left operand
    T::rows(corner, n, size, size, negative.as_mut_ptr());
    negate(negative.as_mut_ptr(), BLOCK * BLOCK);
    let mut packed = [T::default(); BLOCK * BLOCK];
    let mut transposed = [T::default(); BLOCK * BLOCK]; // -R_bkᵀ
    for b in team.chunks(factor.blocks()) {
        let at = b * BLOCK;
        let to = right.add(at * size);
        if b < k {
            let out = transposed.as_mut_ptr();
            T::rows_as_cols(factor.at(at, k * BLOCK), n, BLOCK, size, packed.as_mut_ptr());
            triangle_product(size, negative.as_ptr(), packed.as_ptr(), BLOCK, out, BLOCK);
            T::cols(out, BLOCK, BLOCK, size, to);
            let left = left.add(at * size);
            T::cols_as_rows(out, BLOCK, BLOCK, size, left);
            negate(left, BLOCK * size);
        } else {
            let (columns, width) = (factor.at(k * BLOCK, at), factor.size(b));
            if b > k {
                T::cols(columns, n, width, size, packed.as_mut_ptr());
                triangle_product(size, negative.as_ptr(), packed.as_ptr(), width, columns, n);
            }
            T::cols(columns, n, width, size, to);
        }
    }
}

/// `c = a b`, `a` an upper triangle (size x size): what is below its diagonal is left out, panel by panel.
unsafe fn triangle_product<T: Real>(size: usize, a: *const T, b: *const T, cols: usize, c: *mut T, stride: usize) {
    for i in (0..size).step_by(ROWS) {
        let (rows, depth) = (ROWS.min(size - i), size - i);
        let (a, b) = (a.add(i * size + i * ROWS), b.add(i * T::COLS));
        T::product(depth, a, rows, b, size, cols, c.add(i * stride), stride, false);
    }
}

/// Step `k`: brings all that lies above block row k up to date. A chunk = a block.
#[wasm_bindgen]
pub unsafe fn factor_update(
    team: *const Team,
    wide: bool,
    n: usize,
    k: usize,
    u: *mut u8,
    failed: *const u32,
    scratch: *const u8,
) {
    real!(wide, update(&*team, n, k, u, failed, scratch));
}

unsafe fn update<T: Real>(team: &Team, n: usize, k: usize, u: *mut u8, failed: *const u32, scratch: *const u8) {
    let factor = Factor::<T>::new(u, n, failed);
    if factor.failed() {
        return;
    }
    let left = scratch as *const T;
    let right = left.add(side(n));
    let size = factor.size(k);
    for chunk in team.chunks(usize::MAX) {
        let Some((i, j)) = above(k, factor.blocks(), chunk) else {
            break;
        };
        let (row, col) = (i * BLOCK, j * BLOCK);
        let (a, b) = (left.add(row * size), right.add(col * size));
        let to = factor.at(row, col);
        if i == j {
            upper_product(size, a, b, BLOCK, to, n, true);
        } else {
            T::product(size, a, BLOCK, b, size, factor.size(j), to, n, j != k);
        }
        if chunk == 0 {
            factor.pivot(k - 1);
        }
    }
}

/// The finished factor, rounded to f32.
#[wasm_bindgen]
pub unsafe fn factor_round(team: *const Team, u: *const f64, n: usize, upper: *mut f32) {
    for at in (*team).runs(n, RUN).flatten().flat_map(|i| i * n..(i + 1) * n) {
        *upper.add(at) = *u.add(at) as f32;
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

unsafe fn negate<T: Real>(numbers: *mut T, count: usize) {
    for x in core::slice::from_raw_parts_mut(numbers, count) {
        *x = T::from_f64(-x.to_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::residual::*;
    use crate::team::alone;

    /// The factor by these commands, the dead columns, and the error that `residual.rs` finds; None if a pivot failed.
    fn factor(hessian: &[f32], n: usize, damping: f64, wide: bool) -> Option<(Vec<f32>, Vec<f32>, f32)> {
        let (mut upper, mut dead, mut failed) = (vec![f32::NAN; n * n], vec![f32::NAN; n], 7u32);
        let mut storage = vec![f64::NAN; n * n];
        let mut scratch = vec![f64::NAN; factor_scratch(n)];
        let (h, u, s) = (hessian.as_ptr(), upper.as_mut_ptr(), scratch.as_mut_ptr() as *mut u8);
        let (d, f) = (dead.as_mut_ptr(), &mut failed as *mut u32);
        let to = if wide { storage.as_mut_ptr() as *mut u8 } else { u as *mut u8 };
        let mut residual = f32::NAN;
        unsafe {
            alone(|team| factor_start(team, wide, h, n, damping, to, d, f));
            alone(|team| factor_pivot(team, wide, n, to, f));
            for k in (0..factor_steps(n)).rev() {
                alone(|team| factor_panel(team, wide, n, k, to, f, s));
                alone(|team| factor_update(team, wide, n, k, to, f, s));
            }
            if wide {
                alone(|team| factor_round(team, storage.as_ptr(), n, u));
            }
            let mut vectors = vec![f64::NAN; residual_scratch(n)];
            let v = vectors.as_mut_ptr();
            alone(|team| residual_signs(team, n, v));
            alone(|team| residual_0(team, u, n, v));
            alone(|team| residual_1(team, u, n, v));
            alone(|team| residual_2(team, h, n, damping, v));
            alone(|team| residual_3(team, u, n, v));
            alone(|team| residual_norm(team, n, v, &mut residual));
        }
        (failed == 0).then_some((upper, dead, residual))
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
    fn damped_f64(h: &[f32], n: usize, damping: f64) -> Vec<f64> {
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

    /// `Q diag(eigenvalues) Qᵀ`, Q a product of reflections (Householder) at random vectors.
    fn with_eigenvalues(eigenvalues: &[f64]) -> Vec<f32> {
        let n = eigenvalues.len();
        let mut h = vec![0f64; n * n];
        (0..n).for_each(|i| h[i * n + i] = eigenvalues[i]);
        for reflection in 0..40 {
            let v: Vec<f64> = numbers(n, reflection).iter().map(|&x| x as f64).collect();
            let size = v.iter().map(|x| x * x).sum::<f64>();
            let mut dots = vec![0f64; n];
            h.chunks(n).zip(&v).for_each(|(row, v)| dots.iter_mut().zip(row).for_each(|(dot, h)| *dot += v * h));
            for (row, x) in h.chunks_mut(n).zip(&v) {
                row.iter_mut().zip(&dots).for_each(|(h, dot)| *h -= 2.0 / size * dot * x);
                let dot: f64 = row.iter().zip(&v).map(|(h, v)| h * v).sum();
                row.iter_mut().zip(&v).for_each(|(h, v)| *h -= 2.0 / size * dot * v);
            }
        }
        (0..n * n).map(|i| ((h[i] + h[i % n * n + i / n]) / 2.0) as f32).collect()
    }

    /// Spectra of condition 1e6: even on a logarithmic scale, a few large, many large, and by a power law.
    fn spectra(n: usize) -> [Vec<f64>; 4] {
        let of = |f: fn(f64, f64) -> f64| (0..n).map(|i| f(i as f64, n as f64)).collect();
        [
            of(|i, n| 10f64.powf(-6.0 * i / (n - 1.0))),
            of(|i, _| if i < 3.0 { 1.0 } else { 1e-6 }),
            of(|i, n| if i + 3.0 < n { 1.0 } else { 1e-6 }),
            of(|i, _| (1.0 + i).powi(-2).max(1e-6)),
        ]
    }

    #[test]
    fn a_wide_factor_of_condition_a_million_is_right_to_f32() {
        let n = 150;
        for eigenvalues in spectra(n) {
            let h = with_eigenvalues(&eigenvalues);
            let (upper, _, _) = factor(&h, n, 0.0, true).unwrap();
            let error = error(&upper, &truth(&damped_f64(&h, n, 0.0), n), n);
            // The one rounding, and that of f64 times the condition.
            assert!(error < 2f64.powi(-24) + 1e6 * n as f64 * 2f64.powi(-53), "{error:e}");
        }
    }

    #[test]
    fn the_residual_tells_the_error_of_a_factor() {
        let n = 150;
        for eigenvalues in spectra(n) {
            let h = with_eigenvalues(&eigenvalues);
            let (upper, _, residual) = factor(&h, n, 0.0, false).unwrap();
            let error = error(&upper, &truth(&damped_f64(&h, n, 0.0), n), n);
            // From above, up to the chance of one vector; and not by much.
            let quotient = residual as f64 / error;
            assert!((0.7..5.0).contains(&quotient), "{residual:e} for {error:e}");
        }
    }

    #[test]
    fn the_factor_is_that_of_f64_at_every_edge_of_a_block() {
        for n in [1, 2, 7, 8, 9, 63, 64, 65, 128, 131, 200] {
            let h = second_moment(n, 2 * n);
            let truth = truth(&damped_f64(&h, n, 0.01), n);
            for (wide, bound) in [(false, 1e-5), (true, 2f64.powi(-24))] {
                let (upper, dead, _) = factor(&h, n, 0.01, wide).unwrap();
                let error = error(&upper, &truth, n);
                assert!(error < bound, "{n}: {error:e}");
                assert!((0..n * n).all(|at| at % n >= at / n || upper[at] == 0.0));
                assert!(dead.iter().all(|&d| d == 0.0));
            }
        }
    }

    #[test]
    fn damping_makes_a_hessian_of_few_tokens_regular() {
        let (n, tokens) = (150, 10);
        let h = second_moment(n, tokens);
        let (upper, _, _) = factor(&h, n, 0.01, false).unwrap();
        let error = error(&upper, &truth(&damped_f64(&h, n, 0.01), n), n);
        assert!(error < 1e-4, "{error:e}");
    }

    #[test]
    fn a_dead_column_is_marked_and_stands_alone() {
        let n = 70;
        let mut h = second_moment(n, 2 * n);
        for i in 0..n {
            (h[i * n + 66], h[66 * n + i], h[i * n + 3], h[3 * n + i]) = (0.0, 0.0, 0.0, 0.0);
        }
        let (upper, dead, _) = factor(&h, n, 0.0, false).unwrap();
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
            assert!([false, true].iter().all(|&wide| factor(&h, n, 0.0, wide).is_none()));
        }
    }
}
