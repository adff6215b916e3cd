//! The smallest scores of one long group, such as a whole matrix: a radix selection in which all workers count
//! together. The 31 bits of a score without its sign fall into three digits; each command counts, among the scores that share the
//! digits found so far, how often each next digit occurs:
//!
//! ```text
//!   zero             histograms of 3 x 2048
//!   count_digit 0    bits 30..20    ┐ a worker counts its runs for itself and then
//!   count_digit 1    bits 19..9     │ adds to the shared histogram: integers, so the
//!   count_digit 2    bits  8..0     ┘ order does not matter
//!   count_ties       of every run of rows, how many equal the score at the cut
//!   mark_long        the mask; a run knows from the runs before it how many ties are left
//! ```
//!
//! No command hands anything to the next but the histograms: whoever needs the cut reads it out of them.

use crate::cut::{Cut, UNSIGNED};
use crate::team::Team;
use core::slice::{from_raw_parts, from_raw_parts_mut};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use wasm_bindgen::prelude::wasm_bindgen;

/// How far each digit is shifted.
const SHIFTS: [u32; 3] = [20, 9, 0];
/// Values of a digit (the last has only 512).
const DIGITS: usize = 2048;
/// Numbers of a chunk: 256 KiB.
const CHUNK: usize = 65536;

/// u32 of the histograms.
#[wasm_bindgen]
pub fn histogram_counts() -> usize {
    SHIFTS.len() * DIGITS
}

/// The bits above the digit `digit`.
fn above(bits: u32, digit: usize) -> u32 {
    if digit == 0 {
        0
    } else {
        bits >> SHIFTS[digit - 1]
    }
}

/// From `digits` counted digits: the leading bits of the k-th smallest score (k from 1), and k among those that share
/// them.
unsafe fn leading(histograms: *const u32, digits: usize, k: usize) -> (u32, usize) {
    let (mut bits, mut left) = (0, k);
    for (digit, &shift) in SHIFTS.iter().enumerate().take(digits) {
        let counts = from_raw_parts(histograms.add(digit * DIGITS), DIGITS);
        for (value, &count) in counts.iter().enumerate() {
            if left <= count as usize {
                bits |= (value as u32) << shift;
                break;
            }
            left -= count as usize;
        }
    }
    (bits, left)
}

/// The k-th smallest score (k from 1), when all digits are counted.
/// # Safety
/// The histograms can be read.
pub unsafe fn kth(histograms: *const u32, k: usize) -> u32 {
    leading(histograms, SHIFTS.len(), k).0
}

/// Counts one digit of the `n` scores.
#[wasm_bindgen]
pub unsafe fn count_digit(
    team: *const Team,
    scores: *const u32,
    n: usize,
    k: usize,
    digit: usize,
    histograms: *mut u32,
) {
    let prefix = above(leading(histograms, digit, k).0, digit);
    let mut counts = [0u32; DIGITS];
    for run in (*team).runs(n, CHUNK) {
        for bits in from_raw_parts(scores.add(run.start), run.len()).iter().map(|bits| bits & UNSIGNED) {
            if above(bits, digit) == prefix {
                counts[(bits >> SHIFTS[digit]) as usize % DIGITS] += 1;
            }
        }
    }
    let shared = histograms.add(digit * DIGITS) as *const AtomicU32;
    for (value, &count) in counts.iter().enumerate().filter(|(_, &count)| count > 0) {
        (*shared.add(value)).fetch_add(count, Relaxed);
    }
}

/// Counts in every run of `run` rows the scores that equal the one at the cut.
#[wasm_bindgen]
pub unsafe fn count_ties(
    team: *const Team,
    scores: *const u32,
    n: usize,
    run: usize,
    k: usize,
    histograms: *const u32,
    ties: *mut u32,
) {
    let (value, _) = leading(histograms, 3, k);
    for part in (*team).runs(n, run) {
        let scores = from_raw_parts(scores.add(part.start), part.len());
        *ties.add(part.start / run) = scores.iter().map(|s| (s & UNSIGNED == value) as u32).sum();
    }
}

/// The mask of the group's rows; `run` as for [`count_ties`], a whole number of rows.
#[wasm_bindgen]
pub unsafe fn mark_long(
    team: *const Team,
    scores: *const u32,
    n: usize,
    run: usize,
    cols: usize,
    k: usize,
    whole_ties: bool,
    histograms: *const u32,
    ties: *const u32,
    mask: *mut u32,
) {
    let (value, left) = leading(histograms, 3, k);
    let words = cols.div_ceil(32);
    for part in (*team).runs(n, run) {
        let before: u32 = from_raw_parts(ties, part.start / run).iter().sum();
        let mut cut = Cut::at_value(value, left.saturating_sub(before as usize), whole_ties);
        let first = part.start / cols * words;
        let rows = part.len() / cols;
        let scores = from_raw_parts(scores.add(part.start), part.len());
        let mask = from_raw_parts_mut(mask.add(first), rows * words);
        for (row, words) in scores.chunks(cols).zip(mask.chunks_mut(words)) {
            cut.mark(row, words);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;

    #[test]
    fn a_long_group_is_cut_where_a_short_one_would_be() {
        let (rows, cols) = (40usize, 77usize);
        let n = rows * cols;
        let words = cols.div_ceil(32);
        for steps in [3.0, 1e9] {
            let scores: Vec<u32> = numbers(n, 1).iter().map(|x| ((x * steps).floor() / 7.0).to_bits()).collect();
            for (k, whole_ties) in [(1, false), (n / 2, false), (n / 2, true), (n - 1, false), (n, true)] {
                let mut expected = vec![0u32; rows * words];
                let mut cut = Cut::find(&scores, k, whole_ties);
                for (row, words) in scores.chunks(cols).zip(expected.chunks_mut(words)) {
                    cut.mark(row, words);
                }
                let mut histograms = vec![0u32; 3 * DIGITS];
                let mut ties = vec![0u32; 14];
                let mut mask = vec![u32::MAX; rows * words];
                let (s, h, t) = (scores.as_ptr(), histograms.as_mut_ptr(), ties.as_mut_ptr());
                let m = mask.as_mut_ptr();
                unsafe {
                    for digit in 0..3 {
                        alone(|team| count_digit(team, s, n, k, digit, h));
                    }
                    alone(|team| count_ties(team, s, n, 3 * cols, k, h, t));
                    alone(|team| mark_long(team, s, n, 3 * cols, cols, k, whole_ties, h, t, m));
                }
                assert_eq!(mask, expected, "{k} of {n}");
            }
        }
    }
}
