//! Wanda's variant: of every row the smallest scores fall whose running sum stays within alpha times the row's sum, and
//! those equal to the last of them. One alpha serves the matrix; the published bisection looks for it:
//!
//! ```text
//!   sort_rows          every row sorted, its sum; once
//!   cumulative_step    x 11: with step i's alpha, every row's threshold, and how many scores fall in all
//!   mark_cumulative    the mask of the last alpha
//! ```
//!
//! The alpha of a step follows from the counts of the steps before it, so each worker works it out for itself; when the
//! search has ended, the remaining steps do nothing. Sums are f64 in ascending order, rounded to f32 before they are
//! compared, and sparsities are f32: as in the published code, whose tensors are f32 and accumulate in f64.

use crate::cut::Cut;
use crate::team::Team;
use core::slice::{from_raw_parts, from_raw_parts_mut};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use wasm_bindgen::prelude::wasm_bindgen;

/// The search ends when the sparsity is this near, or its interval this short (the published code's constant).
const NEAR: f64 = 0.001;
/// The search begins with this interval.
const WIDEST: (f64, f64) = (0.0, 0.8);
/// Rows of a chunk.
const CHUNK: usize = 4;

/// Sorts a copy of every row, and sums it.
#[wasm_bindgen]
pub unsafe fn sort_rows(
    team: *const Team,
    scores: *const u32,
    rows: usize,
    cols: usize,
    sorted: *mut u32,
    sums: *mut f32,
) {
    for row in (*team).runs(rows, CHUNK).flatten() {
        let sorted = from_raw_parts_mut(sorted.add(row * cols), cols);
        sorted.copy_from_slice(from_raw_parts(scores.add(row * cols), cols));
        sorted.sort_unstable();
        *sums.add(row) = sorted.iter().map(|&x| f32::from_bits(x) as f64).sum::<f64>() as f32;
    }
}

/// The alpha of step `step`, from how many of all scores fell in the steps before it; `None` if the search has ended.
fn alpha(counts: &[u32], of: usize, sparsity: f64) -> Option<f64> {
    let (mut low, mut high) = WIDEST;
    let mut alpha = (low + high) / 2.0;
    for &count in counts {
        let found = count as f32 / of as f32;
        let near = (found - sparsity as f32).abs() <= NEAR as f32;
        if near || high - low < NEAR {
            return None;
        }
        if found > sparsity as f32 {
            (alpha, high) = ((alpha + low) / 2.0, alpha);
        } else {
            (alpha, low) = ((alpha + high) / 2.0, alpha);
        }
    }
    Some(alpha)
}

/// One step of the search: `thresholds` of the rows (everything below falls) and, in `counts[step]`, how many fall.
#[wasm_bindgen]
pub unsafe fn cumulative_step(
    team: *const Team,
    sorted: *const u32,
    sums: *const f32,
    rows: usize,
    cols: usize,
    sparsity: f64,
    step: usize,
    counts: *mut u32,
    thresholds: *mut u32,
) {
    let Some(alpha) = alpha(from_raw_parts(counts, step), rows * cols, sparsity) else {
        // The search has ended, and every later step sees so too: the counts before this one stay.
        return;
    };
    let mut fallen = 0;
    for row in (*team).runs(rows, CHUNK).flatten() {
        let sorted = from_raw_parts(sorted.add(row * cols), cols);
        let within = within(sorted, *sums.add(row) * alpha as f32);
        fallen += within as u32;
        *thresholds.add(row) = if within == 0 { 0 } else { sorted[within - 1] + 1 };
    }
    (*(counts.add(step) as *const AtomicU32)).fetch_add(fallen, Relaxed);
}

/// How many of the ascending scores have a running sum within the limit, and those equal to the last of them.
fn within(sorted: &[u32], limit: f32) -> usize {
    let mut sum = 0f64;
    let exceeds = |&bits: &u32| {
        sum += f32::from_bits(bits) as f64;
        sum as f32 > limit
    };
    let count = sorted.iter().position(exceeds).unwrap_or(sorted.len());
    match count.checked_sub(1) {
        None => 0,
        Some(last) => last + sorted[last..].iter().take_while(|&&x| x == sorted[last]).count(),
    }
}

/// The mask of the thresholds.
#[wasm_bindgen]
pub unsafe fn mark_cumulative(
    team: *const Team,
    scores: *const u32,
    rows: usize,
    cols: usize,
    thresholds: *const u32,
    mask: *mut u32,
) {
    let words = cols.div_ceil(32);
    for row in (*team).runs(rows, CHUNK).flatten() {
        let mut cut = Cut { at: *thresholds.add(row), ties: 0 };
        cut.mark(from_raw_parts(scores.add(row * cols), cols), from_raw_parts_mut(mask.add(row * words), words));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_sum_stays_within_the_limit_and_ties_follow_the_last() {
        let bits = |scores: &[f32]| scores.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let row = bits(&[0.0, 1.0, 2.0, 2.0, 2.0, 9.0]);
        assert_eq!(within(&row, 2.9), 2);
        assert_eq!(within(&row, 3.0), 5);
        assert_eq!(within(&row, 16.0), 6);
        assert_eq!(within(&row, 0.0), 1);
        assert_eq!(within(&bits(&[1.0, 1.0]), 0.5), 0);
    }

    #[test]
    fn the_search_halves_its_interval_from_the_old_alpha() {
        assert_eq!(alpha(&[], 100, 0.5), Some(0.4));
        assert_eq!(alpha(&[60], 100, 0.5), Some(0.2));
        assert_eq!(alpha(&[40], 100, 0.5), Some((0.4 + 0.8) / 2.0));
        assert_eq!(alpha(&[60, 40], 100, 0.5), Some((0.2 + 0.4) / 2.0));
        assert_eq!(alpha(&[50], 100, 0.5), None);
        let halved = (0..).take_while(|&n| alpha(&vec![0; n], 100, 0.5).is_some()).count();
        assert_eq!(halved, 11);
    }
}
