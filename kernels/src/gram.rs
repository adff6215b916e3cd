//! `sums += xᵀ x`, a symmetric update of half a product's work: only the blocks on and above the diagonal are computed.
//! `sums` is 2n x n, the high part of each number and then what it lost, as in `sums.rs`. The tokens come in runs:
//!
//! ```text
//!   pack_gram   x[run] ──▶ strips of 4 columns, strips of 8 columns          a chunk = 64 columns
//!   add_gram    sums[block] += left strips x right strips, in two parts;     a chunk = a block of 64 x 64
//!               after the last run also below the diagonal
//! ```
//!
//! The product of a run is f32, in a block of the worker's own; its addition is not. A number is the sum of its runs in
//! their order: which worker computes a block changes nothing.

use crate::dtype::Single;
use crate::gemm::{self, DEPTH};
use crate::pack;
use crate::real::upper_product;
use crate::simd::F32x4;
use crate::team::Team;
use crate::tile::{COLS, ROWS};
use wasm_bindgen::prelude::wasm_bindgen;

/// Rows and columns of a block: 16 KiB, and 96 KiB of strips of either side.
pub const BLOCK: usize = 64;

/// The most tokens of a run.
#[wasm_bindgen]
pub fn gram_run() -> usize {
    DEPTH
}

/// f32 of the packed strips of both widths of a run of tokens.
#[wasm_bindgen]
pub fn gram_scratch(tokens: usize, cols: usize) -> usize {
    2 * tokens * cols.next_multiple_of(COLS)
}

/// How many blocks there are on and above the diagonal.
#[wasm_bindgen]
pub fn gram_blocks(cols: usize) -> usize {
    let blocks = cols.div_ceil(BLOCK);
    blocks * (blocks + 1) / 2
}

/// Where the strips of 8 columns begin, behind those of 4.
unsafe fn right(strips: *mut f32, tokens: usize, cols: usize) -> *mut f32 {
    strips.add(tokens * cols.next_multiple_of(COLS))
}

/// Packs a run of tokens, at `x`.
#[wasm_bindgen]
pub unsafe fn pack_gram(team: *const Team, x: *const f32, tokens: usize, cols: usize, strips: *mut f32) {
    let wide = right(strips, tokens, cols);
    for run in (*team).runs(cols, BLOCK) {
        for j in run.clone().step_by(ROWS) {
            pack::strip::<Single, ROWS>(
                x as *const u8,
                j,
                cols,
                (run.end - j).min(ROWS),
                tokens,
                strips.add(j * tokens),
            );
        }
        for j in run.clone().step_by(COLS) {
            pack::strip::<Single, COLS>(x as *const u8, j, cols, (run.end - j).min(COLS), tokens, wide.add(j * tokens));
        }
    }
}

/// A block of the product of a packed run.
pub struct Product {
    /// Its number, counted over the triangle.
    pub chunk: usize,
    /// Its first row and column in the whole, and how many it has.
    pub row: usize,
    pub col: usize,
    pub rows: usize,
    pub cols: usize,
    /// Rows of `BLOCK` numbers; below the diagonal of the whole they are nobody's.
    pub numbers: [f32; BLOCK * BLOCK],
}

impl Product {
    /// The first column of row `i` that is not below the diagonal.
    pub fn first(&self, i: usize) -> usize {
        if self.row == self.col {
            i
        } else {
            0
        }
    }
}

/// Hands this worker's blocks of the product of a packed run to `use_block`.
/// # Safety
/// The strips were packed.
#[inline(always)]
pub unsafe fn products(team: &Team, strips: *mut f32, tokens: usize, cols: usize, mut use_block: impl FnMut(&Product)) {
    let wide = right(strips, tokens, cols);
    let mut block = Product { chunk: 0, row: 0, col: 0, rows: 0, cols: 0, numbers: [0.0; BLOCK * BLOCK] };
    for chunk in team.chunks(gram_blocks(cols)) {
        let (i, j) = triangle(chunk);
        let (row, col) = (i * BLOCK, j * BLOCK);
        (block.chunk, block.row, block.col) = (chunk, row, col);
        (block.rows, block.cols) = ((cols - row).min(BLOCK), (cols - col).min(BLOCK));
        let (a, b, to) = (strips.add(row * tokens), wide.add(col * tokens), block.numbers.as_mut_ptr());
        // Whole tiles: what the strips lack is zero.
        let (rows, width) = (block.rows.next_multiple_of(ROWS), block.cols.next_multiple_of(COLS));
        if i == j {
            upper_product(tokens, a, b, width, to, BLOCK, false);
        } else {
            gemm::product(tokens, a, rows, b, tokens, width, to, BLOCK, false);
        }
        use_block(&block);
    }
}

