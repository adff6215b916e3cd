//! Packed weights of the pattern 2:4, rearranged so that two rows share a register: what is read of x for four columns is the
//! same for both, and one instruction takes all of it from its places.
//!
//! ```text
//!   floats     4 columns:  x ──places of 2 + 2──▶ 4 of x, times  a a b b  (two values of each row), added to  a a b b
//!   integers   8 columns:  x ──places of 4 + 4──▶ 8 of x, times  a a a a b b b b, pairs added to  a a b b
//! ```
//!
//! Places are two bits each, as many bits as a mask has. Of floats a byte is the four places of four columns, and a table makes a
//! register's control of it. Of integers 16 bytes are the places of 64 columns: bits 2k and 2k + 1 of 16-bit lane i are the place
//! of lane i for the columns from 8k on.

use crate::packed::{brain, upper_bits, widen, Packed, BF16, F16, I8};
use crate::simd::{F32x4, I16x8, I32x4, U8x16};
use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Columns of a register of places, of integers; of floats as many values as are widened together.
const INTEGER_COLUMNS: usize = 64;
const FLOAT_COLUMNS: usize = 8;
/// Pairs of rows that are multiplied side by side: as many as V8 keeps in registers. Each step of a loop looks for an interrupt and
/// reads anew how large memory is, and every address is held against that (Deno has no trap handler), so that few steps that read
/// little are what counts.
pub const PAIRS: usize = 4;

/// Whether a weight can be rearranged: its rows are whole registers, and none has two scales.
#[wasm_bindgen]
pub fn can_pair(value_type: u32, cols: usize, group: usize) -> bool {
    match value_type {
        F16 | BF16 => cols.is_multiple_of(FLOAT_COLUMNS),
        I8 => cols.is_multiple_of(INTEGER_COLUMNS) && group.is_multiple_of(INTEGER_COLUMNS),
        _ => false,
    }
}

/// Value `i` of the four columns `group` of a row, the first or second `half` of its pair: which of the pair's values it is, and
/// the first bit of its place.
fn position(value_type: u32, group: usize, half: usize, i: usize) -> (usize, usize) {
    if value_type == I8 {
        let lane = half * 4 + group % 2 * 2 + i;
        (group / 2 * 8 + lane, group / 16 * 128 + lane * 16 + group / 2 % 8 * 2)
    } else {
        let lane = half * 2 + i;
        (group * 4 + lane, group * 8 + lane * 2)
    }
}

/// The places of the values of a group of four columns, by four bits of a mask of which two are 1.
fn places(mask: u8) -> [u8; 2] {
    let first = mask.trailing_zeros() as u8 & 3;
    [first, (7 - (mask << 4).leading_zeros() as u8) & 3]
}

/// Rearranges a weight: `to` has room for the values and the places of whole pairs of rows; a row that is missing is 0.
#[wasm_bindgen]
pub unsafe fn pair_rows(team: *const Team, from: *const Packed, to: *const Packed) {
    let (from, to) = (&*from, &*to);
    let width = if from.value_type == I8 { 1 } else { 2 };
    for pair in (*team).chunks(from.rows.div_ceil(2)) {
        let values = (to.values as *mut u8).add(pair * from.cols * width);
        let codes = (to.mask as *mut u8).add(pair * from.cols / 4);
        codes.write_bytes(0, from.cols / 4);
        for half in 0..2 {
            let row = 2 * pair + half;
            let there = row < from.rows;
            let source = if there { from.values.add(from.first(row) * width) } else { values };
            for group in 0..from.cols / 4 {
                let mask = if there { *from.mask_row(row).add(group / 2) >> (group % 2 * 4) & 15 } else { 3 };
                for (i, place) in places(mask).into_iter().enumerate() {
                    let (at, bit) = position(from.value_type, group, half, i);
                    *codes.add(bit / 8) |= place << (bit % 8);
                    for b in 0..width {
                        let stored = if there { *source.add((group * 2 + i) * width + b) } else { 0 };
                        *values.add(at * width + b) = stored;
                    }
                }
            }
        }
    }
}

