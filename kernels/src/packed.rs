//! Weights that are not dense: some numbers of a row are zero and not stored, or they are integers of eight or four bits that
//! share a scale, or both. Here is how they lie, and how rows of them become f32; `packed_few.rs` multiplies with them as
//! they lie. The layout is that of `src/backend/packed.ts`, which the file of `deno task pack` has as well.
//!
//! ```text
//!   mask      a bit for each number, rows of whole words, the lowest bit first: 1 = its value is stored   (none: all are)
//!   values    those values, row after row; blocks of 8 rows begin at multiples of 16 bytes
//!   offsets   of a mask without a pattern: the value that each 256 columns of a row begin with
//!   scales    of integers: a BF16 for each group of columns of a row
//! ```

use crate::packed_lists::expand_listed_row;
use crate::packed_pairs::expand_paired_row;
use crate::simd::{F32x4, I16x8, U32x4, U8x16};
use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Value types; the first three are the dtypes of `dtype.rs`. The numbers are those of `codes.ts`.
pub const F32: u32 = 0;
pub const F16: u32 = 1;
pub const BF16: u32 = 2;
pub const I8: u32 = 3;
pub const I4: u32 = 4;

/// Rows of a block, whose values begin at a multiple of 16 bytes.
pub const BLOCK: usize = 8;
/// Columns of an offset.
const SEGMENT: usize = 256;
/// Rows of a chunk where they are expanded.
const CHUNK: usize = 8;

/// How a weight lies: as the file has it; in pairs of rows (`packed_pairs.rs`); as the file has it, half of every 16 columns
/// (`packed_halves.rs`); with the columns of its values (`packed_lists.rs`). The numbers are those of `packed.ts`.
pub const AS_STORED: usize = 0;
pub const PAIRED: usize = 1;
pub const HALVED: usize = 2;
pub const LISTED: usize = 3;

/// A packed weight: what `src/backend/wasm/packed.ts` writes in front of its parts, as 32-bit numbers.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Packed {
    pub values: *const u8,
    /// Null: every value is stored.
    pub mask: *const u32,
    /// Null where every row has as many values.
    pub offsets: *const u32,
    pub scales: *const u16,
    pub rows: usize,
    pub cols: usize,
    pub value_type: u32,
    /// Columns that share a scale.
    pub group: usize,
    /// Values of a row and of a block of rows, its padding too, where there are no offsets.
    pub row_values: usize,
    pub block_values: usize,
    /// How it lies, one of the numbers below.
    pub arrangement: usize,
}

impl Packed {
    /// The value that a row begins with.
    /// # Safety
    /// As of all exports: the weight lies as it says.
    #[inline(always)]
    pub unsafe fn first(&self, row: usize) -> usize {
        if self.offsets.is_null() {
            row / BLOCK * self.block_values + row % BLOCK * self.row_values
        } else {
            *self.offsets.add(row * self.cols.div_ceil(SEGMENT)) as usize
        }
    }

    /// The mask of a row, byte by byte; it ends with zeros.
    #[inline(always)]
    pub unsafe fn mask_row(&self, row: usize) -> *const u8 {
        self.mask.add(row * self.cols.div_ceil(32)) as *const u8
    }

    /// The scales of a row.
    #[inline(always)]
    pub unsafe fn scale_row(&self, row: usize) -> *const u16 {
        self.scales.add(row * self.cols.div_ceil(self.group))
    }
}

/// A BF16.
#[inline(always)]
pub fn brain(bits: u16) -> f32 {
    f32::from_bits((bits as u32) << 16)
}

/// Where the bytes of numbers of `W` bytes go: byte `i` of the entry of a mask's byte is the one of the stored values that comes
/// there, 128 where none is stored.
const fn places<const W: usize, const BYTES: usize>() -> [[u8; BYTES]; 256] {
    let mut table = [[128; BYTES]; 256];
    let mut mask = 0;
    while mask < 256 {
        let (mut at, mut rank) = (0, 0);
        while at < BYTES / W {
            if (mask >> at) & 1 == 1 {
                let mut byte = 0;
                while byte < W {
                    table[mask][at * W + byte] = (rank * W + byte) as u8;
                    byte += 1;
                }
                rank += 1;
            }
            at += 1;
        }
        mask += 1;
    }
    table
}

