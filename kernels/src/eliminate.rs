//! SparseGPT's elimination (Frantar & Alistarh, 2023, algorithm 1): columns from left to right, `err = (w - q) / U_jj`, and
//! each column's error is spread over the columns to its right by row j of U. In blocks of columns, and in each block in
//! strips of 8 columns and panels of 4 rows:
//!
//! ```text
//!   clear_dead         once: the weights of dead columns
//!   pack_block         the block's rows of U, in strips                                  a chunk = some strips
//!   eliminate_…        every panel of the block (`panel.rs`), then W right of the block
//!                      -= errors x strips of U (a product)                               a chunk = 32 rows
//! ```
//!
//! Rows do not know of each other: which worker takes a row changes nothing.

use crate::choose::{Below, Choose, Groups, Marked};
use crate::dtype::Single;
use crate::gemm;
use crate::pack;
use crate::panel::{Panel, Strips};
use crate::select_long::kth;
use crate::team::Team;
use crate::tile::{COLS, ROWS};
use crate::worth::Worth;
use wasm_bindgen::prelude::wasm_bindgen;

/// Rows of a chunk: whole panels; 32 x 128 errors are 16 KiB of the first-level cache.
const RUN: usize = 32;
/// Strips of a chunk that packs.
const STRIPS: usize = 4;

/// Sets the weights (rows x cols) of dead columns to 0.
#[wasm_bindgen]
pub unsafe fn clear_dead(team: *const Team, weight: *mut f32, rows: usize, cols: usize, dead: *const f32) {
    for run in (*team).runs(rows, RUN) {
        for j in (0..cols).filter(|&j| *dead.add(j) != 0.0) {
            run.clone().for_each(|row| *weight.add(row * cols + j) = 0.0);
        }
    }
}

/// f32 of the packed strips of a block of `count` columns.
#[wasm_bindgen]
pub fn block_strips(cols: usize, first: usize, count: usize, m: usize) -> usize {
    count * (Strips { m, count }.len() * COLS + (cols - first - count).next_multiple_of(COLS))
}

/// f32 of scratch for each worker that eliminates a block of `count` columns.
#[wasm_bindgen]
pub fn eliminate_scratch(count: usize) -> usize {
    RUN * count
}

/// Packs rows `first..first + count` of U (n x n): the block's own strips, then those of 8 columns on its right.
#[wasm_bindgen]
pub unsafe fn pack_block(
    team: *const Team,
    upper: *const f32,
    n: usize,
    first: usize,
    count: usize,
    m: usize,
    strips: *mut f32,
) {
    let (own, right) = (Strips { m, count }, first + count);
    let rows = upper.add(first * n);
    for s in (*team).runs(own.len() + (n - right).div_ceil(COLS), STRIPS).flatten() {
        let place = if s < own.len() {
            own.get(s).map(|(j, width)| (first + j, width))
        } else {
            let j = right + (s - own.len()) * COLS;
            Some((j, COLS.min(n - j)))
        };
        if let Some((j, width)) = place {
            pack::strip::<Single, COLS>(rows as *const u8, j, n, width, count, strips.add(s * count * COLS));
        }
    }
}

/// Removes from columns `first..first + count` of the weight the weights whose bit is 1 in its mask, and sets their bits in
/// the mask `removed`. `scratch` holds [`eliminate_scratch`] f32 for each worker.
#[wasm_bindgen]
pub unsafe fn eliminate_marked(
    team: *const Team,
    weight: *mut f32,
    rows: usize,
    cols: usize,
    first: usize,
    count: usize,
    strips: *const f32,
    removed: *mut u32,
    mask: *const u32,
    scratch: *mut f32,
) {
    let block = Block { weight, rows, cols, first, strips, own: Strips { m: 1, count }, removed };
    block.eliminate(&*team, scratch, Marked { mask, words: cols.div_ceil(32), bit: first });
}

/// The same with all weights whose worth before the block (see `worth`) is at most the `k`-th smallest, which the
/// histograms know (`select_long.rs`).
#[wasm_bindgen]
pub unsafe fn eliminate_below(
    team: *const Team,
    weight: *mut f32,
    rows: usize,
    cols: usize,
    first: usize,
    count: usize,
    strips: *const f32,
    removed: *mut u32,
    formula: u32,
    column: *const f32,
    histograms: *const u32,
    k: usize,
    scratch: *mut f32,
) {
    let block = Block { weight, rows, cols, first, strips, own: Strips { m: 1, count }, removed };
    let worth = Worth { formula, column: column.add(first) };
    block.eliminate(&*team, scratch, Below { worth, most: kth(histograms, k) });
}

/// u32 of scratch for each worker that [`eliminate_groups`] needs.
#[wasm_bindgen]
pub fn groups_scratch(m: usize) -> usize {
    Groups::scratch(m)
}

