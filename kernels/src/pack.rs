//! Panels: the order in which a tile wants its operands. A panel interleaves N rows of a row-major matrix:
//!
//! ```text
//!   rows of the matrix            panel, N numbers for every depth
//!   a0 a1 a2 a3 …                 a0 b0 … | a1 b1 … | a2 b2 … | …
//!   b0 b1 b2 b3 …      ──▶        (rows that the matrix lacks are 0)
//!   …
//! ```
//!
//! Packing is also where a weight is widened from its dtype to f32, once for all tokens.
//!
//! A strip is the panel of a transposed matrix: N neighbouring columns, row after row, as they lie.

use crate::dtype::{widen, Stored};
use crate::simd::F32x4;

/// Interleaves `rows <= N` rows of `depth` numbers, `stride` numbers apart, the first at number `first` of the matrix
/// at `p`. N is a multiple of 4.
/// # Safety
/// The rows can be read, and N * depth f32 written at `panel`.
#[inline(always)]
pub unsafe fn panel<T: Stored, const N: usize>(
    p: *const u8,
    first: usize,
    stride: usize,
    rows: usize,
    depth: usize,
    panel: *mut f32,
) {
    let mut k = 0;
    while k < depth {
        let n = (depth - k).min(4);
        for group in (0..N).step_by(4) {
            let mut four = [F32x4::splat(0.0); 4];
            for (i, lanes) in four.iter_mut().enumerate() {
                if group + i < rows {
                    let at = first + (group + i) * stride + k;
                    *lanes = if n == 4 { T::load(p, at) } else { T::load_some(p, at, n) };
                }
            }
            for (j, lanes) in F32x4::transpose(four).into_iter().take(n).enumerate() {
                lanes.store(panel.add((k + j) * N + group));
            }
        }
        k += n;
    }
}

/// Columns of a matrix whose rows lie `stride` numbers apart, the first at number `first` of the matrix at `p`, as a panel:
/// `cols <= N` of each of `depth` rows; missing ones are 0.
/// # Safety
/// The columns can be read, and N * depth f32 written at `panel`.
#[inline(always)]
pub unsafe fn strip<T: Stored, const N: usize>(
    p: *const u8,
    first: usize,
    stride: usize,
    cols: usize,
    depth: usize,
    panel: *mut f32,
) {
    for k in 0..depth {
        let (from, to) = (first + k * stride, panel.add(k * N));
        if cols == N {
            for j in (0..N).step_by(4) {
                T::load(p, from + j).store(to.add(j));
            }
        } else {
            widen::<T>(p.add(from * T::BYTES), cols, to);
            to.add(cols).write_bytes(0, N - cols);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::Single;

    #[test]
    fn a_panel_interleaves_rows_and_fills_the_missing_ones_with_zero() {
        let matrix: Vec<f32> = (0..45).map(|i| i as f32 + 1.0).collect();
        for rows in 1..=8 {
            let mut out = vec![9f32; 8 * 5 + 1];
            unsafe { panel::<Single, 8>(matrix.as_ptr() as *const u8, 1, 5, rows, 5, out.as_mut_ptr()) }
            for k in 0..5 {
                for i in 0..8 {
                    let expected = if i < rows { matrix[1 + i * 5 + k] } else { 0.0 };
                    assert_eq!(out[k * 8 + i], expected);
                }
            }
            assert_eq!(out[40], 9.0);
        }
    }

    #[test]
    fn a_strip_is_the_panel_of_the_transposed_matrix() {
        let (depth, stride) = (5, 9);
        let matrix: Vec<f32> = (0..depth * stride).map(|i| i as f32 + 1.0).collect();
        for cols in 1..=8 {
            let mut out = vec![9f32; 8 * depth + 1];
            unsafe { strip::<Single, 8>(matrix.as_ptr() as *const u8, 0, stride, cols, depth, out.as_mut_ptr()) }
            for (i, &x) in out[..8 * depth].iter().enumerate() {
                assert_eq!(x, if i % 8 < cols { matrix[i / 8 * stride + i % 8] } else { 0.0 });
            }
            assert_eq!(out[8 * depth], 9.0);
        }
    }
}
