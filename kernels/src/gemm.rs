//! `y = x Wᵀ` for a block of tokens and a slice of W that is already packed. The depth is cut so that a panel of W and
//! a panel of x stay in the first-level cache together:
//!
//! ```text
//!   for every run of DEPTH inputs
//!       pack x[block, run]                   private scratch, second-level cache
//!       for every panel of W (8 outputs)     first-level cache: 8 x DEPTH
//!           for every panel of x (4 tokens)
//!               tile
//! ```
//!
//! A result is the sum of its runs in their order, whatever the block it was computed in: the bytes do not depend on
//! how the tokens were cut.

use crate::dtype::Single;
use crate::pack;
use crate::tile::{self, COLS, ROWS};

/// The longest run of inputs between two updates of y. 4 rows of x and 8 of W take 18 KiB of a first-level cache of 32.
/// Runs of 576 are 3 % faster (Zen 4), but their rounding is a quarter larger: too much for the statistic of SmolLM2's
/// dense network to agree with the published one to 1e-5.
pub const DEPTH: usize = 384;
/// The most tokens of a block, a multiple of `ROWS`: 192 x 384 x 4 = 288 KiB of a second-level cache of 1 MiB.
pub const BLOCK: usize = 192;
/// f32 of private scratch that [`multiply`] needs for each worker.
pub const SCRATCH: usize = BLOCK * DEPTH;

/// Packs panel `p` of the rows `first..first + rows` of W into its place in the packed slice.
/// # Safety
/// W can be read, and the panel (8 x depth f32) written.
pub unsafe fn pack_weight<T: crate::dtype::Stored>(
    weight: *const u8,
    first: usize,
    rows: usize,
    depth: usize,
    p: usize,
    panels: *mut f32,
) {
    pack::panel::<T, COLS>(
        weight,
        (first + p * COLS) * depth,
        depth,
        (rows - p * COLS).min(COLS),
        depth,
        panels.add(p * COLS * depth),
    );
}

/// `y[tokens x outs] (+)= x[tokens x depth] Wᵀ`, x and y with rows `depth` and `stride` apart, `tokens <= BLOCK`.
/// # Safety
/// All of it can be read and written, and `SCRATCH` f32 at `scratch`.
#[allow(clippy::too_many_arguments)]
pub unsafe fn multiply(
    x: *const f32,
    tokens: usize,
    depth: usize,
    panels: *const f32,
    outs: usize,
    y: *mut f32,
    stride: usize,
    add: bool,
    scratch: *mut f32,
) {
    let runs = depth.div_ceil(DEPTH);
    let size = depth.div_ceil(runs);
    for run in 0..runs {
        let k = run * size;
        let deep = size.min(depth - k);
        let add = add || run > 0;
        for t in (0..tokens).step_by(ROWS) {
            pack::panel::<Single, ROWS>(
                x as *const u8,
                t * depth + k,
                depth,
                (tokens - t).min(ROWS),
                deep,
                scratch.add(t * deep),
            );
        }
        product(deep, scratch, tokens, panels.add(k * COLS), depth, outs, y, stride, add);
    }
}

/// `c[rows x cols] (+)= a b` over `depth`: `a` in panels of `ROWS`, `b` in panels of `COLS` that lie `apart` deep.
/// # Safety
/// The panels can be read, c written.
#[allow(clippy::too_many_arguments)]
pub unsafe fn product(
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
    for j in (0..cols).step_by(COLS) {
        let (b, c) = (b.add(j * apart), c.add(j));
        let width = (cols - j).min(COLS);
        let whole = if width == COLS { rows / ROWS } else { 0 };
        tile::column(whole, depth, a, b, c, stride, add);
        for i in (whole * ROWS..rows).step_by(ROWS) {
            let height = (rows - i).min(ROWS);
            tile::part(depth, a.add(i * depth), b, c.add(i * stride), stride, add, height, width);
        }
    }
}

/// The blocks that `tokens` are cut into: block `chunk` as (first token, tokens), none behind the last. They shrink
/// towards the end so that the workers finish together.
pub fn block(tokens: usize, workers: usize, chunk: usize) -> Option<(usize, usize)> {
    let mut first = 0;
    for i in 0.. {
        let left = tokens - first;
        if left == 0 {
            break;
        }
        let size = (left / (2 * workers)).next_multiple_of(ROWS).clamp(ROWS, BLOCK).min(left);
        if i == chunk {
            return Some((first, size));
        }
        first += size;
    }
    None
}
