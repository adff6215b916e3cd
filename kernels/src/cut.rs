//! Where to cut a group of scores so that the k smallest fall. Scores are never NaN and are compared without their sign,
//! so their bits order as integers, and a bisection over the integers finds the cut without sorting: some fifteen passes
//! over a group whose scores differ, thirty-one at most. Ties go to the lower index.

use crate::simd::U32x4;

/// The bits of a score without its sign.
pub const UNSIGNED: u32 = 0x7fff_ffff;

/// Removes every score (as bits) below `at`, and the first `ties` of those that equal it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    pub at: u32,
    pub ties: usize,
}

impl Cut {
    /// The cut below which `k` of the scores fall, `k` at most their number. With `whole_ties` all scores equal to the
    /// k-th smallest fall with it.
    pub fn find(bits: &[u32], k: usize, whole_ties: bool) -> Self {
        if k == 0 {
            return Cut { at: 0, ties: 0 };
        }
        let (mut low, mut high) = range(bits);
        high += 1;
        // Fewer than k scores are below `low`, and more than k below `high`.
        let mut below_low = 0;
        if k == bits.len() {
            return Cut { at: high, ties: 0 };
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let count = below(bits, middle);
            if count == k {
                return Cut { at: middle, ties: 0 };
            }
            if count < k {
                (low, below_low) = (middle, count);
            } else {
                high = middle;
            }
        }
        Cut::at_value(low, k - below_low, whole_ties)
    }

    /// The cut at a score of which `ties` must fall, or all.
    pub fn at_value(value: u32, ties: usize, whole_ties: bool) -> Self {
        if whole_ties {
            Cut { at: value + 1, ties: 0 }
        } else {
            Cut { at: value, ties }
        }
    }

    /// Whether this score falls; to be asked in the order of the indices.
    #[inline(always)]
    pub fn takes(&mut self, score: u32) -> bool {
        let score = score & UNSIGNED;
        let tie = score == self.at && self.ties > 0;
        self.ties -= tie as usize;
        score < self.at || tie
    }

    /// The mask of one row: bit `j % 32` of word `j / 32` is 1 if score `j` falls.
    #[inline(always)]
    pub fn mark(&mut self, row: &[u32], words: &mut [u32]) {
        for (scores, word) in row.chunks(32).zip(words) {
            *word = match <&[u32; 32]>::try_from(scores) {
                Ok(scores) if self.ties == 0 => below_bits(scores, self.at),
                _ => (0..).zip(scores).map(|(j, &s)| (self.takes(s) as u32) << j).sum(),
            };
        }
    }
}

/// The smallest and the largest.
fn range(bits: &[u32]) -> (u32, u32) {
    bits.iter().map(|x| x & UNSIGNED).fold((u32::MAX, 0), |(low, high), x| (low.min(x), high.max(x)))
}

/// How many are below `value`.
#[inline(never)]
fn below(bits: &[u32], value: u32) -> usize {
    let (limit, unsigned) = (U32x4::splat(value), U32x4::splat(UNSIGNED));
    let mut counts = [U32x4::splat(0); 4];
    let sixteens = bits.chunks_exact(16);
    let rest = sixteens.remainder().iter().filter(|&&x| x & UNSIGNED < value).count();
    for sixteen in sixteens {
        for (i, count) in counts.iter_mut().enumerate() {
            // SAFETY: the chunk has sixteen.
            let four = unsafe { U32x4::load(sixteen.as_ptr().add(i * 4)) };
            *count = count.sub(four.and(unsigned).less(limit));
        }
    }
    let [a, b, c, d] = counts;
    let lanes = a.add(b).add(c.add(d)).to_array();
    lanes.iter().sum::<u32>() as usize + rest
}

/// Bit `j` is 1 if score `j` is below `value`.
#[inline(always)]
fn below_bits(scores: &[u32; 32], value: u32) -> u32 {
    let (limit, unsigned) = (U32x4::splat(value), U32x4::splat(UNSIGNED));
    // SAFETY: eight fours.
    (0..8)
        .map(|i| unsafe { U32x4::load(scores.as_ptr().add(i * 4)) }.and(unsigned).less(limit).sign_bits() << (i * 4))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;

    /// By sorting, stably.
    fn smallest(bits: &[u32], k: usize, whole_ties: bool) -> Vec<bool> {
        let mut order: Vec<usize> = (0..bits.len()).collect();
        order.sort_by_key(|&i| bits[i] & UNSIGNED);
        let mut falls = vec![false; bits.len()];
        for &i in &order[..k] {
            falls[i] = true;
        }
        if whole_ties && k > 0 {
            let last = bits[order[k - 1]] & UNSIGNED;
            falls.iter_mut().zip(bits).for_each(|(f, &b)| *f |= b & UNSIGNED == last);
        }
        falls
    }

    fn check(bits: &[u32]) {
        for k in 0..=bits.len() {
            for whole_ties in [false, true] {
                let mut words = vec![u32::MAX; bits.len().div_ceil(32)];
                Cut::find(bits, k, whole_ties).mark(bits, &mut words);
                let found: Vec<bool> = (0..bits.len()).map(|j| words[j / 32] >> (j % 32) & 1 == 1).collect();
                assert_eq!(found, smallest(bits, k, whole_ties), "{k} of {bits:?}");
                let unused = words.len() * 32 - bits.len();
                assert!(unused == 0 || words[words.len() - 1] >> (32 - unused) == 0);
            }
        }
    }

    #[test]
    fn the_k_smallest_fall_and_ties_go_to_the_lower_index() {
        for n in [1, 2, 31, 32, 33, 100] {
            let scores: Vec<f32> = numbers(n, n as u64).to_vec();
            check(&scores.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
            check(&scores.iter().map(|x| (x * 4.0).floor().to_bits()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn zero_subnormals_and_infinity_are_ordered_as_numbers() {
        let infinity = f32::INFINITY.to_bits();
        check(&[infinity, 1, 0, f32::MAX.to_bits(), 0, 2, infinity, 1, 0x80_0000]);
    }
}
