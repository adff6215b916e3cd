//! Which weights of a strip an elimination removes: those that a mask names, those that were not worth enough before the
//! block, or the least of every group.

use crate::panel::Panel;
use crate::select_groups::falls;
use crate::simd::{F32x4, U32x4};
use crate::tile::{COLS, ROWS};
use crate::worth::Worth;
use core::slice::from_raw_parts_mut;

/// Chooses for four rows at a time.
pub trait Choose {
    /// Every so many columns of a strip it is asked.
    fn step(&self) -> usize;
    /// For columns `j..j + step` of strip `s`, whose weights stand in `columns`: bit `j` of a lane is 1 if the row's
    /// weight of column `j` of the strip falls.
    /// # Safety
    /// The panel can be read.
    unsafe fn choose(&mut self, panel: &Panel, s: usize, j: usize, columns: &[F32x4; COLS]) -> U32x4;
}

/// By a mask whose rows have `words` words; `bit` is the block's first column.
pub struct Marked {
    pub mask: *const u32,
    pub words: usize,
    pub bit: usize,
}

impl Choose for Marked {
    fn step(&self) -> usize {
        COLS
    }
    #[inline(always)]
    unsafe fn choose(&mut self, panel: &Panel, s: usize, _: usize, _: &[F32x4; COLS]) -> U32x4 {
        let at = self.bit + s * COLS;
        let mut bits = [0u32; ROWS];
        for (i, bits) in bits.iter_mut().enumerate().take(panel.height) {
            let row = self.mask.add((panel.row + i) * self.words);
            let low = *row.add(at / 32) >> (at % 32);
            // The strip may reach into the next word.
            let next = if at % 32 > 32 - COLS && at / 32 + 1 < self.words { *row.add(at / 32 + 1) } else { 0 };
            *bits = low | ((next as u64) << (32 - at % 32)) as u32;
        }
        U32x4::load(&bits[0])
    }
}

/// All that were worth `most` (its bits) or less before the block.
pub struct Below {
    pub worth: Worth,
    pub most: u32,
}

impl Choose for Below {
    fn step(&self) -> usize {
        COLS
    }
    #[inline(always)]
    unsafe fn choose(&mut self, panel: &Panel, s: usize, _: usize, _: &[F32x4; COLS]) -> U32x4 {
        let (first, width) = panel.own.get(s).unwrap_or_default();
        let limit = U32x4::splat(self.most + 1);
        let mut bits = U32x4::splat(0);
        for (j, weights) in panel.weights(s, 0).into_iter().enumerate().take(width) {
            let worth = self.worth.of(weights, F32x4::splat(*self.worth.column.add(first + j)));
            bits = bits.or(worth.bits().less(limit).and(U32x4::splat(1 << j)));
        }
        bits
    }
}

/// The `remove` least of every `m` columns, ties to the lower column.
pub struct Groups<'a> {
    worth: Worth,
    remove: usize,
    m: usize,
    /// Of a group wider than a strip: its scores, row by row, then a byte for each row of each strip.
    scores: &'a mut [u32],
    bits: &'a mut [u32],
}

impl Groups<'_> {
    /// u32 that it needs.
    pub fn scratch(m: usize) -> usize {
        ROWS * (m + m.div_ceil(COLS))
    }
    /// # Safety
    /// [`Groups::scratch`] u32 can be written at `scratch`.
    pub unsafe fn new(worth: Worth, remove: usize, m: usize, scratch: *mut u32) -> Self {
        let (scores, bits) = from_raw_parts_mut(scratch, Self::scratch(m)).split_at_mut(ROWS * m);
        Groups { worth, remove, m, scores, bits }
    }

    /// Of a group within a strip: a score falls if fewer than `remove` go before it, the smaller ones and equal ones on
    /// its left.
    #[inline(always)]
    unsafe fn narrow(&self, first: usize, j: usize, columns: &[F32x4; COLS]) -> U32x4 {
        let mut scores = [U32x4::splat(0); COLS];
        for (i, score) in scores.iter_mut().enumerate().take(self.m) {
            let column = F32x4::splat(*self.worth.column.add(first + j + i));
            *score = self.worth.of(columns[(j + i) % COLS], column).bits();
        }
        let (one, remove) = (U32x4::splat(1), U32x4::splat(self.remove as u32));
        let mut bits = U32x4::splat(0);
        for a in 0..self.m {
            let mut rank = U32x4::splat(0);
            for b in 0..self.m {
                let before = if b < a { scores[b].less(scores[a].add(one)) } else { scores[b].less(scores[a]) };
                rank = rank.sub(before);
            }
            bits = bits.or(rank.less(remove).and(U32x4::splat(1 << (j + a))));
        }
        bits
    }

    /// Of a group of several strips, from strip `s` on, column `first` of the block.
    unsafe fn wide(&mut self, panel: &Panel, s: usize, first: usize) {
        let m = self.m;
        for strip in 0..panel.own.of_group() {
            for (k, weights) in panel.weights(s + strip, first).into_iter().enumerate() {
                let i = strip * COLS + k;
                if i < m {
                    let column = F32x4::splat(*self.worth.column.add(first + i));
                    let four = self.worth.of(weights, column).bits().to_array();
                    (0..ROWS).for_each(|row| self.scores[row * m + i] = four[row]);
                }
            }
        }
        self.bits.fill(0);
        for row in 0..ROWS {
            let bits = &mut self.bits;
            falls(&self.scores[row * m..(row + 1) * m], self.remove, |i| {
                bits[i / COLS * ROWS + row] |= 1 << (i % COLS)
            });
        }
    }
}

impl Choose for Groups<'_> {
    fn step(&self) -> usize {
        self.m.min(COLS)
    }
    #[inline(always)]
    unsafe fn choose(&mut self, panel: &Panel, s: usize, j: usize, columns: &[F32x4; COLS]) -> U32x4 {
        let first = panel.own.get(s).map_or(0, |(first, _)| first);
        if self.m <= COLS {
            return self.narrow(first, j, columns);
        }
        let strip = s % panel.own.of_group();
        if strip == 0 {
            self.wide(panel, s, first);
        }
        U32x4::load(&self.bits[strip * ROWS])
    }
}
