//! Packed weights of few values (a quarter or fewer), rearranged: each value of 16 bits has its column beside it, and x is
//! taken from there, so what is not stored costs nothing. A mask costs as much for every column, stored or not.
//!
//! ```text
//!   values    of 256 columns of a row those that are stored, and zeros up to a multiple of four
//!   columns   of each value its place among the 256, a byte
//!   ends      how many fours there are up to the end of each 256 columns of each row, in their order
//! ```

use crate::packed::{upper_bits, widen, Packed, BF16, F16};
use crate::simd::{F32x4, U8x16};
use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Columns of a segment: what a byte can name.
const SEGMENT: usize = 256;
/// Values that are taken together.
const FOUR: usize = 4;

/// Rearranges a weight of 16-bit floats: `to` has room for the values, the columns in the mask's stead, and the ends in the offsets'
/// stead, which are there already.
#[wasm_bindgen]
pub unsafe fn list_columns(team: *const Team, from: *const Packed, to: *const Packed) {
    let (from, to) = (&*from, &*to);
    let segments = from.cols.div_ceil(SEGMENT);
    for row in (*team).chunks(from.rows) {
        let (mut at, mask) = (from.first(row), from.mask_row(row));
        for segment in 0..segments {
            let (begin, end) = ends(to, row * segments + segment);
            let (mut value, last) =
                ((to.values as *mut u16).add(begin * FOUR), (to.values as *mut u16).add(end * FOUR));
            let mut column = (to.mask as *mut u8).add(begin * FOUR);
            for place in 0..SEGMENT.min(from.cols - segment * SEGMENT) {
                let col = segment * SEGMENT + place;
                if *mask.add(col / 8) >> (col % 8) & 1 == 0 {
                    continue;
                }
                *value = (from.values as *const u16).add(at).read_unaligned();
                *column = place as u8;
                (at, value, column) = (at + 1, value.add(1), column.add(1));
            }
            while value < last {
                (*value, *column) = (0, 0);
                (value, column) = (value.add(1), column.add(1));
            }
        }
    }
}

/// The fours of a segment.
#[inline(always)]
unsafe fn ends(weight: &Packed, segment: usize) -> (usize, usize) {
    let begin = if segment == 0 { 0 } else { *weight.offsets.add(segment - 1) };
    (begin as usize, *weight.offsets.add(segment) as usize)
}

/// Writes a row of a rearranged weight as f32.
/// # Safety
/// As of all exports; `to` has room for the columns.
pub unsafe fn expand_listed_row(weight: &Packed, row: usize, to: *mut f32) {
    to.write_bytes(0, weight.cols);
    let segments = weight.cols.div_ceil(SEGMENT);
    for segment in 0..segments {
        let (begin, end) = ends(weight, row * segments + segment);
        let to = to.add(segment * SEGMENT);
        for four in begin..end {
            let numbers = four_values(weight, (weight.values as *const u16).add(four * FOUR));
            for (i, number) in numbers.mul(F32x4::splat(exact(weight))).to_array().into_iter().enumerate() {
                // Zeros that fill a four name the first column, which may be stored.
                if number.to_bits() != 0 {
                    *to.add(*(weight.mask as *const u8).add(four * FOUR + i) as usize) = number;
                }
            }
        }
    }
}

/// What numbers as [`four_values`] gives them are to be multiplied by.
fn exact(weight: &Packed) -> f32 {
    if weight.value_type == BF16 {
        1.0
    } else {
        5.192_297e33 // 2^112
    }
}

unsafe fn four_values(weight: &Packed, p: *const u16) -> F32x4 {
    let (four, upper) = (U8x16::load_half(p as *const u8), upper_bits());
    let wide = if weight.value_type == BF16 { widen::<BF16>(four, upper) } else { widen::<F16>(four, upper) };
    wide[0]
}

