//! `y = x Wᵀ (+ bias)` for a few tokens and a packed W (`packed.rs`): its values are multiplied as they come from memory.
//!
//! ```text
//!   floats     8 numbers are put to their places by the mask, widened, and multiplied with 8 of x     (as `few.rs` does)
//!   integers   8 of x are taken from their places by the mask, and multiplied with 8 integers
//!   several tokens: rows are expanded into a scratch that a cache holds, and multiplied with all of them
//! ```
//!
//! For one token and integers, x is rounded to 16 bits with one scale for each group of columns: 2^-16 of the largest number of
//! a group, against the 2^-8 or 2^-4 of the integers themselves. Sums of a group are exact integers then.
//!
//! What is read behind the values of a row are other values or what comes after them, and is multiplied by 0 or put nowhere.

use crate::dtype::{BF16, F16, F32};
use crate::few::{dots, enlarge, one};
use crate::packed::{
    brain, expand_row, integers, load_floats, upper_bits, widen, Nibbles, Packed, HALVED, I4, I8, LISTED, PAIRED,
    PLACE_2,
};
use crate::packed_halves::{sums_of_halved_floats, sums_of_halved_integers, GATHER_LEFT};
use crate::packed_lists::sums_of_listed;
use crate::packed_pairs::{sums_of_float_pairs, sums_of_integer_pairs, Constants, PAIRS};
use crate::simd::{F32x4, I16x8, I32x4, U32x4, U8x16};
use crate::stored;
use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Rows of W that are multiplied side by side.
const ROWS: usize = 4;
/// The same of floats with a mask, and of integers of which half of every 16 columns are stored: more addresses do not stay in
/// registers.
const FLOAT_ROWS: usize = 2;
const HALVED_ROWS: usize = 2;
/// Numbers of a run of rows, at least: some pages (`few.rs`).
const RUN: usize = 8192;
/// Columns of a block of four-bit values that are taken at once, where all are stored.
const NIBBLES: usize = 32;
/// A group whose largest number is smaller is taken for 0: its scale would be no normal f32.
const SMALLEST: f32 = 1e-33;

/// f32 of scratch for each worker: x of one token as floats or 16 bits, with scales and sums of its groups; or rows of W.
#[wasm_bindgen]
pub fn packed_few_scratch(tokens: usize, depth: usize) -> usize {
    let padded = depth.next_multiple_of(NIBBLES);
    if tokens == 1 {
        3 * padded + 4
    } else {
        ROWS * depth
    }
}

/// y (tokens x outs) of x (tokens x depth) and W (outs x depth), whose numbers are finite. `bias` (1 x outs) is null if there is
/// none. `scratch` holds [`packed_few_scratch`] f32 for each worker.
#[wasm_bindgen]
pub unsafe fn packed_few(
    team: *const Team,
    x: *const f32,
    tokens: usize,
    weight: *const Packed,
    bias: *const u8,
    bias_dtype: u32,
    y: *mut f32,
    scratch: *mut f32,
) {
    let (team, weight) = (&*team, &*weight);
    let scratch = scratch.add(team.worker * packed_few_scratch(tokens, weight.cols));
    let bias = |out: usize| if bias.is_null() { 0.0 } else { stored!(bias_dtype, one(bias, out)) };
    if tokens > 1 {
        return several(team, x, tokens, weight, bias, y, scratch);
    }
    let masked = !weight.mask.is_null();
    if weight.arrangement == PAIRED {
        return match weight.value_type {
            F16 => float_pairs::<F16>(team, x, weight, bias, y, scratch),
            BF16 => float_pairs::<BF16>(team, x, weight, bias, y, scratch),
            _ => integer_pairs(team, x, weight, bias, y, scratch),
        };
    }
    match weight.value_type {
        F32 => floats::<F32>(team, x, weight, bias, y, scratch),
        F16 => floats::<F16>(team, x, weight, bias, y, scratch),
        BF16 => floats::<BF16>(team, x, weight, bias, y, scratch),
        I8 if weight.arrangement == HALVED => {
            some_integers::<I8, true, false, HALVED_ROWS>(team, x, weight, bias, y, scratch)
        }
        I8 if masked => some_integers::<I8, true, false, ROWS>(team, x, weight, bias, y, scratch),
        I8 => some_integers::<I8, false, false, ROWS>(team, x, weight, bias, y, scratch),
        I4 if weight.arrangement == HALVED => {
            some_integers::<I4, true, false, HALVED_ROWS>(team, x, weight, bias, y, scratch)
        }
        I4 if masked => some_integers::<I4, true, false, ROWS>(team, x, weight, bias, y, scratch),
        // Rows begin with whole bytes, and groups are whole blocks.
        I4 if weight.cols % NIBBLES == 0 => some_integers::<I4, false, true, ROWS>(team, x, weight, bias, y, scratch),
        I4 => some_integers::<I4, false, false, ROWS>(team, x, weight, bias, y, scratch),
        other => unreachable!("value type {other}"),
    }
}

