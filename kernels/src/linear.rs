//! `y = x Wᵀ (+ bias)`, W in the checkpoint's dtype. W goes slice by slice of its rows, so that the packed form stays
//! small; each slice is two commands:
//!
//! ```text
//!   pack_slice   W[slice] ──▶ panels of 8 rows, f32, in a scratch that all share     a chunk = a panel
//!   linear       y[block, slice] = x[block] panelsᵀ                                   a chunk = a block of tokens
//! ```

use crate::dtype::{widen, Stored};
use crate::gemm::{self, pack_weight, SCRATCH};
use crate::stored;
use crate::team::Team;
use crate::tile::COLS;
use wasm_bindgen::prelude::wasm_bindgen;

/// Packs rows `first..first + rows` of the weight (rows of `depth` numbers) into `panels`.
#[wasm_bindgen]
pub unsafe fn pack_slice(
    team: *const Team,
    weight: *const u8,
    dtype: u32,
    depth: usize,
    first: usize,
    rows: usize,
    panels: *mut f32,
) {
    for p in (*team).chunks(rows.div_ceil(COLS)) {
        stored!(dtype, pack_weight(weight, first, rows, depth, p, panels));
    }
}

/// f32 of scratch for each worker that [`linear`] needs.
#[wasm_bindgen]
pub fn linear_scratch() -> usize {
    SCRATCH
}

/// Columns `first..first + outs` of y (tokens x `stride`) from the packed slice of the weight. `bias` (1 x stride) is
/// null if there is none. `scratch` holds [`SCRATCH`] f32 for each worker.
#[wasm_bindgen]
pub unsafe fn linear(
    team: *const Team,
    x: *const f32,
    tokens: usize,
    depth: usize,
    panels: *const f32,
    first: usize,
    outs: usize,
    bias: *const u8,
    bias_dtype: u32,
    y: *mut f32,
    stride: usize,
    scratch: *mut f32,
) {
    let team = &*team;
    let scratch = scratch.add(team.worker * SCRATCH);
    let biased = !bias.is_null();
    for chunk in team.chunks(usize::MAX) {
        let Some((token, count)) = gemm::block(tokens, team.workers, chunk) else {
            break;
        };
        let x = x.add(token * depth);
        let y = y.add(token * stride + first);
        if biased {
            for t in 0..count {
                stored!(bias_dtype, copy_bias(bias, first, outs, y.add(t * stride)));
            }
        }
        gemm::multiply(x, count, depth, panels, outs, y, stride, biased, scratch);
    }
}

unsafe fn copy_bias<T: Stored>(bias: *const u8, first: usize, outs: usize, y: *mut f32) {
    widen::<T>(bias.add(first * T::BYTES), outs, y);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{close_product, numbers};
    use crate::team::alone;
    use core::ptr::null;

    fn check(tokens: usize, depth: usize, outs: usize, slice: usize, with_bias: bool) {
        let x = numbers(tokens * depth, 1);
        let weight = numbers(outs * depth, 2);
        let bias = numbers(outs, 3);
        let mut y = vec![f32::NAN; tokens * outs];
        let mut panels = vec![0f32; slice.next_multiple_of(COLS) * depth];
        let mut scratch = vec![0f32; SCRATCH];
        let b = if with_bias { bias.as_ptr() as *const u8 } else { null() };
        for first in (0..outs).step_by(slice) {
            let rows = slice.min(outs - first);
            let (w, p, s) = (weight.as_ptr() as *const u8, panels.as_mut_ptr(), scratch.as_mut_ptr());
            let (px, py) = (x.as_ptr(), y.as_mut_ptr());
            unsafe {
                alone(|team| pack_slice(team, w, 0, depth, first, rows, p));
                alone(|team| linear(team, px, tokens, depth, p, first, rows, b, 0, py, outs, s));
            }
        }
        close_product(&y, &x, &weight, with_bias.then_some(&bias), depth, "");
    }

    #[test]
    fn linear_is_the_product_at_every_edge_of_a_tile() {
        for tokens in [1, 5, 6, 7, 13] {
            for depth in [1, 3, 4, 9] {
                for outs in [1, 7, 8, 9, 17] {
                    check(tokens, depth, outs, 8, false);
                }
            }
        }
    }

    #[test]
    fn linear_is_the_product_over_several_blocks_runs_and_slices() {
        check(211, 801, 40, 16, true);
        check(1, 577, 9, 64, true);
    }
}
