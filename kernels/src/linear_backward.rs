//! The backward pass of `y = x Wᵀ + b`. By x it is `dy W`: panels of W's columns in the place of its rows, and the product of
//! `linear.rs` goes over them. By W it is `dyᵀ x`, whose depth is the tokens; they come in runs, as in `gram.rs`:
//!
//! ```text
//!   pack_columns   columns of W ──▶ panels of 8 columns, f32                       a chunk = some panels
//!   linear         dx[block, slice] = dy[block] panelsᵀ
//!
//!   pack_outer     a run of dy and x ──▶ strips of 4 columns, strips of 8          a chunk = 64 columns of either
//!   add_outer      gradient[block] += strips of dy x strips of x                   a chunk = a block of 192 x 128
//! ```
//!
//! A number of the gradient is the sum of its runs in their order, whoever computes its block.

use crate::dtype::{Single, Stored};
use crate::gemm;
use crate::pack;
use crate::stored;
use crate::team::Team;
use crate::tile::{COLS, ROWS};
use wasm_bindgen::prelude::wasm_bindgen;

/// Columns of a packing chunk: of each row whole cache lines.
const PACKED: usize = 64;
/// Rows of a block of the gradient: 192 x 384 x 4 = 288 KiB of strips in a second-level cache of 1 MiB.
const BLOCK_ROWS: usize = gemm::BLOCK;
/// Columns of a block: enough that its strips of rows are worth fetching, few enough that small weights fall into many blocks.
const BLOCK_COLS: usize = 128;

/// Packs columns `first..first + cols` of the weight (`depth` rows of `stride` numbers) into `panels`.
#[wasm_bindgen]
pub unsafe fn pack_columns(
    team: *const Team,
    weight: *const u8,
    dtype: u32,
    depth: usize,
    stride: usize,
    first: usize,
    cols: usize,
    panels: *mut f32,
) {
    for run in (*team).runs(cols, PACKED) {
        for j in run.clone().step_by(COLS) {
            let width = (run.end - j).min(COLS);
            stored!(dtype, pack_strip(weight, first + j, stride, width, depth, panels.add(j * depth)));
        }
    }
}

unsafe fn pack_strip<T: Stored>(p: *const u8, first: usize, stride: usize, cols: usize, depth: usize, to: *mut f32) {
    pack::strip::<T, COLS>(p, first, stride, cols, depth, to);
}

/// The most tokens of a run.
#[wasm_bindgen]
pub fn outer_run() -> usize {
    gemm::DEPTH
}

/// f32 of the strips of a run of tokens: those of dy, and behind them those of x.
#[wasm_bindgen]
pub fn outer_scratch(tokens: usize, outs: usize, ins: usize) -> usize {
    tokens * (outs.next_multiple_of(ROWS) + ins.next_multiple_of(COLS))
}

/// Packs a run of tokens: dy tokens x outs, x tokens x ins.
#[wasm_bindgen]
pub unsafe fn pack_outer(
    team: *const Team,
    dy: *const f32,
    outs: usize,
    x: *const f32,
    ins: usize,
    tokens: usize,
    strips: *mut f32,
) {
    let wide = strips.add(tokens * outs.next_multiple_of(ROWS));
    let chunks = outs.div_ceil(PACKED);
    for chunk in (*team).chunks(chunks + ins.div_ceil(PACKED)) {
        if chunk < chunks {
            for j in (chunk * PACKED..outs.min((chunk + 1) * PACKED)).step_by(ROWS) {
                let width = (outs - j).min(ROWS);
                pack::strip::<Single, ROWS>(dy as *const u8, j, outs, width, tokens, strips.add(j * tokens));
            }
        } else {
            let chunk = chunk - chunks;
            for j in (chunk * PACKED..ins.min((chunk + 1) * PACKED)).step_by(COLS) {
                let width = (ins - j).min(COLS);
                pack::strip::<Single, COLS>(x as *const u8, j, ins, width, tokens, wide.add(j * tokens));
            }
        }
    }
}

/// Adds the product of a packed run to the gradient, outs x ins.
#[wasm_bindgen]
pub unsafe fn add_outer(
    team: *const Team,
    strips: *const f32,
    outs: usize,
    ins: usize,
    tokens: usize,
    gradient: *mut f32,
) {
    let wide = strips.add(tokens * outs.next_multiple_of(ROWS));
    let across = ins.div_ceil(BLOCK_COLS);
    for chunk in (*team).chunks(outs.div_ceil(BLOCK_ROWS) * across) {
        let (row, col) = (chunk / across * BLOCK_ROWS, chunk % across * BLOCK_COLS);
        let (rows, cols) = ((outs - row).min(BLOCK_ROWS), (ins - col).min(BLOCK_COLS));
        let (a, b) = (strips.add(row * tokens), wide.add(col * tokens));
        gemm::product(tokens, a, rows, b, tokens, cols, gradient.add(row * ins + col), ins, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::linear;
    use crate::oracle::{close, close_product, numbers};
    use crate::team::alone;
    use core::ptr::null;

    #[test]
    fn the_gradient_by_the_input_is_the_product_with_the_weight_as_it_lies() {
        for (tokens, outs, ins) in [(1, 1, 1), (5, 9, 7), (13, 40, 33), (7, 401, 70)] {
            let (dy, weight) = (numbers(tokens * outs, 1), numbers(outs * ins, 2));
            let mut dx = vec![f32::NAN; tokens * ins];
            let slice = 32;
            let mut panels = vec![0f32; slice * outs];
            let mut scratch = vec![0f32; gemm::SCRATCH];
            for first in (0..ins).step_by(slice) {
                let cols = slice.min(ins - first);
                let (w, p, s) = (weight.as_ptr() as *const u8, panels.as_mut_ptr(), scratch.as_mut_ptr());
                let (g, x) = (dy.as_ptr(), dx.as_mut_ptr());
                unsafe {
                    alone(|team| pack_columns(team, w, 0, outs, ins, first, cols, p));
                    alone(|team| linear(team, g, tokens, outs, p, first, cols, null(), 0, x, ins, s));
                }
            }
            let transposed: Vec<f32> = (0..outs * ins).map(|at| weight[at % outs * ins + at / outs]).collect();
            close_product(&dx, &dy, &transposed, None, outs, "");
        }
    }

    #[test]
    fn the_gradient_by_the_weight_adds_up_over_the_tokens() {
        for (tokens, outs, ins) in [(1, 1, 1), (6, 5, 9), (400, 200, 130), (3, 193, 129)] {
            let (dy, x, before) = (numbers(tokens * outs, 1), numbers(tokens * ins, 2), numbers(outs * ins, 3));
            let mut gradient = before.clone();
            let mut strips = vec![f32::NAN; outer_scratch(tokens, outs, ins)];
            let (g, p, s, to) = (dy.as_ptr(), x.as_ptr(), strips.as_mut_ptr(), gradient.as_mut_ptr());
            unsafe {
                alone(|team| pack_outer(team, g, outs, p, ins, tokens, s));
                alone(|team| add_outer(team, s, outs, ins, tokens, to));
            }
            for (at, &found) in gradient.iter().enumerate() {
                let terms = (0..tokens).map(|t| dy[t * outs + at / ins] as f64 * x[t * ins + at % ins] as f64);
                let size = terms.clone().map(f64::abs).sum::<f64>() + 1.0;
                close(found, before[at] as f64 + terms.sum::<f64>(), size, tokens, &format!("[{at}]"));
            }
        }
    }
}