/// The runs of rows of a weight: `each` is given some rows that lie apart, or one.
unsafe fn runs<const R: usize>(team: &Team, rows: usize, depth: usize, mut each: impl FnMut([usize; R], usize)) {
    for chunk in team.runs(rows, R * RUN.div_ceil(depth).max(4)) {
        let run = chunk.len() / R;
        for row in chunk.start..chunk.start + run {
            each(core::array::from_fn(|r| row + r * run), R);
        }
        for row in chunk.start + R * run..chunk.end {
            each([row; R], 1);
        }
    }
}

unsafe fn several(
    team: &Team,
    x: *const f32,
    tokens: usize,
    weight: &Packed,
    bias: impl Fn(usize) -> f32,
    y: *mut f32,
    scratch: *mut f32,
) {
    use crate::dtype::Single;
    let depth = weight.cols;
    let w = scratch as *const u8;
    runs::<ROWS>(team, weight.rows, depth, |rows, count| {
        for (r, row) in rows.into_iter().enumerate().take(count) {
            expand_row(weight, row, scratch.add(r * depth));
        }
        let store = |r: usize, token: usize, sum: f32| *y.add(token * weight.rows + rows[r]) = sum + bias(rows[r]);
        let mut token = 0;
        while token < tokens {
            let x = x.add(token * depth);
            if count < ROWS {
                let [[sum]] = dots::<Single, 1, 1, 2>(w, 0, x, depth);
                store(0, token, sum);
                token += 1;
            } else if token + 2 <= tokens {
                for (r, pair) in dots::<Single, ROWS, 2, 1>(w, depth, x, depth).into_iter().enumerate() {
                    store(r, token, pair[0]);
                    store(r, token + 1, pair[1]);
                }
                token += 2;
            } else {
                for (r, [sum]) in dots::<Single, ROWS, 1, 2>(w, depth, x, depth).into_iter().enumerate() {
                    store(r, token, sum);
                }
                token += 1;
            }
        }
    });
}

/// Writes the sums of pairs of rows; the second row of the last may be missing.
unsafe fn store_pairs<const P: usize>(
    pairs: &[usize],
    sums: [[f32; 2]; P],
    rows: usize,
    mut store: impl FnMut(usize, f32),
) {
    for (pair, both) in pairs.iter().zip(sums) {
        for (half, sum) in both.into_iter().enumerate() {
            if 2 * pair + half < rows {
                store(2 * pair + half, sum);
            }
        }
    }
}

/// One token, floats of 2:4 in pairs of rows.
unsafe fn float_pairs<const TYPE: u32>(
    team: &Team,
    x: *const f32,
    weight: &Packed,
    bias: impl Fn(usize) -> f32,
    y: *mut f32,
    scratch: *mut f32,
) {
    let (mut factors, constants) = (None, Constants::read());
    runs::<PAIRS>(team, weight.rows.div_ceil(2), 2 * weight.cols, |pairs, count| {
        let missing = if TYPE == F16 { 112 } else { 0 };
        let [first, second] = *factors.get_or_insert_with(|| enlarge(x, weight.cols, missing, scratch));
        let store = |row: usize, sum: f32| *y.add(row) = sum * first * second + bias(row);
        if count == PAIRS {
            store_pairs(
                &pairs,
                sums_of_float_pairs::<TYPE, PAIRS>(weight, pairs, scratch, &constants),
                weight.rows,
                store,
            );
        } else {
            let sums = sums_of_float_pairs::<TYPE, 1>(weight, [pairs[0]], scratch, &constants);
            store_pairs(&pairs, sums, weight.rows, store);
        }
    });
}

