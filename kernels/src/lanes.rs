//! The rows of a mask, whose bits are in whole words, and those bits as lanes to select by.

use crate::simd::U32x4;
use core::slice::from_raw_parts;

/// The words of a row.
/// # Safety
/// The mask has the row, and so many columns.
#[inline(always)]
pub unsafe fn words<'a>(mask: *const u32, row: usize, cols: usize) -> &'a [u32] {
    let each = cols.div_ceil(32);
    from_raw_parts(mask.add(row * each), each)
}

/// For every four bits, all ones in the lanes of those that are 1.
const LANES: [[u32; 4]; 16] = {
    let mut lanes = [[0; 4]; 16];
    let mut at = 0;
    while at < 64 {
        if ((at / 4) >> (at % 4)) & 1 == 1 {
            lanes[at / 4][at % 4] = u32::MAX;
        }
        at += 1;
    }
    lanes
};

/// Bits `j..j + 4` of a mask's row; 4 divides j.
/// # Safety
/// The word of bit j can be read.
#[inline(always)]
pub unsafe fn lanes(row: *const u32, j: usize) -> U32x4 {
    U32x4::load(&LANES[(*row.add(j / 32) >> (j % 32) & 15) as usize][0])
}

/// All ones in the first `n <= 3` lanes.
#[inline(always)]
pub fn first(n: usize) -> U32x4 {
    // SAFETY: four bits that are there.
    unsafe { lanes(&((1 << n) - 1), 0) }
}