/// The sums of some rows with x; F16 times 2^-112. `upper`: `packed::upper_bits`.
#[inline(always)]
pub unsafe fn sums_of_listed<const TYPE: u32>(weight: &Packed, row: usize, x: *const f32, upper: U8x16) -> f32 {
    let segments = weight.cols.div_ceil(SEGMENT);
    let mut sums = [F32x4::splat(0.0); 2];
    let (begin, _) = ends(weight, row * segments);
    let mut value = (weight.values as *const u16).add(begin * FOUR);
    let mut column = (weight.mask as *const u8).add(begin * FOUR);
    for segment in 0..segments {
        let (begin, end) = ends(weight, row * segments + segment);
        let x = x.add(segment * SEGMENT);
        let fours = end - begin;
        let pairs = column.add(fours / 2 * 2 * FOUR);
        while column < pairs {
            let wide = widen::<TYPE>(U8x16::load(value as *const u8), upper);
            sums[0] = wide[0].madd(F32x4::gather(x, column), sums[0]);
            sums[1] = wide[1].madd(F32x4::gather(x, column.add(FOUR)), sums[1]);
            (value, column) = (value.add(2 * FOUR), column.add(2 * FOUR));
        }
        if fours % 2 == 1 {
            let four = U8x16::load_half(value as *const u8);
            sums[0] = widen::<TYPE>(four, upper)[0].madd(F32x4::gather(x, column), sums[0]);
            (value, column) = (value.add(FOUR), column.add(FOUR));
        }
    }
    sums[0].add(sums[1]).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::F32;
    use crate::oracle::{close_product, numbers};
    use crate::packed::tests::{pack, KEEPS};
    use crate::packed::{expand_rows, LISTED};
    use crate::packed_few::{packed_few, packed_few_scratch};
    use crate::team::alone;

    #[test]
    fn lists_hold_the_same_numbers_and_give_the_same_products() {
        for (name, _, keep) in KEEPS {
            for value_type in [F16, BF16] {
                for (rows, cols) in [(1, 1), (3, 7), (9, 256), (17, 300), (5, 515)] {
                    let example = pack(rows, cols, value_type, 32, true, keep);
                    let segments = cols.div_ceil(SEGMENT);
                    let mut fours = vec![];
                    for row in 0..rows {
                        for segment in 0..segments {
                            let columns = segment * SEGMENT..cols.min((segment + 1) * SEGMENT);
                            let before = fours.last().copied().unwrap_or(0);
                            fours.push(before + columns.filter(|&col| keep(row, col)).count().div_ceil(FOUR) as u32);
                        }
                    }
                    let count = *fours.last().unwrap() as usize * FOUR;
                    let (values, columns) = (vec![9u16; count], vec![9u8; count]);
                    let listed = Packed {
                        values: values.as_ptr() as *const u8,
                        mask: columns.as_ptr() as *const u32,
                        offsets: fours.as_ptr(),
                        arrangement: LISTED,
                        ..example.weight
                    };
                    let mut dense = vec![7f32; rows * cols];
                    let (x, mut y) = (numbers(cols, 1), vec![f32::NAN; rows]);
                    let bias = numbers(rows, 3);
                    let mut scratch = vec![f32::NAN; packed_few_scratch(1, cols)];
                    let (px, b, to) = (x.as_ptr(), bias.as_ptr() as *const u8, dense.as_mut_ptr());
                    let (py, s) = (y.as_mut_ptr(), scratch.as_mut_ptr());
                    unsafe {
                        alone(|team| list_columns(team, &example.weight, &listed));
                        alone(|team| expand_rows(team, &listed, 0, rows, to));
                        alone(|team| packed_few(team, px, 1, &listed, b, F32, py, s));
                    }
                    assert_eq!(dense, example.dense, "{name}, type {value_type}, {rows} x {cols}");
                    close_product(&y, &x, &dense, Some(&bias), cols, &format!("{name}, type {value_type}: "));
                }
            }
        }
    }
}
