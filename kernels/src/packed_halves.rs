//! Packed weights of which half of every 16 columns are stored: 4:8 and 8:16, as they lie in the file. Where the eight values of 16
//! columns begin is known, whatever the mask; those of the first eight columns come first, so those of the others are the last.
//!
//! ```text
//!   floats     8 values ──by the first byte of the mask, from the left──▶ 8 columns   ──by the second, from the right──▶ 8 columns
//!   integers   16 of x ──the same tables the other way round──▶ the 8 that meet the 8 values
//! ```

use crate::packed::{brain, integers, widen, Nibbles, Packed, I8, PLACE_2};
use crate::packed_few::Rounded;
use crate::simd::{F32x4, I16x8, I32x4, U8x16};

/// Columns of a group, and values.
pub const COLUMNS: usize = 16;
const VALUES: usize = 8;

/// For a mask's byte, where the 16-bit numbers of its eight columns come from, if the values are the last ones of eight (the first
/// ones: `packed::PLACE_2`); 128 where none is stored.
static PLACE_LAST: [[u8; 16]; 256] = {
    let mut table = [[128; 16]; 256];
    let mut mask = 0usize;
    while mask < 256 {
        let (mut at, mut rank) = (0, 8 - mask.count_ones() as usize);
        while at < 8 {
            if (mask >> at) & 1 == 1 {
                table[mask][2 * at] = 2 * rank as u8;
                table[mask][2 * at + 1] = 2 * rank as u8 + 1;
                rank += 1;
            }
            at += 1;
        }
        mask += 1;
    }
    table
};

/// For a mask's byte, where the 16-bit numbers of its columns are among eight, the first ones of the register (`RIGHT`: the last
/// ones); 128 for the rest.
const fn gathered<const RIGHT: bool>() -> [[u8; 16]; 256] {
    let mut table = [[128; 16]; 256];
    let mut mask = 0usize;
    while mask < 256 {
        let (mut at, mut rank) = (0, if RIGHT { 8 - mask.count_ones() as usize } else { 0 });
        while at < 8 {
            if (mask >> at) & 1 == 1 {
                table[mask][2 * rank] = 2 * at as u8;
                table[mask][2 * rank + 1] = 2 * at as u8 + 1;
                rank += 1;
            }
            at += 1;
        }
        mask += 1;
    }
    table
}

/// Columns to values.
pub static GATHER_LEFT: [[u8; 16]; 256] = gathered::<false>();
static GATHER_RIGHT: [[u8; 16]; 256] = gathered::<true>();

/// The sums of some rows with x, in the order of `few.rs`; F16 times 2^-112. `upper`: `packed::upper_bits`.
#[inline(always)]
pub unsafe fn sums_of_halved_floats<const TYPE: u32, const R: usize>(
    weight: &Packed,
    rows: [usize; R],
    x: *const f32,
    upper: U8x16,
) -> [f32; R] {
    let mut values = rows.map(|row| weight.values.add(weight.first(row) * 2));
    let mut masks = rows.map(|row| weight.mask_row(row));
    let mut sums = [[F32x4::splat(0.0); 2]; R];
    let (mut x, end) = (x, x.add(weight.cols));
    while x < end {
        let xs: [F32x4; 4] = core::array::from_fn(|i| F32x4::load(x.add(4 * i)));
        for r in 0..R {
            let stored = U8x16::load(values[r]);
            let mask = (masks[r] as *const u16).read_unaligned() as usize;
            let [left, right] = [&PLACE_2[mask & 255], &PLACE_LAST[mask >> 8]].map(|to| U8x16::load(to.as_ptr()));
            let first = widen::<TYPE>(stored.swizzle(left), upper);
            let second = widen::<TYPE>(stored.swizzle(right), upper);
            for i in 0..2 {
                sums[r][i] = second[i].madd(xs[2 + i], first[i].madd(xs[i], sums[r][i]));
            }
            values[r] = values[r].add(2 * VALUES);
            masks[r] = masks[r].add(2);
        }
        x = x.add(COLUMNS);
    }
    sums.map(|[low, high]| low.add(high).sum())
}