/// Adds the product of a packed run to the sums; after the `last` run they become symmetric.
#[wasm_bindgen]
pub unsafe fn add_gram(team: *const Team, strips: *mut f32, tokens: usize, cols: usize, sums: *mut f32, last: bool) {
    let low = sums.add(cols * cols);
    products(&*team, strips, tokens, cols, |block| {
        for i in 0..block.rows {
            let first = block.first(i) & !3; // whole registers
            let at = (block.row + i) * cols + block.col + first;
            let x = block.numbers.as_ptr().add(i * BLOCK + first);
            add(x, block.cols - first, sums.add(at), low.add(at));
        }
        if last {
            for part in [sums, low] {
                mirror(part, cols, block);
            }
        }
    });
}

/// `high + low += x`, `n` numbers: Knuth's exact sum of two, then the two parts in order again.
unsafe fn add(x: *const f32, n: usize, high: *mut f32, low: *mut f32) {
    let whole = n & !3;
    for j in (0..whole).step_by(4) {
        let (h, l) = sum(F32x4::load(high.add(j)), F32x4::load(low.add(j)), F32x4::load(x.add(j)));
        h.store(high.add(j));
        l.store(low.add(j));
    }
    for j in whole..n {
        let (h, l) = sum(F32x4::splat(*high.add(j)), F32x4::splat(*low.add(j)), F32x4::splat(*x.add(j)));
        *high.add(j) = h.to_array()[0];
        *low.add(j) = l.to_array()[0];
    }
}

#[inline(always)]
fn sum(high: F32x4, low: F32x4, x: F32x4) -> (F32x4, F32x4) {
    let s = high.add(x);
    let from_x = s.sub(high);
    let lost = high.sub(s.sub(from_x)).add(x.sub(from_x));
    let low = low.add(lost);
    let high = s.add(low);
    (high, low.sub(high.sub(s)))
}

/// Copies a block of the matrix (cols x cols) to its mirror image.
unsafe fn mirror(matrix: *mut f32, cols: usize, block: &Product) {
    for r in block.row..block.row + block.rows {
        for c in block.col.max(r + 1)..block.col + block.cols {
            *matrix.add(c * cols + r) = *matrix.add(r * cols + c);
        }
    }
}

/// Row and column of the chunk-th block of an upper triangle, column by column.
fn triangle(chunk: usize) -> (usize, usize) {
    let mut col = 0;
    let mut left = chunk;
    while left > col {
        left -= col + 1;
        col += 1;
    }
    (left, col)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{close, numbers};
    use crate::team::alone;

    /// Adds x (tokens x cols) as the backend does.
    fn accumulate(x: &[f32], cols: usize, sums: &mut [f32]) {
        let tokens = x.len() / cols;
        let most = gram_run().min(tokens);
        let mut strips = vec![f32::NAN; gram_scratch(most, cols)];
        for first in (0..tokens).step_by(most) {
            let run = most.min(tokens - first);
            let (p, s, g) = (x[first * cols..].as_ptr(), strips.as_mut_ptr(), sums.as_mut_ptr());
            unsafe {
                alone(|team| pack_gram(team, p, run, cols, s));
                alone(|team| add_gram(team, s, run, cols, g, first + run == tokens));
            }
        }
    }

    #[test]
    fn the_triangle_is_whole() {
        let all: Vec<_> = (0..10).map(triangle).collect();
        assert_eq!(all, (0..4).flat_map(|j| (0..=j).map(move |i| (i, j))).collect::<Vec<_>>());
    }

    #[test]
    fn gram_is_the_sum_of_the_outer_products_and_symmetric_to_the_bit() {
        for (tokens, cols) in [(1, 1), (3, 5), (17, 64), (33, 65), (400, 131)] {
            let x = numbers(tokens * cols, 1);
            let n = cols * cols;
            let mut sums: Vec<f32> = (0..n).map(|i| (i / cols + i % cols) as f32).collect();
            sums.resize(2 * n, 0.0);
            accumulate(&x, cols, &mut sums);
            for i in 0..cols {
                for j in 0..cols {
                    let (mut sum, mut size) = (0.0, 0.0);
                    for t in 0..tokens {
                        let term = x[t * cols + i] as f64 * x[t * cols + j] as f64;
                        sum += term;
                        size += term.abs();
                    }
                    let (at, mirrored) = (i * cols + j, j * cols + i);
                    let added = sums[at] as f64 - (i + j) as f64 + sums[n + at] as f64;
                    close(added as f32, sum, size, tokens.min(gram_run()), &format!("gram[{i}, {j}] of {cols}"));
                    assert_eq!((sums[at], sums[n + at]), (sums[mirrored], sums[n + mirrored]));
                }
            }
        }
    }

    #[test]
    fn many_small_additions_to_a_large_sum_are_not_lost() {
        // One step of 1 in an f32 of 2^24 is half a unit: f32 would lose it, every time.
        let (times, large) = (1000, 2f32.powi(24));
        let mut sums = vec![large, 0.0];
        for _ in 0..times {
            accumulate(&[1.0], 1, &mut sums);
        }
        assert_eq!(sums[0] as f64 + sums[1] as f64, large as f64 + times as f64);
    }
}
