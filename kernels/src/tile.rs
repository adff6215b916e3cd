//! The innermost loop of every product in Pare: a tile of 4 x 8 results that stays in registers while two panels
//! stream by.
//!
//! ```text
//!                 b: 8 columns (2 registers)
//!              ┌────────────────┐
//!   a: 4 rows  │  8 registers   │   for every depth: 3 loads (4 of a, 8 of b), 4 shuffles that spread a number of a
//!  (1 register)└────────────────┘   over a register, 8 multiply-adds
//! ```
//!
//! V8 checks the bounds of every load, three instructions each, so loads are what counts: a taller tile (6 x 8) with a
//! splat-load for each number of `a` does 8 loads for 12 multiply-adds and reaches 44 GFLOP/s where this one reaches 52
//! (of 57 that the processor has, Zen 4). With more than 8 accumulators the registers do not suffice for both.

use crate::simd::F32x4;

/// Rows of a tile: the width of an `a` panel.
pub const ROWS: usize = 4;
/// Columns of a tile: the width of a `b` panel.
pub const COLS: usize = 8;

/// The product of two panels over `depth`.
/// # Safety
/// The panels can be read.
#[inline(always)]
pub unsafe fn product(depth: usize, a: *const f32, b: *const f32) -> [[F32x4; 2]; ROWS] {
    let mut acc = [[F32x4::splat(0.0); 2]; ROWS];
    let (mut a, mut b) = (a, b);
    for _ in 0..depth {
        let four = F32x4::load(a);
        let (left, right) = (F32x4::load(b), F32x4::load(b.add(4)));
        for (x, row) in four.spread().into_iter().zip(&mut acc) {
            row[0] = x.madd(left, row[0]);
            row[1] = x.madd(right, row[1]);
        }
        (a, b) = (a.add(ROWS), b.add(COLS));
    }
    acc
}

/// Writes (or, with `add`, adds) `count` whole tiles one below the other to the matrix at `c` with rows `stride` apart:
/// a column of `count` panels at `a`, one behind the other, and the one panel at `b`, which stays in the cache.
/// # Safety
/// The panels can be read and the tiles written.
#[inline(never)]
pub unsafe fn column(count: usize, depth: usize, a: *const f32, b: *const f32, c: *mut f32, stride: usize, add: bool) {
    for tile in 0..count {
        let acc = product(depth, a.add(tile * depth * ROWS), b);
        for (i, row) in acc.into_iter().enumerate() {
            for (j, value) in row.into_iter().enumerate() {
                let to = c.add((tile * ROWS + i) * stride + j * 4);
                let old = if add { F32x4::load(to) } else { F32x4::splat(0.0) };
                old.add(value).store(to);
            }
        }
    }
}

/// The same for the upper left `rows x cols` of one tile: an edge of the matrix.
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
    column(1, depth, a, b, tile.as_mut_ptr(), COLS, false);
    for i in 0..rows {
        for j in 0..cols {
            let to = c.add(i * stride + j);
            *to = if add { *to } else { 0.0 } + tile[i * COLS + j];
        }
    }
}