/// The sums of some rows with x in 16 bits. Columns are whole groups of 16, and so are scales.
#[inline(always)]
pub unsafe fn sums_of_halved_integers<const TYPE: u32, const R: usize>(
    weight: &Packed,
    rows: [usize; R],
    x: &Rounded,
    nibbles: &Nibbles,
) -> [f32; R] {
    let &Packed { cols, group, .. } = weight;
    let step = if TYPE == I8 { VALUES } else { VALUES / 2 };
    let mut values = rows.map(|row| weight.values.add(weight.first(row) * step / VALUES));
    let mut masks = rows.map(|row| weight.mask_row(row));
    let scales = rows.map(|row| weight.scale_row(row));
    let mut sums = [F32x4::splat(0.0); R];
    let mut at = x.x as *const i16;
    for (g, first) in (0..cols).step_by(group).enumerate() {
        let mut own = [I32x4::splat(0); R];
        let end = at.add(group.min(cols - first));
        while at < end {
            let xs = [I16x8::load(at).bytes(), I16x8::load(at.add(8)).bytes()];
            for r in 0..R {
                let mask = (masks[r] as *const u16).read_unaligned() as usize;
                let left = xs[0].swizzle(U8x16::load(GATHER_LEFT[mask & 255].as_ptr()));
                let right = xs[1].swizzle(U8x16::load(GATHER_RIGHT[mask >> 8].as_ptr()));
                own[r] = own[r].add(integers::<TYPE>(values[r], 0, nibbles).dot(left.or(right).shorts()));
                values[r] = values[r].add(step);
                masks[r] = masks[r].add(2);
            }
            at = at.add(COLUMNS);
        }
        let unit = *x.scales.add(g);
        for r in 0..R {
            let scale = brain(*scales[r].add(g)) * unit;
            sums[r] = own[r].floats().madd(F32x4::splat(scale), sums[r]);
        }
    }
    sums.map(F32x4::sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::F32;
    use crate::oracle::numbers;
    use crate::packed::tests::{pack, Keep};
    use crate::packed::{BF16, BLOCK, F16, HALVED, I4};
    use crate::packed_few::{packed_few, packed_few_scratch};
    use crate::team::alone;
    use core::ptr::null;

    const FOUR: Keep = |row, col| [[0, 1, 2, 3], [4, 5, 6, 7], [0, 2, 5, 7]][(row + col / 8) % 3].contains(&(col % 8));
    const EIGHT: Keep = |row, col| match (row + col / 16) % 3 {
        0 => col % 16 < 8,
        1 => col % 16 >= 8,
        _ => [0, 3, 4, 5, 6, 9, 14, 15].contains(&(col % 16)),
    };

    #[test]
    fn half_of_every_16_columns_give_what_the_mask_gives() {
        for keep in [FOUR, EIGHT] {
            for value_type in [F16, BF16, I8, I4] {
                for (rows, cols, group) in [(1, 16, 32), (3, 48, 32), (17, 160, 128), (37, 320, 64)] {
                    let example = pack(rows, cols, value_type, group, true, keep);
                    let align = [4, 8, 8, 16, 32][value_type as usize];
                    let halves = Packed {
                        offsets: null(),
                        row_values: cols / 2,
                        block_values: (BLOCK * cols / 2).next_multiple_of(align),
                        arrangement: HALVED,
                        ..example.weight
                    };
                    let x = numbers(cols, 1);
                    let (mut y, mut z) = (vec![f32::NAN; rows], vec![f32::NAN; rows]);
                    let mut scratch = vec![f32::NAN; packed_few_scratch(1, cols)];
                    let (px, s, py, pz) = (x.as_ptr(), scratch.as_mut_ptr(), y.as_mut_ptr(), z.as_mut_ptr());
                    unsafe {
                        alone(|team| packed_few(team, px, 1, &example.weight, null(), F32, py, s));
                        alone(|team| packed_few(team, px, 1, &halves, null(), F32, pz, s));
                    }
                    for (row, (y, z)) in y.into_iter().zip(z).enumerate() {
                        // Floats are added in the same order; integers of a group are added exactly, in whatever lanes.
                        let size: f32 = example.dense[row * cols..][..cols].iter().map(|w| w.abs()).sum();
                        let bound = if value_type >= I8 { cols as f32 * 2f32.powi(-23) * size } else { 0.0 };
                        assert!((y - z).abs() <= bound, "type {value_type}, {rows} x {cols}: {z}, not {y}");
                    }
                }
            }
        }
    }
}