/// Of numbers of two bytes, and four (of those four, by the lower half of a mask's byte).
pub static PLACE_2: [[u8; 16]; 256] = places::<2, 16>();
pub static PLACE_4: [[u8; 16]; 256] = places::<4, 16>();

/// What four-bit values are taken apart by, as opaque as [`upper_bits`].
#[derive(Clone, Copy)]
pub struct Nibbles {
    /// The lower four bits of every byte.
    pub low: U8x16,
    bytes: U8x16,
    factors: U8x16,
    sign: U8x16,
}

static LOW: [u8; 16] = [15; 16];
static NIBBLE_BYTES: [u8; 16] = [0, 128, 0, 128, 1, 128, 1, 128, 2, 128, 2, 128, 3, 128, 3, 128];
static FACTORS: [u16; 8] = [1 << 12, 1 << 8, 1 << 12, 1 << 8, 1 << 12, 1 << 8, 1 << 12, 1 << 8];
static SIGN: [u16; 8] = [1 << 15; 8];

impl Nibbles {
    pub fn read() -> Self {
        // SAFETY: each is 16 bytes.
        unsafe {
            let opaque = |p: *const u8| U8x16::load(core::hint::black_box(p));
            Self {
                low: opaque(LOW.as_ptr()),
                bytes: opaque(NIBBLE_BYTES.as_ptr()),
                factors: opaque(FACTORS.as_ptr() as *const u8),
                sign: opaque(SIGN.as_ptr() as *const u8),
            }
        }
    }

    /// The eight integers of a word, the first one in its lowest bits. Each comes to the upper end of a lane of 16 bits; there 8
    /// more than it stands for is the same with another sign.
    #[inline(always)]
    pub fn split(&self, word: u32) -> I16x8 {
        let bytes = U8x16::word(word).swizzle(self.bytes).shorts();
        bytes.mul(self.factors.shorts()).bytes().xor(self.sign).shorts().upper_i4()
    }
}

/// Eight integers from the one numbered `at` on.
#[inline(always)]
pub unsafe fn integers<const TYPE: u32>(values: *const u8, at: usize, nibbles: &Nibbles) -> I16x8 {
    if TYPE == I8 {
        I16x8::load_i8(values.add(at))
    } else {
        nibbles.split(((values.add(at / 2) as *const u64).read_unaligned() >> (at % 2 * 4)) as u32)
    }
}

static UPPER: [u16; 8] = [0x8fff; 8];

/// The bits of an F16 that are in the upper half of an f32, in eight lanes. No compiler is to know them: V8 makes a constant that it
/// knows anew wherever it stands, and keeps what it has read in a register.
#[inline(always)]
pub fn upper_bits() -> U8x16 {
    // SAFETY: it is 16 bytes.
    unsafe { U8x16::load(core::hint::black_box(UPPER.as_ptr() as *const u8)) }
}

/// Eight 16-bit floats, widened; F16 times 2^-112. `upper`: [`upper_bits`].
#[inline(always)]
pub fn widen<const TYPE: u32>(eight: U8x16, upper: U8x16) -> [F32x4; 2] {
    let wide = if TYPE == BF16 { eight.upper_u16() } else { eight.widen_f16(upper) };
    wide.map(U32x4::floats)
}

