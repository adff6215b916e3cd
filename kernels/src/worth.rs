//! What a weight is worth in an elimination: `|w|`, `|w| * sqrt(statistic)` of its column, or SparseGPT's `w² / U_jj²`. The
//! number that belongs to a column is made once, by `worth`.

use crate::simd::F32x4;
use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// The numbers are those of `FORMULAS` in `src/backend/wasm/solve.ts`.
pub const MAGNITUDE: u32 = 0;
pub const ACTIVATION: u32 = 1;
pub const CURVATURE: u32 = 2;

/// Rows of a chunk.
const RUN: usize = 32;
/// Columns of a chunk.
const COLS: usize = 1024;

/// A formula and its number of every column.
#[derive(Clone, Copy)]
pub struct Worth {
    pub formula: u32,
    pub column: *const f32,
}

impl Worth {
    /// Of four weights of four columns.
    #[inline(always)]
    pub fn of(self, weight: F32x4, column: F32x4) -> F32x4 {
        match self.formula {
            CURVATURE => weight.mul(weight).div(column),
            _ => weight.abs().mul(column),
        }
    }
}

/// The number of every column: 1, the root of `from` (the statistic, 1 x n), or the square of the diagonal of `from` (U,
/// n x n).
#[wasm_bindgen]
pub unsafe fn worth(team: *const Team, formula: u32, from: *const f32, n: usize, column: *mut f32) {
    for j in (*team).runs(n, COLS).flatten() {
        *column.add(j) = match formula {
            MAGNITUDE => 1.0,
            ACTIVATION => (*from.add(j)).sqrt(),
            _ => *from.add(j * n + j) * *from.add(j * n + j),
        };
    }
}

/// What the weights of columns `first..first + count` are worth: rows x count.
#[wasm_bindgen]
pub unsafe fn score_block(
    team: *const Team,
    weight: *const f32,
    rows: usize,
    cols: usize,
    first: usize,
    count: usize,
    formula: u32,
    column: *const f32,
    scores: *mut f32,
) {
    let worth = Worth { formula, column: column.add(first) };
    for row in (*team).runs(rows, RUN).flatten() {
        let (from, to) = (weight.add(row * cols + first), scores.add(row * count));
        let whole = count & !3;
        for j in (0..whole).step_by(4) {
            worth.of(F32x4::load(from.add(j)), F32x4::load(worth.column.add(j))).store(to.add(j));
        }
        for j in whole..count {
            let score = worth.of(F32x4::splat(*from.add(j)), F32x4::splat(*worth.column.add(j)));
            *to.add(j) = score.to_array()[0];
        }
    }
}
