//! Inner products of f32 with f32 or f64, in f64.

use crate::simd::F64x2;
use core::array::from_fn;

/// A number of two that are widened to f64 together.
pub trait Pair: Copy + Default {
    /// The two at `p`.
    /// # Safety
    /// They can be read.
    unsafe fn widen(p: *const Self) -> F64x2;
}

impl Pair for f32 {
    #[inline(always)]
    unsafe fn widen(p: *const f32) -> F64x2 {
        F64x2::widen(p)
    }
}

impl Pair for f64 {
    #[inline(always)]
    unsafe fn widen(p: *const f64) -> F64x2 {
        F64x2::load(p)
    }
}

/// The sum of the products of two arrays of one length.
#[inline(always)]
pub fn dot<T: Pair>(x: &[f32], y: &[T]) -> f64 {
    total_of(x, y, |x, y, sum| x.madd(y, sum))
}

/// The sum of a term of every two numbers, in eight parts, which a processor adds side by side; zeros have no part in it.
#[inline(always)]
pub fn total_of<T: Pair>(x: &[f32], y: &[T], add: impl Fn(F64x2, F64x2, F64x2) -> F64x2) -> f64 {
    let mut sums = [F64x2::splat(0.0); 4];
    let mut take = |x: &[f32], y: &[T]| {
        for (i, sum) in sums.iter_mut().enumerate() {
            // SAFETY: both have eight.
            *sum = unsafe { add(F64x2::widen(&x[2 * i]), T::widen(&y[2 * i]), *sum) };
        }
    };
    let (eights, others) = (x.chunks_exact(8), y.chunks_exact(8));
    let last: [f32; 8] = from_fn(|i| eights.remainder().get(i).copied().unwrap_or_default());
    let other: [T; 8] = from_fn(|i| others.remainder().get(i).copied().unwrap_or_default());
    for (x, y) in eights.zip(others) {
        take(x, y);
    }
    take(&last, &other);
    let [a, b, c, d] = sums;
    a.add(b).add(c.add(d)).to_array().iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;

    #[test]
    fn every_number_has_its_part() {
        for n in [0, 1, 7, 8, 9, 31, 64] {
            let (x, y) = (numbers(n, 1), numbers(n, 2));
            let wide: Vec<f64> = y.iter().map(|&y| y as f64).collect();
            let exact: f64 = x.iter().zip(&wide).map(|(&x, y)| x as f64 * y).sum();
            // Products are exact in f64, and n sums of numbers below 4 are rounded.
            assert!((dot(&x, &y) - exact).abs() <= 4.0 * (n * n) as f64 * f64::EPSILON);
            assert_eq!(dot(&x, &y), dot(&x, &wide));
        }
    }
}