/// Eight neighbouring numbers of a row by their mask, widened; of F16 times 2^-112 if `RAW`. `at` is the first value, `upper`
/// [`upper_bits`].
#[inline(always)]
pub unsafe fn load_floats<const TYPE: u32, const RAW: bool>(
    values: *const u8,
    at: usize,
    mask: u8,
    upper: U8x16,
) -> [F32x4; 2] {
    if TYPE == F32 {
        let stored = values.add(at * 4);
        let low = U8x16::load(stored).swizzle(U8x16::load(PLACE_4[mask as usize & 15].as_ptr()));
        let rest = stored.add((mask & 15).count_ones() as usize * 4);
        let high = U8x16::load(rest).swizzle(U8x16::load(PLACE_4[mask as usize >> 4].as_ptr()));
        return [low, high].map(|bytes| bytes.words().floats());
    }
    let stored = U8x16::load(values.add(at * 2)).swizzle(U8x16::load(PLACE_2[mask as usize].as_ptr()));
    let wide = widen::<TYPE>(stored, upper);
    if TYPE == BF16 || RAW {
        wide
    } else {
        wide.map(|x| x.mul(F32x4::splat(5.192_297e33))) // 2^112
    }
}

/// Writes a row as f32.
/// # Safety
/// As of all exports; `to` has room for the columns.
pub unsafe fn expand_row(weight: &Packed, row: usize, to: *mut f32) {
    match weight.arrangement {
        PAIRED => return expand_paired_row(weight, row, to),
        LISTED => return expand_listed_row(weight, row, to),
        _ => {}
    }
    match weight.value_type {
        F32 => expand::<F32>(weight, row, to),
        F16 => expand::<F16>(weight, row, to),
        BF16 => expand::<BF16>(weight, row, to),
        I8 => expand::<I8>(weight, row, to),
        I4 => expand::<I4>(weight, row, to),
        other => unreachable!("value type {other}"),
    }
}

unsafe fn expand<const TYPE: u32>(weight: &Packed, row: usize, to: *mut f32) {
    let &Packed { values, cols, .. } = weight;
    let (mut at, upper, nibbles) = (weight.first(row), upper_bits(), Nibbles::read());
    let masked = !weight.mask.is_null();
    for col in (0..cols).step_by(8) {
        let mask = if masked { *weight.mask_row(row).add(col / 8) } else { 255 };
        let eight = if TYPE >= I8 {
            let scale = F32x4::splat(brain(*weight.scale_row(row).add(col / weight.group)));
            let stored = integers::<TYPE>(values, at, &nibbles).bytes();
            let placed = stored.swizzle(U8x16::load(PLACE_2[mask as usize].as_ptr())).shorts();
            placed.widen().map(|x| x.floats().mul(scale))
        } else {
            load_floats::<TYPE, false>(values, at, mask, upper)
        };
        at += mask.count_ones() as usize;
        if col + 8 <= cols {
            eight[0].store(to.add(col));
            eight[1].store(to.add(col + 4));
        } else {
            let last = eight.map(F32x4::to_array);
            to.add(col).copy_from_nonoverlapping(last.as_ptr() as *const f32, cols - col);
        }
    }
}