/// One token, integers of eight bits of 2:4 in pairs of rows.
unsafe fn integer_pairs(
    team: &Team,
    x: *const f32,
    weight: &Packed,
    bias: impl Fn(usize) -> f32,
    y: *mut f32,
    scratch: *mut f32,
) {
    let (mut ready, constants) = (None, Constants::read());
    runs::<PAIRS>(team, weight.rows.div_ceil(2), 2 * weight.cols, |pairs, count| {
        let rounded = &*ready.get_or_insert_with(|| round(x, weight.cols, weight.group, false, scratch));
        let store = |row: usize, sum: f32| *y.add(row) = sum + bias(row);
        if count == PAIRS {
            let sums = sums_of_integer_pairs::<PAIRS>(weight, pairs, rounded.x, rounded.scales, &constants);
            store_pairs(&pairs, sums, weight.rows, store);
        } else {
            let sums = sums_of_integer_pairs::<1>(weight, [pairs[0]], rounded.x, rounded.scales, &constants);
            store_pairs(&pairs, sums, weight.rows, store);
        }
    });
}

/// One token, floats that are stored by a mask. Sums are added in the order of `few.rs`, so that they are those of the dense weight,
/// unless values are listed.
unsafe fn floats<const TYPE: u32>(
    team: &Team,
    x: *const f32,
    weight: &Packed,
    bias: impl Fn(usize) -> f32,
    y: *mut f32,
    scratch: *mut f32,
) {
    let depth = weight.cols;
    let (mut factors, upper) = (None, upper_bits());
    runs::<FLOAT_ROWS>(team, weight.rows, depth, |rows, count| {
        let [first, second] = *factors.get_or_insert_with(|| {
            for i in depth..depth.next_multiple_of(8) {
                *scratch.add(i) = 0.0;
            }
            enlarge(x, depth, if TYPE == F16 { 112 } else { 0 }, scratch)
        });
        let sums = if count == FLOAT_ROWS {
            sums_of_floats::<TYPE, FLOAT_ROWS>(weight, rows, scratch, upper)
        } else {
            [sums_of_floats::<TYPE, 1>(weight, [rows[0]], scratch, upper)[0]; FLOAT_ROWS]
        };
        for (row, sum) in rows.into_iter().zip(sums).take(count) {
            *y.add(row) = sum * first * second + bias(row);
        }
    });
}

/// The sums of some rows, however they lie; F16 times 2^-112.
#[inline(always)]
unsafe fn sums_of_floats<const TYPE: u32, const R: usize>(
    weight: &Packed,
    rows: [usize; R],
    x: *const f32,
    upper: U8x16,
) -> [f32; R] {
    match weight.arrangement {
        LISTED => rows.map(|row| sums_of_listed::<TYPE>(weight, row, x, upper)),
        HALVED => sums_of_halved_floats::<TYPE, R>(weight, rows, x, upper),
        _ if TYPE != F32 && !weight.mask.is_null() => sums_of_masked_halves::<TYPE, R>(weight, rows, x, upper),
        _ => sums_of_any_floats::<TYPE, R>(weight, rows, x, upper),
    }
}

/// The same of 16-bit floats by a mask.
#[inline(always)]
unsafe fn sums_of_masked_halves<const TYPE: u32, const R: usize>(
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
        let xs = [F32x4::load(x), F32x4::load(x.add(4))];
        for r in 0..R {
            let mask = *masks[r];
            let places = U8x16::load(PLACE_2[mask as usize].as_ptr());
            let wide = widen::<TYPE>(U8x16::load(values[r]).swizzle(places), upper);
            sums[r] = [wide[0].madd(xs[0], sums[r][0]), wide[1].madd(xs[1], sums[r][1])];
            values[r] = values[r].add(2 * mask.count_ones() as usize);
            masks[r] = masks[r].add(1);
        }
        x = x.add(8);
    }
    sums.map(|[low, high]| low.add(high).sum())
}

