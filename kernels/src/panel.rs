//! Four rows of a block of columns on their way through an elimination (`eliminate.rs`), in strips of 8 columns:
//!
//! ```text
//!   the errors of the block's columns so far x the strip of U     a tile (`tile.rs`), added to the weights
//!   the strip's own columns, one after the other                  8 registers of 4 rows
//! ```
//!
//! So a weight is touched once by its own block, and the loop over single columns never leaves the registers.

use crate::choose::Choose;
use crate::dtype::{widen, Single};
use crate::simd::{F32x4, U32x4};
use crate::tile::{self, COLS, ROWS};

/// How a block of columns falls into strips of at most `COLS` columns: whole groups of `m`, or parts of one.
#[derive(Clone, Copy)]
pub struct Strips {
    pub m: usize,
    pub count: usize,
}

impl Strips {
    /// Strips of a group that is wider than one.
    pub fn of_group(self) -> usize {
        self.m.div_ceil(COLS)
    }
    /// First column and columns of strip `s`; none behind the block.
    pub fn get(self, s: usize) -> Option<(usize, usize)> {
        let (first, most) = if self.m <= COLS {
            let width = COLS / self.m * self.m;
            (s * width, width)
        } else {
            let inside = s % self.of_group() * COLS;
            (s / self.of_group() * self.m + inside, (self.m - inside).min(COLS))
        };
        (first < self.count).then(|| (first, most.min(self.count - first)))
    }
    /// How many there are at most.
    pub fn len(self) -> usize {
        self.count.div_ceil(self.m) * self.of_group()
    }
}

/// Up to four rows of a block, and their negative errors: of every column four.
pub struct Panel {
    pub row: usize,
    pub height: usize,
    pub weight: *mut f32,
    pub stride: usize,
    pub errors: *mut f32,
    pub strips: *const f32,
    pub own: Strips,
    /// The first row's words of the mask of what was removed.
    pub removed: *mut u32,
    /// Words of a row of it.
    pub words: usize,
    /// The block's first column.
    pub bit: usize,
}

impl Panel {
    unsafe fn strip(&self, s: usize) -> *const f32 {
        self.strips.add(s * self.own.count * COLS)
    }

    /// The weights of strip `s`, four rows of every column, after the first `depth` columns have done their work.
    /// # Safety
    /// They can be read, and the errors and the strip.
    #[inline(always)]
    pub unsafe fn weights(&self, s: usize, depth: usize) -> [F32x4; COLS] {
        let Some((first, width)) = self.own.get(s) else {
            return [F32x4::splat(0.0); COLS];
        };
        let mut rows = tile::product(depth, self.errors, self.strip(s));
        for (i, row) in rows.iter_mut().enumerate().take(self.height) {
            let from = self.weight.add(i * self.stride + first);
            if width == COLS {
                *row = [row[0].add(F32x4::load(from)), row[1].add(F32x4::load(from.add(4)))];
            } else {
                let mut some = [0f32; COLS];
                widen::<Single>(from as *const u8, width, some.as_mut_ptr());
                *row = [row[0].add(F32x4::load(&some[0])), row[1].add(F32x4::load(&some[4]))];
            }
        }
        transpose(rows)
    }

    /// Removes what is chosen, strip by strip, and leaves the errors.
    /// # Safety
    /// The weights, the strips and the errors can be read and written.
    #[inline(always)]
    pub unsafe fn eliminate(&self, choose: &mut impl Choose) {
        let mut s = 0;
        while let Some((first, width)) = self.own.get(s) {
            let mut columns = self.weights(s, first);
            // Row j of the strip's own triangle of U.
            let triangle = self.strip(s).add(first * COLS);
            let mut chosen = U32x4::splat(0);
            for j in 0..COLS {
                if j == width {
                    break;
                }
                if j % choose.step() == 0 {
                    chosen = chosen.or(choose.choose(self, s, j, &columns));
                }
                let bit = U32x4::splat(1 << j);
                let falls = chosen.and(bit).equal(bit);
                let u = triangle.add(j * COLS);
                let error = falls.and(F32x4::splat(0.0).sub(columns[j]).div(F32x4::splat(*u.add(j))).bits()).floats();
                columns[j] = columns[j].bits().without(falls).floats();
                for (k, column) in columns.iter_mut().enumerate().skip(j + 1) {
                    *column = error.madd(F32x4::splat(*u.add(k)), *column);
                }
                error.store(self.errors.add((first + j) * ROWS));
            }
            self.write(first, width, columns);
            self.note(first, width, chosen);
            s += 1;
        }
    }

    /// Writes down what the rows have lost of a strip.
    #[inline(always)]
    unsafe fn note(&self, first: usize, width: usize, chosen: U32x4) {
        let at = self.bit + first;
        for (i, bits) in chosen.to_array().into_iter().enumerate().take(self.height) {
            let word = self.removed.add(i * self.words + at / 32);
            let bits = ((bits & ((1 << width) - 1)) as u64) << (at % 32);
            *word |= bits as u32;
            // The strip may reach into the next word.
            if bits >> 32 != 0 {
                *word.add(1) |= (bits >> 32) as u32;
            }
        }
    }

    #[inline(always)]
    unsafe fn write(&self, first: usize, width: usize, columns: [F32x4; COLS]) {
        let [a, b, c, d, e, f, g, h] = columns;
        let (left, right) = (F32x4::transpose([a, b, c, d]), F32x4::transpose([e, f, g, h]));
        for i in 0..self.height {
            let to = self.weight.add(i * self.stride + first);
            if width == COLS {
                left[i].store(to);
                right[i].store(to.add(4));
            } else {
                let mut some = [0f32; COLS];
                left[i].store(&mut some[0]);
                right[i].store(&mut some[4]);
                to.copy_from_nonoverlapping(some.as_ptr(), width);
            }
        }
    }
}

/// Four rows of eight as eight columns of four.
#[inline(always)]
fn transpose(rows: [[F32x4; 2]; ROWS]) -> [F32x4; COLS] {
    let [a, b, c, d] = F32x4::transpose(rows.map(|row| row[0]));
    let [e, f, g, h] = F32x4::transpose(rows.map(|row| row[1]));
    [a, b, c, d, e, f, g, h]
}