/// Rows `first..first + rows` as f32, one after the other at `to`.
#[wasm_bindgen]
pub unsafe fn expand_rows(team: *const Team, weight: *const Packed, first: usize, rows: usize, to: *mut f32) {
    let weight = &*weight;
    for run in (*team).runs(rows, CHUNK) {
        for row in run {
            expand_row(weight, first + row, to.add(row * weight.cols));
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::convert::convert;
    use crate::oracle::numbers;
    use crate::team::alone;
    use core::ptr::null;

    /// A weight that is packed by a plain program, and the numbers that it stands for.
    pub struct Example {
        pub weight: Packed,
        pub dense: Vec<f32>,
        _held: (Vec<u8>, Vec<u32>, Vec<u32>, Vec<u16>),
    }

    /// Which columns of a row are kept.
    pub type Keep = fn(usize, usize) -> bool;

    pub const KEEPS: [(&str, bool, Keep); 5] = [
        ("dense", false, |_, _| true),
        ("half", true, |row, col| (row * 31 + col * 17 + col / 5) % 2 == 0),
        ("few", true, |row, col| (row * 7 + col * 5) % 11 == 0),
        ("none, all and one", true, |row, col| row % 3 == 1 || row % 3 == 2 && col == row),
        ("2:4", true, |row, col| [[0, 1], [0, 2], [1, 3], [2, 3]][(row + col / 4) % 4].contains(&(col % 4))),
    ];

    pub fn pack(rows: usize, cols: usize, value_type: u32, group: usize, masked: bool, keep: Keep) -> Example {
        let exact = numbers(rows * cols, 5);
        let mut dense = vec![0f32; rows * cols];
        let (mut mask, mut offsets) = (vec![0u32; rows * cols.div_ceil(32)], vec![]);
        let mut scales = vec![0u16; rows * cols.div_ceil(group)];
        let mut integers: Vec<i32> = vec![]; // those of a value that is none, too: padding
        let mut floats: Vec<f32> = vec![];
        let align = [4, 8, 8, 16, 32][value_type as usize];
        for row in 0..rows {
            if row % BLOCK == 0 {
                integers.resize(integers.len().next_multiple_of(align), 3);
                floats.resize(integers.len(), 0.5);
            }
            for col in 0..cols {
                if col % SEGMENT == 0 {
                    offsets.push(integers.len() as u32);
                }
                if !keep(row, col) {
                    continue;
                }
                mask[row * cols.div_ceil(32) + col / 32] |= 1 << (col % 32);
                let (at, most) = (row * cols + col, if value_type == I8 { 127.0 } else { 7.0 });
                let scale = brain(0x3c00 + (row * 3 + col / group) as u16 % 64);
                scales[row * cols.div_ceil(group) + col / group] = (scale.to_bits() >> 16) as u16;
                let integer = (exact[at] * most).round() as i32;
                integers.push(integer);
                floats.push(exact[at]);
                dense[at] = integer as f32 * scale;
            }
        }
        let count = floats.len();
        let mut values = vec![0xa5u8; count * 4 + 32]; // what is behind the last value is read, and must not matter
        match value_type {
            I8 => integers.iter().enumerate().for_each(|(i, x)| values[i] = *x as u8),
            I4 => integers.chunks(2).enumerate().for_each(|(i, pair)| {
                values[i] = (pair[0] + 8) as u8 | ((pair.get(1).unwrap_or(&0) + 8) as u8) << 4;
            }),
            dtype => unsafe {
                let mut narrow = vec![0f32; count];
                let (from, to) = (floats.as_ptr() as *const u8, values.as_mut_ptr());
                alone(|team| convert(team, from, F32, count, to, dtype));
                alone(|team| convert(team, to, dtype, count, narrow.as_mut_ptr() as *mut u8, F32));
                let mut at = 0usize;
                for row in 0..rows {
                    if row % BLOCK == 0 {
                        at = at.next_multiple_of(align);
                    }
                    for col in (0..cols).filter(|col| keep(row, *col)) {
                        dense[row * cols + col] = narrow[at];
                        at += 1;
                    }
                }
            },
        }
        let weight = Packed {
            values: values.as_ptr(),
            mask: if masked { mask.as_ptr() } else { null() },
            offsets: if masked { offsets.as_ptr() } else { null() },
            scales: if value_type >= I8 { scales.as_ptr() } else { null() },
            rows,
            cols,
            value_type,
            group,
            row_values: cols,
            block_values: (BLOCK * cols).next_multiple_of(align),
            arrangement: AS_STORED,
        };
        Example { weight, dense, _held: (values, mask, offsets, scales) }
    }

    #[test]
    fn rows_are_expanded_exactly() {
        for (name, masked, keep) in KEEPS {
            for value_type in [F32, F16, BF16, I8, I4] {
                for (rows, cols) in [(1, 1), (3, 7), (9, 8), (17, 300), (4, 61)] {
                    let example = pack(rows, cols, value_type, 32, masked, keep);
                    let mut out = vec![7f32; rows * cols + 1];
                    let (w, to) = (&example.weight, out.as_mut_ptr());
                    unsafe { alone(|team| expand_rows(team, w, 0, rows, to)) }
                    assert_eq!(out.pop(), Some(7.0));
                    assert_eq!(out, example.dense, "{name}, type {value_type}, {rows} x {cols}");
                }
            }
        }
    }
}