#[inline(always)]
unsafe fn sums_of_any_floats<const TYPE: u32, const R: usize>(
    weight: &Packed,
    rows: [usize; R],
    x: *const f32,
    upper: U8x16,
) -> [f32; R] {
    let depth = weight.cols;
    let mut at = rows.map(|row| weight.first(row));
    let masks = if weight.mask.is_null() { [core::ptr::null(); R] } else { rows.map(|row| weight.mask_row(row)) };
    let mut sums = [[F32x4::splat(0.0); 2]; R];
    for k in (0..depth).step_by(8) {
        let xs = [F32x4::load(x.add(k)), F32x4::load(x.add(k + 4))];
        for r in 0..R {
            let mask = if masks[r].is_null() { last_mask(depth - k) } else { *masks[r].add(k / 8) };
            let wide = load_floats::<TYPE, true>(weight.values, at[r], mask, upper);
            at[r] += mask.count_ones() as usize;
            sums[r] = [wide[0].madd(xs[0], sums[r][0]), wide[1].madd(xs[1], sums[r][1])];
        }
    }
    sums.map(|[low, high]| low.add(high).sum())
}

/// The mask of up to eight columns that are all there.
#[inline(always)]
fn last_mask(columns: usize) -> u8 {
    if columns >= 8 {
        255
    } else {
        (1 << columns) - 1
    }
}

/// x of one token, in 16 bits.
pub struct Rounded {
    /// Whole blocks of them, zeros behind the last; of each 32 the even ones first, if they are to meet four-bit values.
    pub x: *mut i16,
    /// Of each group, what 1 stands for, and the sum of the integers.
    pub scales: *mut f32,
    sums: *mut i32,
}

/// Rounds x to 16 bits.
unsafe fn round(x: *const f32, depth: usize, group: usize, split: bool, scratch: *mut f32) -> Rounded {
    let padded = depth.next_multiple_of(NIBBLES);
    let to = Rounded {
        x: scratch as *mut i16,
        scales: scratch.add(padded / 2),
        sums: scratch.add(padded / 2 + padded) as *mut i32,
    };
    for (g, first) in (0..depth).step_by(group).enumerate() {
        let end = depth.min(first + group);
        let mut largest = F32x4::splat(0.0);
        let whole = first + ((end - first) & !3);
        for k in (first..whole).step_by(4) {
            largest = largest.max(F32x4::load(x.add(k)).abs());
        }
        let largest = (whole..end).fold(largest.largest(), |most, k| most.max((*x.add(k)).abs()));
        let (scale, factor) = if largest < SMALLEST { (0.0, 0.0) } else { (largest / 32767.0, 32767.0 / largest) };
        *to.scales.add(g) = scale;
        let mut sum = I32x4::splat(0);
        for k in (first..end).step_by(8) {
            let mut last = [0f32; 8];
            let eight = if k + 8 <= end {
                [F32x4::load(x.add(k)), F32x4::load(x.add(k + 4))]
            } else {
                last.as_mut_ptr().copy_from_nonoverlapping(x.add(k), end - k);
                [F32x4::load(last.as_ptr()), F32x4::load(last.as_ptr().add(4))]
            };
            let integers = eight.map(|x| nearest(x, factor));
            sum = sum.add(integers[0]).add(integers[1]);
            I16x8::narrow(integers).store(to.x.add(k));
        }
        *to.sums.add(g) = sum.to_array().iter().sum();
    }
    for k in depth.next_multiple_of(8)..padded {
        *to.x.add(k) = 0;
    }
    if split {
        for block in (0..padded).step_by(NIBBLES) {
            let x = core::slice::from_raw_parts_mut(to.x.add(block), NIBBLES);
            let mut halves = [0; NIBBLES];
            for (i, x) in x.iter().enumerate() {
                halves[i / 2 + i % 2 * (NIBBLES / 2)] = *x;
            }
            x.copy_from_slice(&halves);
        }
    }
    to
}

/// The integers nearest to x times a factor, which are of 22 bits at most: beside 1.5 * 2^23 an f32 has steps of 1.
#[inline(always)]
fn nearest(x: F32x4, factor: f32) -> I32x4 {
    const BESIDE: f32 = 12_582_912.0;
    let bits = x.mul(F32x4::splat(factor)).add(F32x4::splat(BESIDE)).bits();
    bits.sub(U32x4::splat(BESIDE.to_bits())).signed()
}

