//! How magnitudes are distributed between 0 and the greatest of them:
//!
//! ```text
//!   greatest_parts    the greatest of each run                          a chunk = a run
//!   histogram_parts   counts by bin, a table for each worker            a chunk = a run
//!   histogram_total   the sum of all tables                             once
//! ```
//!
//! A table belongs to a worker and not to a chunk: counts are whole numbers, whose sum does not hang on who counted.

use crate::dtype::Stored;
use crate::simd::F32x4;
use crate::stored;
use crate::team::Team;
use core::slice::from_raw_parts;
use wasm_bindgen::prelude::wasm_bindgen;

/// Numbers of a chunk.
const RUN: usize = 32768;
/// Tables of a worker, one for each lane: neighbours are often in one bin, and would wait for each other there.
const LANES: usize = 4;

/// Runs of so many numbers: f32 of [`greatest_parts`].
#[wasm_bindgen]
pub fn histogram_runs(size: usize) -> usize {
    size.div_ceil(RUN)
}

/// u32 of a table: the greatest of all numbers has a place of its own, behind the bins.
fn places(bins: usize) -> usize {
    bins + 1
}

/// u32 of the tables of all workers.
#[wasm_bindgen]
pub fn histogram_tables(workers: usize, bins: usize) -> usize {
    workers * LANES * places(bins)
}

/// The greatest magnitude of every run of `size` finite numbers.
#[wasm_bindgen]
pub unsafe fn greatest_parts(team: *const Team, values: *const u8, dtype: u32, size: usize, parts: *mut f32) {
    for run in (*team).runs(size, RUN) {
        *parts.add(run.start / RUN) = stored!(dtype, greatest(values, run.start, run.len()));
    }
}

unsafe fn greatest<T: Stored>(values: *const u8, first: usize, n: usize) -> f32 {
    let whole = n & !3;
    let mut most = F32x4::splat(0.0);
    for i in (0..whole).step_by(4) {
        most = most.max(T::load(values, first + i).abs());
    }
    if whole < n {
        most = most.max(T::load_some(values, first + whole, n - whole).abs());
    }
    most.to_array().into_iter().fold(0.0, f32::max)
}

/// Counts into this worker's tables, which begin as zeros.
#[wasm_bindgen]
pub unsafe fn histogram_parts(
    team: *const Team,
    values: *const u8,
    dtype: u32,
    size: usize,
    bins: usize,
    parts: *const f32,
    tables: *mut u32,
) {
    let team = &*team;
    let most = from_raw_parts(parts, histogram_runs(size)).iter().copied().fold(0.0, f32::max);
    let tables = tables.add(team.worker * LANES * places(bins));
    // Bins times a number of 24 bits, divided by another, is a whole number or further from one than 2^-34 of itself: a
    // scale that is too large by 2^-45 makes up for its rounding and never leads into the next bin.
    let scale = if most > 0.0 { bins as f64 / most as f64 * (1.0 + 2f64.powi(-45)) } else { 0.0 };
    for run in team.runs(size, RUN) {
        stored!(dtype, count(values, run.start, run.len(), scale, places(bins), tables));
    }
}

#[inline(always)]
unsafe fn count<T: Stored>(values: *const u8, first: usize, n: usize, scale: f64, places: usize, tables: *mut u32) {
    // No number is above the greatest: every place is in the table.
    let add = |lane: usize, x: f32| *tables.add(lane * places + (x as f64 * scale) as usize) += 1;
    let whole = n & !3;
    for i in (0..whole).step_by(4) {
        let four = T::load(values, first + i).abs().to_array();
        (0..LANES).for_each(|lane| add(lane, four[lane]));
    }
    if whole < n {
        let last = T::load_some(values, first + whole, n - whole).abs().to_array();
        (0..n - whole).for_each(|lane| add(lane, last[lane]));
    }
}

/// The counts, as two f32 each whose sum it is: `out` is 2 x bins.
#[wasm_bindgen]
pub unsafe fn histogram_total(team: *const Team, tables: *const u32, workers: usize, bins: usize, out: *mut f32) {
    for bin in (*team).chunks(bins) {
        let greatest = if bin + 1 == bins { 1 } else { 0 };
        let of_table = |table: usize| {
            let table = tables.add(table * places(bins) + bin);
            *table + greatest * *table.add(greatest as usize)
        };
        let count: u32 = (0..workers * LANES).map(of_table).sum();
        let high = count as f32;
        *out.add(bin) = high;
        *out.add(bins + bin) = (count as f64 - high as f64) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;

    fn histogram(values: &[f32], bins: usize) -> Vec<f64> {
        let (size, v) = (values.len(), values.as_ptr() as *const u8);
        let mut parts = vec![f32::NAN; histogram_runs(size)];
        let mut tables = vec![0u32; histogram_tables(1, bins)];
        let mut out = vec![f32::NAN; 2 * bins];
        let (p, t, o) = (parts.as_mut_ptr(), tables.as_mut_ptr(), out.as_mut_ptr());
        unsafe {
            alone(|team| greatest_parts(team, v, 0, size, p));
            alone(|team| histogram_parts(team, v, 0, size, bins, p, t));
            alone(|team| histogram_total(team, t, 1, bins, o));
        }
        (0..bins).map(|bin| out[bin] as f64 + out[bins + bin] as f64).collect()
    }

    /// By whole numbers: the bits of `bins * value` are compared with those of `bin * greatest`.
    fn truth(values: &[f32], bins: usize) -> Vec<f64> {
        let most = values.iter().fold(0f32, |most, x| most.max(x.abs()));
        let parts = |x: f32| ((x.to_bits() & 0x7f_ffff | 0x80_0000) as u128, x.to_bits() >> 23);
        let mut counts = vec![0f64; bins];
        for x in values.iter().map(|x| x.abs()) {
            let bin = if x == 0.0 {
                0
            } else {
                let ((a, from), (b, to)) = (parts(x), parts(most));
                if to - from > 60 {
                    0
                } else {
                    (((a * bins as u128) >> (to - from)) / b) as usize
                }
            };
            counts[bin.min(bins - 1)] += 1.0;
        }
        counts
    }

    #[test]
    fn numbers_on_an_edge_are_in_the_bin_above_it() {
        for bins in [1, 2, 3, 100, 128, 256] {
            // Every edge, and its neighbours.
            for greatest in [1f32, 3.0, 0.7, 1.0 - f32::EPSILON] {
                let edges = (0..=bins).map(|bin| (greatest as f64 * bin as f64 / bins as f64) as f32);
                let values: Vec<f32> = edges
                    .flat_map(|edge| [edge, -edge.next_up(), edge.next_down().max(0.0)])
                    .filter(|x| x.abs() <= greatest)
                    .collect();
                assert_eq!(histogram(&values, bins), truth(&values, bins), "{bins} bins to {greatest}");
            }
            let values = numbers(70001, 6);
            assert_eq!(histogram(&values, bins), truth(&values, bins));
        }
        assert_eq!(histogram(&[0.0; 5], 4), [5.0, 0.0, 0.0, 0.0]);
    }
}
