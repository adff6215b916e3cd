//! One step of conjugate gradients (Hestenes & Stiefel, 1952) for every row on its own: a row of weights that minimises a
//! quadratic over those a mask keeps. The product of the directions with the matrix is made before, for all rows at once;
//! what is left are two sums over a row, in f64, and three updates while it is in the cache.

use crate::dot::dot;
use crate::lanes::{lanes, words};
use crate::simd::F32x4;
use crate::team::Team;
use core::slice::from_raw_parts;
use wasm_bindgen::prelude::wasm_bindgen;

/// Numbers of a chunk, about.
const CHUNK: usize = 16384;

/// `x += α p`, `r -= α q`, `p = r + β p`, all rows x cols, with q the product where the mask keeps and 0 elsewhere,
/// `α = r·r / p·q` and `β = r·r (new) / r·r (old)`: 0 where their denominators are not above 0. r and p are 0 where the
/// mask removes.
#[wasm_bindgen]
pub unsafe fn conjugate(
    team: *const Team,
    x: *mut f32,
    r: *mut f32,
    p: *mut f32,
    rows: usize,
    cols: usize,
    product: *const f32,
    mask: *const u32,
) {
    for row in (*team).runs(rows, CHUNK.div_ceil(cols)).flatten() {
        let at = row * cols;
        step(x.add(at), r.add(at), p.add(at), cols, product.add(at), words(mask, row, cols).as_ptr());
    }
}

/// `numerator / denominator`, or 0.
fn quotient(numerator: f64, denominator: f64) -> f32 {
    if denominator > 0.0 {
        (numerator / denominator) as f32
    } else {
        0.0
    }
}

unsafe fn step(x: *mut f32, r: *mut f32, p: *mut f32, n: usize, product: *const f32, mask: *const u32) {
    let of = |row: *const f32| from_raw_parts(row, n);
    let before = dot(of(r), of(r));
    // The direction is 0 where the product does not count.
    let alpha = quotient(before, dot(of(p), of(product)));
    let (by, whole) = (F32x4::splat(alpha), n & !3);
    for j in (0..whole).step_by(4) {
        by.madd(F32x4::load(p.add(j)), F32x4::load(x.add(j))).store(x.add(j));
        let q = F32x4::load(product.add(j)).mul(F32x4::splat(-1.0)).bits().without(lanes(mask, j)).floats();
        by.madd(q, F32x4::load(r.add(j))).store(r.add(j));
    }
    for j in whole..n {
        *x.add(j) += alpha * *p.add(j);
        if *mask.add(j / 32) >> (j % 32) & 1 == 0 {
            *r.add(j) -= alpha * *product.add(j);
        }
    }
    let beta = quotient(dot(of(r), of(r)), before);
    for j in (0..whole).step_by(4) {
        F32x4::splat(beta).madd(F32x4::load(p.add(j)), F32x4::load(r.add(j))).store(p.add(j));
    }
    for j in whole..n {
        *p.add(j) = *r.add(j) + beta * *p.add(j);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;

    /// A x of a symmetric matrix, row after row.
    fn multiply(a: &[f32], p: &[f32], n: usize) -> Vec<f32> {
        let dot =
            |row: &[f32], j: usize| row.iter().enumerate().map(|(k, &v)| v as f64 * a[k * n + j] as f64).sum::<f64>();
        p.chunks(n).flat_map(|row| (0..n).map(|j| dot(row, j) as f32).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn as_many_steps_as_there_are_weights_solve_every_row_on_what_is_kept() {
        let (rows, n, steps) = (6, 19, 30);
        let half = numbers(n * n, 1);
        // BᵀB + 1: symmetric and positive.
        let a: Vec<f32> = (0..n * n)
            .map(|at| {
                (0..n).map(|k| half[k * n + at / n] * half[k * n + at % n]).sum::<f32>()
                    + (at / n == at % n) as u8 as f32
            })
            .collect();
        let mask: Vec<u32> = numbers(rows, 2).iter().map(|x| x.to_bits().wrapping_mul(2_654_435_761)).collect();
        let keeps = |i: usize, j: usize| mask[i] >> j & 1 == 0;
        let target = numbers(rows * n, 3);
        let mut r: Vec<f32> = (0..rows * n).map(|at| if keeps(at / n, at % n) { target[at] } else { 0.0 }).collect();
        let (mut x, mut p) = (vec![0f32; rows * n], r.clone());
        for _ in 0..steps {
            let product = multiply(&a, &p, n);
            let (x, r, p) = (x.as_mut_ptr(), r.as_mut_ptr(), p.as_mut_ptr());
            unsafe { alone(|team| conjugate(team, x, r, p, rows, n, product.as_ptr(), mask.as_ptr())) }
        }
        let gradient = multiply(&a, &x, n);
        for at in 0..rows * n {
            if keeps(at / n, at % n) {
                // A x is n products of numbers below 4 and entries below 10.
                assert!((gradient[at] - target[at]).abs() <= 40.0 * n as f32 * 2f32.powi(-24), "{at}");
            } else {
                assert_eq!(x[at], 0.0);
            }
        }
    }

    #[test]
    fn a_row_without_a_gradient_stays_where_it_is() {
        let (mut x, mut r, mut p) = ([1f32, 2.0, 3.0], [0f32; 3], [0f32; 3]);
        let (a, b, c) = (x.as_mut_ptr(), r.as_mut_ptr(), p.as_mut_ptr());
        unsafe { alone(|team| conjugate(team, a, b, c, 1, 3, [0f32; 3].as_ptr(), [0u32].as_ptr())) }
        assert_eq!((x, r, p), ([1.0, 2.0, 3.0], [0.0; 3], [0.0; 3]));
    }
}
