//! The innermost loop of every product in Pare: a tile of 6 x 8 results that stays in registers while two panels
//! stream by.
//!
//! ```text
//!                 b: 8 columns (2 registers)
//!              ┌────────────────┐
//!   a: 6 rows  │ 12 registers   │   for every depth: 2 loads of b, 6 splats of a, 12 multiply-adds
//!              └────────────────┘
//! ```
//!
//! Twelve accumulators, two of b and one of a fill the 15 registers that V8 gives out; a larger tile spills.

use crate::simd::F32x4;

/// Rows of a tile: the width of an `a` panel.
pub const ROWS: usize = 6;
/// Columns of a tile: the width of a `b` panel.
pub const COLS: usize = 8;

/// The product of two panels over `depth`.
/// # Safety
/// The panels can be read.
#[inline(always)]
unsafe fn product(depth: usize, a: *const f32, b: *const f32) -> [[F32x4; 2]; ROWS] {
    let mut acc = [[F32x4::splat(0.0); 2]; ROWS];
    for k in 0..depth {
        let b0 = F32x4::load(b.add(k * COLS));
        let b1 = F32x4::load(b.add(k * COLS + 4));
        for (i, [left, right]) in acc.iter_mut().enumerate() {
            let x = F32x4::load_splat(a.add(k * ROWS + i));
            *left = x.madd(b0, *left);
            *right = x.madd(b1, *right);
        }
    }
    acc
}

/// Writes (or, with `add`, adds) a whole tile to the matrix at `c` with rows `stride` apart.
/// # Safety
/// The panels can be read and the tile written.
#[inline(never)]
pub unsafe fn whole(depth: usize, a: *const f32, b: *const f32, c: *mut f32, stride: usize, add: bool) {
    let acc = product(depth, a, b);
    for (i, row) in acc.iter().enumerate() {
        for (j, &value) in row.iter().enumerate() {
            let to = c.add(i * stride + j * 4);
            let old = if add { F32x4::load(to) } else { F32x4::splat(0.0) };
            old.add(value).store(to);
        }
    }
}

/// The same for the upper left `rows x cols` of a tile: an edge of the matrix.
/// # Safety
/// The panels can be read and that part of the tile written.
#[allow(clippy::too_many_arguments)]
pub unsafe fn part(
    depth: usize,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    stride: usize,
    add: bool,
    rows: usize,
    cols: usize,
) {
    let mut tile = [0f32; ROWS * COLS];
    whole(depth, a, b, tile.as_mut_ptr(), COLS, false);
    for i in 0..rows {
        for j in 0..cols {
            let to = c.add(i * stride + j);
            *to = if add { *to } else { 0.0 } + tile[i * COLS + j];
        }
    }
}