/// Writes a row of a rearranged weight as f32.
/// # Safety
/// As of all exports; `to` has room for the columns.
pub unsafe fn expand_paired_row(weight: &Packed, row: usize, to: *mut f32) {
    let &Packed { cols, value_type, .. } = weight;
    let (pair, half) = (row / 2, row % 2);
    let codes = (weight.mask as *const u8).add(pair * cols / 4);
    to.write_bytes(0, cols);
    for group in 0..cols / 4 {
        for i in 0..2 {
            let (at, bit) = position(value_type, group, half, i);
            let place = *codes.add(bit / 8) >> (bit % 8) & 3;
            let number = if value_type == I8 {
                let scale = brain(*weight.scale_row(row).add(group * 4 / weight.group));
                *weight.values.add(pair * cols + at) as i8 as f32 * scale
            } else {
                let bits = *(weight.values as *const u16).add(pair * cols + at);
                if value_type == BF16 {
                    brain(bits)
                } else {
                    half_to_float(bits)
                }
            };
            *to.add(group * 4 + place as usize) = number;
        }
    }
}

/// A finite F16.
fn half_to_float(bits: u16) -> f32 {
    f32::from_bits((((bits as i16 as i32) << 16 >> 3) as u32) & 0x8fff_ffff) * 5.192_297e33
    // 2^112
}

/// For a byte of four places, where the four f32 are among four.
static PLACES: [[u8; 16]; 256] = {
    let mut table = [[0; 16]; 256];
    let mut at = 0;
    while at < 256 * 16 {
        let (code, lane, byte) = (at / 16, at % 16 / 4, at % 4);
        table[code][at % 16] = ((code >> (2 * lane)) & 3) as u8 * 4 + byte as u8;
        at += 1;
    }
    table
};

/// The sums of some pairs of rows with x, floats; F16 times 2^-112.
#[inline(always)]
pub unsafe fn sums_of_float_pairs<const TYPE: u32, const P: usize>(
    weight: &Packed,
    pairs: [usize; P],
    x: *const f32,
    constants: &Constants,
) -> [[f32; 2]; P] {
    let cols = weight.cols;
    let mut values = pairs.map(|pair| weight.values.add(pair * cols * 2));
    let mut codes = pairs.map(|pair| (weight.mask as *const u8).add(pair * cols / 4));
    let mut sums = [[F32x4::splat(0.0); 2]; P];
    let end = x.add(cols);
    let mut x = x;
    while x < end {
        let xs = [U8x16::load(x as *const u8), U8x16::load(x.add(4) as *const u8)];
        for p in 0..P {
            let wide = widen::<TYPE>(U8x16::load(values[p]), constants.upper);
            for s in 0..2 {
                let taken = xs[s].swizzle(U8x16::load(PLACES[*codes[p].add(s) as usize].as_ptr()));
                sums[p][s] = wide[s].madd(taken.words().floats(), sums[p][s]);
            }
            values[p] = values[p].add(16);
            codes[p] = codes[p].add(2);
        }
        x = x.add(8);
    }
    sums.map(|[a, b]| {
        let [first, second, third, fourth] = a.add(b).to_array();
        [first + second, third + fourth]
    })
}

/// Constants that a compiler is not to know, so that it keeps them in registers: V8 makes one anew wherever it stands.
pub struct Constants {
    upper: U8x16,
    three: U8x16,
    twice: U8x16,
    base: U8x16,
    /// Steps of a register of places: LLVM would write out as many as it knows, in an order that fits no number of registers.
    steps: usize,
}

static THREE: [u16; 8] = [3; 8];
static STEPS: usize = INTEGER_COLUMNS / 8;
static TWICE: [u16; 8] = [0x0202; 8];
static BASE: [u16; 8] = [0x0100, 0x0100, 0x0908, 0x0908, 0x0100, 0x0100, 0x0908, 0x0908];

impl Constants {
    pub fn read() -> Self {
        // SAFETY: each is 16 bytes.
        unsafe {
            let opaque = |p: *const u8| U8x16::load(core::hint::black_box(p));
            Self {
                upper: upper_bits(),
                three: opaque(THREE.as_ptr() as *const u8),
                twice: opaque(TWICE.as_ptr() as *const u8),
                base: opaque(BASE.as_ptr() as *const u8),
                steps: *core::hint::black_box(&STEPS),
            }
        }
    }
}

