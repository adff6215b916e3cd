//! The two widths that a factor is computed in: f32 with the tile of every product (`tile.rs`), and f64 for a Hessian that
//! f32 does not suffice for. What differs is the width of a tile and how its operands are packed (`pack.rs`).

use crate::dtype::Single;
use crate::pack;
use crate::simd::F64x2;
use crate::tile;

/// Rows of a tile of either width.
pub const ROWS: usize = tile::ROWS;

/// A number of a factor.
/// # Safety
/// Every function needs what it reads to be readable, and what it writes to be writable.
#[allow(clippy::missing_safety_doc)]
pub trait Real: Copy + Default {
    /// Columns of a tile.
    const COLS: usize;
    fn from_f64(x: f64) -> Self;
    fn to_f64(self) -> f64;
    /// `c[rows x cols] (+)= a b` over `depth`: `a` in panels of `ROWS`, `b` in panels of `COLS` that lie `apart` deep.
    unsafe fn product(
        depth: usize,
        a: *const Self,
        rows: usize,
        b: *const Self,
        apart: usize,
        cols: usize,
        c: *mut Self,
        stride: usize,
        add: bool,
    );
    /// Packs `rows` rows, `stride` numbers apart, in panels of `ROWS`.
    unsafe fn rows(from: *const Self, stride: usize, rows: usize, depth: usize, to: *mut Self);
    /// Packs `cols` columns in panels of `ROWS`: the transposed matrix as the left operand.
    unsafe fn cols_as_rows(from: *const Self, stride: usize, cols: usize, depth: usize, to: *mut Self);
    /// Packs `cols` columns in panels of `COLS`.
    unsafe fn cols(from: *const Self, stride: usize, cols: usize, depth: usize, to: *mut Self);
    /// Packs `rows` rows in panels of `COLS`: the transposed matrix as the right operand.
    unsafe fn rows_as_cols(from: *const Self, stride: usize, rows: usize, depth: usize, to: *mut Self);
}

/// What [`Real::product`] gives on and above the diagonal of a square c; some of what is below stays as it was.
/// # Safety
/// As there.
pub unsafe fn upper_product<T: Real>(
    depth: usize,
    a: *const T,
    b: *const T,
    size: usize,
    c: *mut T,
    stride: usize,
    add: bool,
) {
    for j in (0..size).step_by(T::COLS) {
        let (rows, cols) = (size.min(j + T::COLS), T::COLS.min(size - j));
        T::product(depth, a, rows, b.add(j * depth), depth, cols, c.add(j), stride, add);
    }
}

impl Real for f32 {
    const COLS: usize = tile::COLS;
    fn from_f64(x: f64) -> f32 {
        x as f32
    }
    fn to_f64(self) -> f64 {
        self as f64
    }
    unsafe fn product(
        depth: usize,
        a: *const f32,
        rows: usize,
        b: *const f32,
        apart: usize,
        cols: usize,
        c: *mut f32,
        stride: usize,
        add: bool,
    ) {
        crate::gemm::product(depth, a, rows, b, apart, cols, c, stride, add);
    }
    unsafe fn rows(from: *const f32, stride: usize, rows: usize, depth: usize, to: *mut f32) {
        panels::<ROWS>(from, stride, rows, depth, to);
    }
    unsafe fn cols_as_rows(from: *const f32, stride: usize, cols: usize, depth: usize, to: *mut f32) {
        strips::<ROWS>(from, stride, cols, depth, to);
    }
    unsafe fn cols(from: *const f32, stride: usize, cols: usize, depth: usize, to: *mut f32) {
        strips::<{ tile::COLS }>(from, stride, cols, depth, to);
    }
    unsafe fn rows_as_cols(from: *const f32, stride: usize, rows: usize, depth: usize, to: *mut f32) {
        panels::<{ tile::COLS }>(from, stride, rows, depth, to);
    }
}

