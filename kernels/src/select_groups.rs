//! n:m: of every m neighbouring scores of a row the m - n smallest fall, ties to the lower column.

use crate::cut::{Cut, UNSIGNED};
use crate::team::Team;
use core::slice::{from_raw_parts, from_raw_parts_mut};
use wasm_bindgen::prelude::wasm_bindgen;

/// Up to this many scores each is compared with each; a larger group is cut like a row.
const SMALL: usize = 32;
/// Numbers of a chunk, about.
const CHUNK: usize = 16384;

/// `remove` = m - n. m divides cols.
#[wasm_bindgen]
pub unsafe fn select_groups(
    team: *const Team,
    scores: *const u32,
    rows: usize,
    cols: usize,
    remove: usize,
    m: usize,
    mask: *mut u32,
) {
    let words = cols.div_ceil(32);
    for row in (*team).runs(rows, CHUNK.div_ceil(cols)).flatten() {
        let scores = from_raw_parts(scores.add(row * cols), cols);
        let mask = from_raw_parts_mut(mask.add(row * words), words);
        mask.fill(0);
        match m {
            2 => fixed::<2>(scores, remove, mask),
            4 => fixed::<4>(scores, remove, mask),
            8 => fixed::<8>(scores, remove, mask),
            _ => any(scores, remove, m, mask),
        }
    }
}

/// Groups of a size known when the kernel is compiled; M divides 32, so that a group stays within a word.
#[inline(always)]
fn fixed<const M: usize>(scores: &[u32], remove: usize, mask: &mut [u32]) {
    for (scores, word) in scores.chunks(32).zip(mask) {
        for (g, group) in scores.chunks_exact(M).enumerate() {
            let group: &[u32; M] = group.try_into().expect("chunks of M");
            *word |= ranks_below(group, remove) << (g * M);
        }
    }
}

fn any(scores: &[u32], remove: usize, m: usize, mask: &mut [u32]) {
    for (g, group) in scores.chunks(m).enumerate() {
        falls(group, remove, |j| mask[(g * m + j) / 32] |= 1 << ((g * m + j) % 32));
    }
}

/// Names the `remove` smallest of a group.
#[inline(always)]
pub fn falls(group: &[u32], remove: usize, mut name: impl FnMut(usize)) {
    if group.len() <= SMALL {
        let bits = ranks_below(group, remove);
        (0..group.len()).filter(|j| bits >> j & 1 == 1).for_each(&mut name);
    } else {
        let mut cut = Cut::find(group, remove, false);
        (0..group.len()).filter(|&j| cut.takes(group[j])).for_each(&mut name);
    }
}

/// Bit `j` is 1 if fewer than `remove` scores go before score `j`: the smaller ones (without their signs), and equal ones
/// on its left.
#[inline(always)]
fn ranks_below(group: &[u32], remove: usize) -> u32 {
    let mut bits = 0;
    for (j, score) in group.iter().map(|x| x & UNSIGNED).enumerate() {
        let mut rank = 0;
        for (i, other) in group.iter().map(|x| x & UNSIGNED).enumerate() {
            rank += if i < j { other <= score } else { other < score } as usize;
        }
        bits |= ((rank < remove) as u32) << j;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;

    #[test]
    fn every_group_loses_its_smallest_and_ties_go_to_the_lower_column() {
        let cols = 240;
        let scores: Vec<u32> = numbers(3 * cols, 1).iter().map(|x| (x * 5.0).floor().to_bits()).collect();
        for m in [1, 2, 3, 4, 5, 8, 16, 24, 40, 240] {
            for remove in 0..=m {
                let mut mask = vec![u32::MAX; 3 * 8];
                let (s, w) = (scores.as_ptr(), mask.as_mut_ptr());
                unsafe { alone(|team| select_groups(team, s, 3, cols, remove, m, w)) }
                for first in (0..3 * cols).step_by(m) {
                    let mut order: Vec<usize> = (first..first + m).collect();
                    order.sort_by_key(|&i| scores[i] & UNSIGNED);
                    for (rank, i) in order.into_iter().enumerate() {
                        let word = mask[i / cols * 8 + i % cols / 32];
                        assert_eq!(word >> (i % cols % 32) & 1 == 1, rank < remove, "{m} {remove}");
                    }
                }
            }
        }
    }
}
