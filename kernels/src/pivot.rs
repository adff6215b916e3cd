//! The factor of one diagonal block, by one worker: what `factor.rs` does with blocks, done here with numbers. In f64,
//! since it is a small part of the work and what is left of a nearly singular block has few digits to lose.

use crate::factor::BLOCK;
use crate::real::Real;

/// Replaces the upper triangle of the symmetric `size x size` block at `block` (`size <= BLOCK`, rows `stride` apart)
/// by the upper triangular `U` with `block⁻¹ = Uᵀ U`, and what is below the diagonal by 0. False if a pivot is not
/// positive and finite.
/// # Safety
/// The block can be read and written.
pub unsafe fn invert<T: Real>(block: *mut T, size: usize, stride: usize) -> bool {
    let mut rows = [[0f64; BLOCK]; BLOCK];
    for (i, row) in rows.iter_mut().enumerate().take(size) {
        (i..size).for_each(|j| row[j] = (*block.add(i * stride + j)).to_f64());
    }
    for c in (0..size).rev() {
        let pivot = rows[c][c];
        if !(pivot > 0.0 && pivot < f64::INFINITY) {
            return false;
        }
        // Left of the diagonal the column of -R, from it on the finished row of U.
        let inverse = 1.0 / pivot.sqrt();
        let mut line = [0f64; BLOCK];
        line[c] = inverse;
        for j in c + 1..size {
            line[j] = -inverse * rows[c][j];
        }
        rows[c] = line;
        for i in 0..c {
            line[i] = -inverse * rows[i][c];
            rows[i][c] = 0.0;
        }
        for (i, row) in rows.iter_mut().enumerate().take(c) {
            let r = -line[i];
            row[i..size].iter_mut().zip(&line[i..size]).for_each(|(x, &y)| *x += r * y);
        }
    }
    for (i, row) in rows.iter().enumerate().take(size) {
        (0..size).for_each(|j| *block.add(i * stride + j) = T::from_f64(row[j]));
    }
    true
}