unsafe fn panels<const N: usize>(from: *const f32, stride: usize, rows: usize, depth: usize, to: *mut f32) {
    for i in (0..rows).step_by(N) {
        pack::panel::<Single, N>(from as *const u8, i * stride, stride, (rows - i).min(N), depth, to.add(i * depth));
    }
}

unsafe fn strips<const N: usize>(from: *const f32, stride: usize, cols: usize, depth: usize, to: *mut f32) {
    for j in (0..cols).step_by(N) {
        pack::strip::<Single, N>(from as *const u8, j, stride, (cols - j).min(N), depth, to.add(j * depth));
    }
}

impl Real for f64 {
    const COLS: usize = 4;
    fn from_f64(x: f64) -> f64 {
        x
    }
    fn to_f64(self) -> f64 {
        self
    }
    unsafe fn product(
        depth: usize,
        a: *const f64,
        rows: usize,
        b: *const f64,
        apart: usize,
        cols: usize,
        c: *mut f64,
        stride: usize,
        add: bool,
    ) {
        for j in (0..cols).step_by(Self::COLS) {
            for i in (0..rows).step_by(ROWS) {
                let tile = wide_tile(depth, a.add(i * depth), b.add(j * apart));
                let to = c.add(i * stride + j);
                if rows - i >= ROWS && cols - j >= Self::COLS {
                    for (y, row) in tile.into_iter().enumerate() {
                        for (x, value) in row.into_iter().enumerate() {
                            let to = to.add(y * stride + x * 2);
                            let old = if add { F64x2::load(to) } else { F64x2::splat(0.0) };
                            old.add(value).store(to);
                        }
                    }
                } else {
                    for (y, row) in tile.into_iter().enumerate().take(rows - i) {
                        for (x, value) in row.into_iter().flat_map(F64x2::to_array).enumerate().take(cols - j) {
                            let to = to.add(y * stride + x);
                            *to = if add { *to } else { 0.0 } + value;
                        }
                    }
                }
            }
        }
    }
    unsafe fn rows(from: *const f64, stride: usize, rows: usize, depth: usize, to: *mut f64) {
        interleave(from, stride, 1, rows, depth, to);
    }
    unsafe fn cols_as_rows(from: *const f64, stride: usize, cols: usize, depth: usize, to: *mut f64) {
        interleave(from, 1, stride, cols, depth, to);
    }
    unsafe fn cols(from: *const f64, stride: usize, cols: usize, depth: usize, to: *mut f64) {
        interleave(from, 1, stride, cols, depth, to);
    }
    unsafe fn rows_as_cols(from: *const f64, stride: usize, rows: usize, depth: usize, to: *mut f64) {
        interleave(from, stride, 1, rows, depth, to);
    }
}

/// The product of two panels of f64: as in `tile.rs`, eight registers of sums.
#[inline(always)]
unsafe fn wide_tile(depth: usize, a: *const f64, b: *const f64) -> [[F64x2; 2]; ROWS] {
    let mut acc = [[F64x2::splat(0.0); 2]; ROWS];
    let (mut a, mut b) = (a, b);
    for _ in 0..depth {
        let (upper, lower) = (F64x2::load(a).spread(), F64x2::load(a.add(2)).spread());
        let (left, right) = (F64x2::load(b), F64x2::load(b.add(2)));
        for (x, row) in upper.into_iter().chain(lower).zip(&mut acc) {
            row[0] = x.madd(left, row[0]);
            row[1] = x.madd(right, row[1]);
        }
        (a, b) = (a.add(ROWS), b.add(4));
    }
    acc
}

/// Panels of four lines, `line` numbers apart, whose numbers are `step` apart; missing lines are 0.
unsafe fn interleave(from: *const f64, line: usize, step: usize, lines: usize, depth: usize, to: *mut f64) {
    for first in (0..lines).step_by(4) {
        for k in 0..depth {
            for i in 0..4 {
                let there = first + i < lines;
                *to.add(first * depth + k * 4 + i) = if there { *from.add((first + i) * line + k * step) } else { 0.0 };
            }
        }
    }
}