/// One token, integers. `SPLIT`: four-bit values that are all stored, 32 at a time.
unsafe fn some_integers<const TYPE: u32, const MASKED: bool, const SPLIT: bool, const R: usize>(
    team: &Team,
    x: *const f32,
    weight: &Packed,
    bias: impl Fn(usize) -> f32,
    y: *mut f32,
    scratch: *mut f32,
) {
    let (mut ready, nibbles) = (None, Nibbles::read());
    runs::<R>(team, weight.rows, weight.cols, |rows, count| {
        let x = &*ready.get_or_insert_with(|| round(x, weight.cols, weight.group, SPLIT, scratch));
        let sums = if count == R {
            sums_of_integers::<TYPE, MASKED, SPLIT, R>(weight, rows, x, &nibbles)
        } else {
            [sums_of_integers::<TYPE, MASKED, SPLIT, 1>(weight, [rows[0]], x, &nibbles)[0]; R]
        };
        for (row, sum) in rows.into_iter().zip(sums).take(count) {
            *y.add(row) = sum + bias(row);
        }
    });
}

/// The sums of some rows with x in 16 bits, however they lie.
#[inline(always)]
unsafe fn sums_of_integers<const TYPE: u32, const MASKED: bool, const SPLIT: bool, const R: usize>(
    weight: &Packed,
    rows: [usize; R],
    x: &Rounded,
    nibbles: &Nibbles,
) -> [f32; R] {
    if MASKED && weight.arrangement == HALVED {
        return sums_of_halved_integers::<TYPE, R>(weight, rows, x, nibbles);
    }
    let &Packed { values, cols, group, .. } = weight;
    let mut at = rows.map(|row| weight.first(row));
    let masks = if MASKED { rows.map(|row| weight.mask_row(row)) } else { [core::ptr::null(); R] };
    let scales = rows.map(|row| weight.scale_row(row));
    let mut sums = [F32x4::splat(0.0); R];
    let mut rest = [0f32; R];
    for (g, first) in (0..cols).step_by(group).enumerate() {
        let end = cols.min(first + group);
        let mut own = [I32x4::splat(0); R];
        if SPLIT {
            for k in (first..end).step_by(NIBBLES) {
                let xs: [I16x8; 4] = core::array::from_fn(|i| I16x8::load(x.x.add(k + 8 * i)));
                for r in 0..R {
                    let stored = U8x16::load(values.add((at[r] + k) / 2));
                    let [a, b] = stored.and(nibbles.low).widen_u8();
                    let [c, d] = stored.upper(nibbles.low).widen_u8();
                    own[r] = own[r].add(a.dot(xs[0])).add(b.dot(xs[1])).add(c.dot(xs[2]).add(d.dot(xs[3])));
                }
            }
        } else {
            for k in (first..end).step_by(8) {
                let eight = I16x8::load(x.x.add(k));
                for r in 0..R {
                    let mask = if MASKED { *masks[r].add(k / 8) } else { 255 };
                    let taken = if MASKED {
                        eight.bytes().swizzle(U8x16::load(GATHER_LEFT[mask as usize].as_ptr())).shorts()
                    } else {
                        eight
                    };
                    own[r] = own[r].add(integers::<TYPE>(values, at[r], nibbles).dot(taken));
                    at[r] += mask.count_ones() as usize;
                }
            }
        }
        let unit = *x.scales.add(g);
        for r in 0..R {
            let scale = brain(*scales[r].add(g)) * unit;
            sums[r] = own[r].floats().madd(F32x4::splat(scale), sums[r]);
            if SPLIT {
                // Its values are 8 too large.
                rest[r] += (-8 * *x.sums.add(g)) as f32 * scale;
            }
        }
    }
    core::array::from_fn(|r| sums[r].sum() + rest[r])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::few::{few_scratch, linear_few};
    use crate::oracle::numbers;
    use crate::packed::tests::{pack, KEEPS};
    use crate::team::alone;
    use core::ptr::null;

    #[test]
    fn a_few_tokens_are_the_product_at_every_edge() {
        for (name, masked, keep) in KEEPS {
            for value_type in [F32, F16, BF16, I8, I4] {
                for (rows, cols) in [(1, 1), (3, 7), (5, 8), (17, 300), (40, 64), (4, 61), (33, 416)] {
                    for (tokens, group) in [(1, 32), (1, 128), (2, 32), (3, 128)] {
                        let example = pack(rows, cols, value_type, group, masked, keep);
                        let (x, bias) = (numbers(tokens * cols, 1), numbers(rows, 3));
                        let mut y = vec![f32::NAN; tokens * rows];
                        let mut scratch = vec![f32::NAN; packed_few_scratch(tokens, cols)];
                        let (px, w, b) = (x.as_ptr(), &example.weight, bias.as_ptr() as *const u8);
                        let (py, s) = (y.as_mut_ptr(), scratch.as_mut_ptr());
                        unsafe { alone(|team| packed_few(team, px, tokens, w, b, F32, py, s)) }
                        // x in 16 bits is off by half a step, 1 / 65534 of the largest of a group, here below 1.
                        let off = if value_type >= I8 && tokens == 1 { 1.0 / 65534.0 } else { 0.0 };
                        for (at, &found) in y.iter().enumerate() {
                            let (token, row) = (at / rows, at % rows);
                            let (mut sum, mut size, mut weights) = (bias[row] as f64, 1.0, 0.0);
                            for col in 0..cols {
                                let number = example.dense[row * cols + col] as f64;
                                let term = x[token * cols + col] as f64 * number;
                                (sum, size, weights) = (sum + term, size + term.abs(), weights + number.abs());
                            }
                            // The four-bit kernel adds values that are 8 too large, and takes the 8 away.
                            let inflated = if value_type == I4 { 17.0 * size.max(weights) } else { size };
                            let bound = (cols + 4) as f64 * 2f64.powi(-24) * inflated + off * weights;
                            let case = format!("{name}, type {value_type}, {tokens} by {rows} x {cols} in {group}s");
                            assert!((found as f64 - sum).abs() <= bound, "{case}, {at}: {found} is not {sum}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn masked_halves_give_the_bits_of_the_dense_weight() {
        for (name, masked, keep) in KEEPS {
            let (rows, cols) = (21, 301);
            let example = pack(rows, cols, F16, 32, masked, keep);
            let x = numbers(cols, 1);
            let (mut y, mut z) = (vec![f32::NAN; rows], vec![f32::NAN; rows]);
            let mut scratch = vec![f32::NAN; packed_few_scratch(1, cols).max(few_scratch(1, cols))];
            let mut halves = vec![0u8; rows * cols * 2];
            let (px, d, h) = (x.as_ptr(), example.dense.as_ptr() as *const u8, halves.as_mut_ptr());
            let (s, py, pz) = (scratch.as_mut_ptr(), y.as_mut_ptr(), z.as_mut_ptr());
            unsafe {
                alone(|team| crate::convert::convert(team, d, F32, rows * cols, h, F16));
                alone(|team| packed_few(team, px, 1, &example.weight, null(), F32, py, s));
                alone(|team| linear_few(team, px, 1, cols, h, F16, rows, null(), F32, pz, s));
            }
            assert_eq!(y, z, "{name}");
        }
    }

    #[test]
    fn x_may_be_large_small_and_zero() {
        let example = pack(5, 64, I8, 32, false, |_, _| true);
        for size in [0.0, 1e-38, 1e-30, 1.0, 1e30] {
            let x: Vec<f32> = numbers(64, 1).iter().map(|x| x * size).collect();
            let mut y = [f32::NAN; 5];
            let mut scratch = vec![f32::NAN; packed_few_scratch(1, 64)];
            let (px, py, s) = (x.as_ptr(), y.as_mut_ptr(), scratch.as_mut_ptr());
            unsafe { alone(|team| packed_few(team, px, 1, &example.weight, null(), F32, py, s)) }
            for (row, found) in y.into_iter().enumerate() {
                let dense = &example.dense[row * 64..][..64];
                let sum: f64 = x.iter().zip(dense).map(|(x, w)| *x as f64 * *w as f64).sum();
                let weights: f64 = dense.iter().map(|w| w.abs() as f64).sum();
                let bound = weights * (size as f64 / 65534.0 * 1.01 + SMALLEST as f64);
                assert!((found as f64 - sum).abs() <= bound, "{size}: {found} is not {sum}");
            }
        }
    }
}
