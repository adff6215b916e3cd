//! The factor of one diagonal block, by one worker: what `factor.rs` does with blocks, done here with numbers. In f64,
//! since it is a small part of the work and what is left of a nearly singular block has few digits to lose. Four columns
//! at a time go together over what is above them, two rows at a time: a number of it is loaded once for four of them.

use crate::factor::BLOCK;
use crate::real::Real;
use crate::simd::F64x2;
use core::array::from_fn;

/// Columns of a group.
const GROUP: usize = 4;
/// A row of the block.
type Line = [f64; BLOCK];

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
    let mut lines = [[0f64; BLOCK]; GROUP];
    for begin in (0..size).step_by(GROUP).rev() {
        let count = GROUP.min(size - begin);
        for t in (0..count).rev() {
            let (line, behind) = lines[t..count].split_first_mut().unwrap();
            if !finish(&mut rows, begin + t, size, line, behind) {
                return false;
            }
        }
        // Left of its own column a line has done its work in the group; a group that is cut short has lines of nothing.
        for (t, line) in lines.iter_mut().enumerate() {
            line[begin..begin + t].fill(0.0);
        }
        for row in &mut rows[..begin] {
            row[begin..begin + GROUP].copy_from_slice(&[0.0; GROUP]);
        }
        update(&mut rows, begin, size, &lines);
    }
    for (i, row) in rows.iter().enumerate().take(size) {
        (0..size).for_each(|j| *block.add(i * stride + j) = T::from_f64(row[j]));
    }
    true
}

/// Finishes row `c` of U. `line` becomes, left of the diagonal, column `c` of -R, and from it on that row; `behind` are the
/// lines of the columns of the group behind `c`, whose work on row and column `c` is done here. False for a bad pivot.
fn finish(rows: &mut [Line; BLOCK], c: usize, size: usize, line: &mut Line, behind: &[Line]) -> bool {
    let (above, below) = rows.split_at_mut(c);
    let row = &mut below[0];
    row[c + 1..c + 1 + behind.len()].fill(0.0);
    for (t, other) in behind.iter().enumerate() {
        let r = other[c];
        row[c] -= r * r;
        // Its own column, those between and those of other groups: what is left of it is another factor's by now.
        for (x, y) in row[c + 1 + t..size].iter_mut().zip(&other[c + 1 + t..size]) {
            *x -= r * y;
        }
        for (row, &x) in above.iter_mut().zip(other) {
            row[c] -= x * r;
        }
    }
    let pivot = row[c];
    if !(pivot > 0.0 && pivot < f64::INFINITY) {
        return false;
    }
    let inverse = 1.0 / pivot.sqrt();
    for (x, row) in line.iter_mut().zip(above) {
        *x = -inverse * row[c];
    }
    line[c] = inverse;
    row[c] = inverse;
    for (x, number) in line[c + 1..size].iter_mut().zip(&mut row[c + 1..size]) {
        *number *= -inverse;
        *x = *number;
    }
    if c % 2 == 1 {
        row[c - 1] = 0.0; // left by the pair of rows in `update`
    }
    true
}

/// Adds to the first `count` rows (an even number of them), from their diagonals on, what the lines of a group do to them.
fn update(rows: &mut [Line; BLOCK], count: usize, size: usize, lines: &[Line; GROUP]) {
    for i in (0..count).step_by(2) {
        let factors: [[F64x2; GROUP]; 2] = from_fn(|k| from_fn(|t| F64x2::splat(-lines[t][i + k])));
        let [upper, lower] = rows.get_disjoint_mut([i, i + 1]).unwrap();
        for j in (i..size).step_by(2) {
            // SAFETY: `j` and the length of a line are even.
            unsafe {
                let (mut a, mut b) = (F64x2::load(&upper[j]), F64x2::load(&lower[j]));
                for (t, line) in lines.iter().enumerate() {
                    let y = F64x2::load(&line[j]);
                    a = factors[0][t].madd(y, a);
                    b = factors[1][t].madd(y, b);
                }
                a.store(&mut upper[j]);
                b.store(&mut lower[j]);
            }
        }
    }
}