/// The same, and at every m-th column chooses the `remove` of the next m that go, by what they are worth then (see
/// `worth`). m divides `first` and `count`. `chosen` holds [`groups_scratch`] u32 for each worker.
#[wasm_bindgen]
pub unsafe fn eliminate_groups(
    team: *const Team,
    weight: *mut f32,
    rows: usize,
    cols: usize,
    first: usize,
    count: usize,
    strips: *const f32,
    removed: *mut u32,
    remove: usize,
    m: usize,
    formula: u32,
    column: *const f32,
    scratch: *mut f32,
    chosen: *mut u32,
) {
    let team = &*team;
    let block = Block { weight, rows, cols, first, strips, own: Strips { m, count }, removed };
    let worth = Worth { formula, column: column.add(first) };
    block.eliminate(team, scratch, Groups::new(worth, remove, m, chosen.add(team.worker * Groups::scratch(m))));
}

/// Some neighbouring columns of the weight and the strips of U that they need.
struct Block {
    weight: *mut f32,
    rows: usize,
    cols: usize,
    first: usize,
    strips: *const f32,
    own: Strips,
    removed: *mut u32,
}

impl Block {
    /// Whoever chooses is asked strip by strip, when the columns before have done their work.
    #[inline(always)]
    unsafe fn eliminate(&self, team: &Team, scratch: *mut f32, mut choose: impl Choose) {
        let count = self.own.count;
        let right = self.first + count;
        let errors = scratch.add(team.worker * eliminate_scratch(count));
        let words = self.cols.div_ceil(32);
        for run in team.runs(self.rows, RUN) {
            for row in run.clone().step_by(ROWS) {
                let panel = Panel {
                    row,
                    height: (run.end - row).min(ROWS),
                    weight: self.weight.add(row * self.cols + self.first),
                    stride: self.cols,
                    errors: errors.add((row - run.start) * count),
                    strips: self.strips,
                    own: self.own,
                    removed: self.removed.add(row * words),
                    words,
                    bit: self.first,
                };
                panel.eliminate(&mut choose);
            }
            let strips = self.strips.add(self.own.len() * COLS * count);
            let to = self.weight.add(run.start * self.cols + right);
            gemm::product(count, errors, run.len(), strips, count, self.cols - right, to, self.cols, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::select_long::{count_digit, histogram_counts};
    use crate::team::alone;
    use crate::worth::{score_block, worth, CURVATURE, MAGNITUDE};

    /// An upper triangle with a strong diagonal.
    fn factor(n: usize) -> Vec<f32> {
        let u = numbers(n * n, 3);
        (0..n * n)
            .map(|at| match (at % n).cmp(&(at / n)) {
                core::cmp::Ordering::Less => 0.0,
                core::cmp::Ordering::Equal => 1.0 + u[at].abs(),
                core::cmp::Ordering::Greater => u[at] / (n as f32).sqrt(),
            })
            .collect()
    }

    /// The column loop in f64, weight by weight; `falls` is asked in the order of the columns.
    fn truth(weight: &[f32], u: &[f32], n: usize, mut falls: impl FnMut(&[f64], usize, usize) -> bool) -> Vec<f64> {
        let mut w: Vec<f64> = weight.iter().map(|&x| x as f64).collect();
        for row in 0..w.len() / n {
            for j in 0..n {
                if falls(&w[row * n..(row + 1) * n], row, j) {
                    let error = w[row * n + j] / u[j * n + j] as f64;
                    (j..n).for_each(|k| w[row * n + k] -= error * u[j * n + k] as f64);
                    w[row * n + j] = 0.0;
                }
            }
        }
        w
    }

    /// The elimination in blocks by these commands.
    fn eliminate(
        weight: &mut [f32],
        u: &[f32],
        n: usize,
        block: usize,
        m: usize,
        mut command: impl FnMut(*const Team, *mut f32, usize, usize, *const f32, *mut u32, *mut f32),
    ) {
        let words = n.div_ceil(32);
        let mut removed = vec![0u32; weight.len() / n * words];
        for first in (0..n).step_by(block) {
            let count = block.min(n - first);
            let mut strips = vec![f32::NAN; block_strips(n, first, count, m)];
            let mut scratch = vec![f32::NAN; eliminate_scratch(count)];
            let (w, p, s, e) = (weight.as_mut_ptr(), u.as_ptr(), strips.as_mut_ptr(), scratch.as_mut_ptr());
            unsafe {
                alone(|team| pack_block(team, p, n, first, count, m, s));
                alone(|team| command(team, w, first, count, s, removed.as_mut_ptr(), e));
            }
        }
        for (at, &x) in weight.iter().enumerate() {
            let (i, j) = (at / n, at % n);
            assert_eq!(removed[i * words + j / 32] >> (j % 32) & 1 == 1, x == 0.0, "the bit of weight {at}");
        }
    }

    /// Each update adds an error in the last place of a weight that grows to some units at most.
    fn compare(found: &[f32], expected: &[f64], n: usize, what: &str) {
        for (at, (&x, &y)) in found.iter().zip(expected).enumerate() {
            assert_eq!(x == 0.0, y == 0.0, "{what}: weight {at}");
            assert!((x as f64 - y).abs() <= n as f64 * 2f64.powi(-21), "{what}: weight {at}: {x} is not {y}");
        }
    }

    #[test]
    fn marked_weights_go_and_their_errors_spread_in_blocks_of_any_width() {
        for (rows, n, block) in [(1, 1, 1), (3, 9, 4), (5, 40, 16), (70, 131, 128), (33, 200, 37)] {
            let (weight, u) = (numbers(rows * n, 1), factor(n));
            let words = n.div_ceil(32);
            let mask: Vec<u32> =
                numbers(rows * words, 2).iter().map(|x| x.to_bits().wrapping_mul(2_654_435_761)).collect();
            let mut found = weight.clone();
            eliminate(&mut found, &u, n, block, 1, |team, w, first, count, strips, removed, scratch| unsafe {
                eliminate_marked(team, w, rows, n, first, count, strips, removed, mask.as_ptr(), scratch);
            });
            let expected = truth(&weight, &u, n, |_, row, j| mask[row * words + j / 32] >> (j % 32) & 1 == 1);
            compare(&found, &expected, n, &format!("{rows} x {n} by {block}"));
        }
    }

    #[test]
    fn groups_are_chosen_when_they_are_reached() {
        for (m, remove, groups) in
            [(1, 1, 3), (2, 1, 20), (3, 1, 15), (4, 2, 16), (5, 3, 9), (8, 4, 9), (12, 6, 7), (40, 20, 2)]
        {
            for formula in [MAGNITUDE, CURVATURE] {
                let (rows, n, block) = (6, m * groups, 16usize.next_multiple_of(m));
                let (weight, u) = (numbers(rows * n, 1), factor(n));
                let mut column = vec![0f32; n];
                unsafe { alone(|team| worth(team, formula, u.as_ptr(), n, column.as_mut_ptr())) }
                let mut chosen = vec![0u32; groups_scratch(m)];
                let mut found = weight.clone();
                eliminate(&mut found, &u, n, block, m, |team, w, first, count, strips, removed, scratch| unsafe {
                    let (c, s) = (column.as_ptr(), chosen.as_mut_ptr());
                    eliminate_groups(
                        team, w, rows, n, first, count, strips, removed, remove, m, formula, c, scratch, s,
                    );
                });
                let mut falls = vec![];
                let expected = truth(&weight, &u, n, |w, _, j| {
                    if j % m == 0 {
                        let of = |i: usize| match formula {
                            MAGNITUDE => w[j + i].abs(),
                            _ => (w[j + i] / u[(j + i) * n + j + i] as f64).powi(2),
                        };
                        falls = (0..m).collect();
                        falls.sort_by(|&a, &b| of(a).total_cmp(&of(b)));
                        falls.truncate(remove);
                    }
                    falls.contains(&(j % m))
                });
                compare(&found, &expected, n, &format!("{remove} of {m}"));
            }
        }
    }

    #[test]
    fn dead_columns_are_cleared_and_the_rest_stays() {
        let mut weight = vec![1f32; 6];
        let dead = [0.0, 1.0, 0.0f32];
        unsafe { alone(|team| clear_dead(team, weight.as_mut_ptr(), 2, 3, dead.as_ptr())) }
        assert_eq!(weight, [1.0, 0.0, 1.0, 1.0, 0.0, 1.0]);
    }

    #[test]
    fn what_is_worth_least_before_a_block_goes_and_ties_at_the_threshold_too() {
        let (rows, n, block) = (21, 75, 32);
        let u = factor(n);
        // Quarters, so that many are alike in the first block.
        let weight: Vec<f32> = numbers(rows * n, 1).iter().map(|x| (x * 4.0).round() / 4.0).collect();
        for formula in [MAGNITUDE, CURVATURE] {
            let mut column = vec![0f32; n];
            unsafe { alone(|team| worth(team, formula, u.as_ptr(), n, column.as_mut_ptr())) }
            let mut found = weight.clone();
            let mut falls = vec![false; rows * n];
            eliminate(&mut found, &u, n, block, 1, |team, w, first, count, strips, removed, scratch| unsafe {
                let (size, k) = (rows * count, rows * count / 2 + 1);
                let mut scores = vec![0f32; size];
                let mut counts = vec![0u32; histogram_counts()];
                let (c, s, h) = (column.as_ptr(), scores.as_mut_ptr(), counts.as_mut_ptr());
                alone(|team| score_block(team, w, rows, n, first, count, formula, c, s));
                (0..3).for_each(|digit| alone(|team| count_digit(team, s as *const u32, size, k, digit, h)));
                let mut sorted = scores.clone();
                sorted.sort_by(f32::total_cmp);
                for (at, score) in scores.iter().enumerate() {
                    let (i, j) = (at / count, first + at % count);
                    let x = *w.add(i * n + j);
                    assert_eq!(*score, if formula == CURVATURE { x * x / column[j] } else { x.abs() });
                    falls[i * n + j] = *score <= sorted[k - 1];
                }
                eliminate_below(team, w, rows, n, first, count, strips, removed, formula, c, h, k, scratch);
            });
            compare(&found, &truth(&weight, &u, n, |_, row, j| falls[row * n + j]), n, "threshold");
        }
    }
}