/// The sums of some pairs of rows with x in 16 bits, integers of eight bits. `units`: what 1 of x stands for in each group.
#[inline(always)]
pub unsafe fn sums_of_integer_pairs<const P: usize>(
    weight: &Packed,
    pairs: [usize; P],
    x: *const i16,
    units: *const f32,
    constants: &Constants,
) -> [[f32; 2]; P] {
    let &Packed { cols, group, rows, .. } = weight;
    let values = pairs.map(|pair| weight.values.add(pair * cols));
    let codes = pairs.map(|pair| (weight.mask as *const u8).add(pair * cols / 4));
    let scales = pairs.map(|pair| [weight.scale_row(2 * pair), weight.scale_row((2 * pair + 1).min(rows - 1))]);
    let mut sums = [F32x4::splat(0.0); P];
    for (g, first) in (0..cols).step_by(group).enumerate() {
        let mut own = [I32x4::splat(0); P];
        for block in (first..cols.min(first + group)).step_by(INTEGER_COLUMNS) {
            let mut places = codes.map(|p| I16x8::load(p.add(block / 4) as *const i16));
            for step in 0..constants.steps {
                let eight = I16x8::load(x.add(block + 8 * step)).bytes();
                for p in 0..P {
                    let place = places[p].bytes().and(constants.three).shorts();
                    let control = place.mul(constants.twice.shorts()).add(constants.base.shorts()).bytes();
                    let taken = eight.swizzle(control).shorts();
                    own[p] = own[p].add(I16x8::load_i8(values[p].add(block + 8 * step)).dot(taken));
                    places[p] = places[p].shift_right_2();
                }
            }
        }
        let unit = *units.add(g);
        for p in 0..P {
            let [a, b] = scales[p].map(|row| brain(*row.add(g)) * unit);
            sums[p] = own[p].floats().madd(F32x4::of([a, a, b, b]), sums[p]);
        }
    }
    sums.map(|sum| {
        let [first, second, third, fourth] = sum.to_array();
        [first + second, third + fourth]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::F32;
    use crate::oracle::numbers;
    use crate::packed::tests::{pack, KEEPS};
    use crate::packed::{expand_rows, PAIRED};
    use crate::packed_few::{packed_few, packed_few_scratch};
    use crate::team::alone;

    #[test]
    fn pairs_of_rows_hold_the_same_numbers_and_give_the_same_products() {
        let (_, _, keep) = KEEPS[4];
        for value_type in [F16, BF16, I8] {
            for (rows, cols, group) in [(1, 64, 64), (2, 128, 128), (7, 192, 128), (37, 320, 64)] {
                assert!(can_pair(value_type, cols, group));
                let example = pack(rows, cols, value_type, group, true, keep);
                let pairs = rows.div_ceil(2);
                let (values, places) = (vec![9u8; pairs * cols * 2], vec![9u8; pairs * cols / 4]);
                let paired = Packed {
                    values: values.as_ptr(),
                    mask: places.as_ptr() as *const u32,
                    arrangement: PAIRED,
                    ..example.weight
                };
                let mut dense = vec![7f32; rows * cols];
                let (x, bias, to) = (numbers(cols, 1), numbers(rows, 3), dense.as_mut_ptr());
                let mut y = vec![f32::NAN; rows];
                let mut scratch = vec![f32::NAN; packed_few_scratch(1, cols)];
                let (px, b, py, s) = (x.as_ptr(), bias.as_ptr() as *const u8, y.as_mut_ptr(), scratch.as_mut_ptr());
                unsafe {
                    alone(|team| pair_rows(team, &example.weight, &paired));
                    alone(|team| expand_rows(team, &paired, 0, rows, to));
                    alone(|team| packed_few(team, px, 1, &paired, b, F32, py, s));
                }
                assert_eq!(dense, example.dense, "type {value_type}, {rows} x {cols}");
                for (row, found) in y.into_iter().enumerate() {
                    let (mut sum, mut size, mut off) = (bias[row] as f64, 1.0, 0.0);
                    for (x, w) in x.iter().zip(&dense[row * cols..]) {
                        let term = *x as f64 * *w as f64;
                        // x in 16 bits, as in `packed_few.rs`
                        (sum, size, off) = (sum + term, size + term.abs(), off + w.abs() as f64 / 65534.0);
                    }
                    let bound = (cols + 4) as f64 * 2f64.powi(-24) * size + if value_type == I8 { off } else { 0.0 };
                    assert!(
                        (found as f64 - sum).abs() <= bound,
                        "type {value_type}, {rows} x {cols}: {found}, not {sum}"
                    );
                }
            }
        }
    }
}
