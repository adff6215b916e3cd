//! Causal softmax attention, fused: the scores of a panel of queries live in private scratch and are gone when its output
//! is written. Everything is computed transposed, keys down and queries across, so that eight queries fill two registers
//! and a softmax over the keys needs no shuffles:
//!
//! ```text
//!   scores  [keys x 8 queries] = K panel (4 keys) x Q panel (8 queries), depth headDim
//!   cap and slope of the scores, where they are asked for
//!   softmax over the keys, lane by lane; keys after the query, or before its window, count 0
//!   output  [dims x 8 queries] = V panel (4 dims) x scores, depth keys
//! ```
//!
//! With a window a panel begins with the first key that its first query sees.
//!
//! The keys of a sequence are spans of rows, one behind the other, and sequences may share them. K and V of every span and
//! kv head are packed first, in a command of their own; the heads of a group share them. A span's last panel of K may be
//! filled up with zeros: the scores of the next span take the place of theirs.
//!
//! ```text
//!   packed, for each (span, kv head):   K: ceil(rows / 4) panels of headDim x 4
//!                                       V: ceil(headDim / 4) panels of rows x 4
//! ```

use crate::dtype::{Single, Stored};
use crate::pack;
use crate::power::Power;
use crate::simd::F32x4;
use crate::stored;
use crate::tanh::Tanh;
use crate::team::Team;
use crate::tile::{self, COLS, ROWS};
use core::array::from_fn;
use core::f64::consts::LOG2_E;
use core::ops::Range;
use wasm_bindgen::prelude::wasm_bindgen;

/// Keys of a packing chunk: some panels at once.
const PACKED_KEYS: usize = 24 * ROWS;
/// Keys between two updates of the output: a panel of V and the scores, 12 floats a key, in 32 KiB.
pub const DEPTH: usize = 384;

/// Rows of K and V, and the number of the float in `packed` where those of their first head begin, packed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Span {
    pub first: u32,
    pub rows: u32,
    packed: u32,
}

/// Rows of q, and the spans that they see: `spans_from .. spans_end` in the list of all sequences' spans. The last
/// positions are the queries' own.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Sequence {
    pub first: u32,
    pub queries: u32,
    pub spans_from: u32,
    pub spans_end: u32,
}

/// What the chunks of a command are pieces of: each of these has some pieces, and a worker's chunks only ascend.
pub struct Pieces {
    of: usize,
    before: usize,
}

impl Pieces {
    pub const NONE: Self = Self { of: 0, before: 0 };

    /// The one of `count` that a chunk is a piece of, and which of its pieces; none behind the last.
    pub fn find(&mut self, chunk: usize, count: usize, pieces: impl Fn(usize) -> usize) -> Option<(usize, usize)> {
        while self.of < count {
            let own = pieces(self.of);
            if chunk < self.before + own {
                return Some((self.of, chunk - self.before));
            }
            self.before += own;
            self.of += 1;
        }
        None
    }
}

/// f32 of the packed K of one head of one span.
pub const fn key_floats(rows: usize, dim: usize) -> usize {
    rows.next_multiple_of(ROWS) * dim
}

/// The same of V, which lies behind it.
pub const fn value_floats(rows: usize, dim: usize) -> usize {
    dim.next_multiple_of(ROWS) * rows
}

/// f32 of packed K and V for each span and kv head.
#[wasm_bindgen]
pub fn packed_floats(rows: usize, dim: usize) -> usize {
    key_floats(rows, dim) + value_floats(rows, dim)
}

/// Packs `count` spans of K and V (rows x kv_heads * dim, of a dtype) into `packed`.
#[wasm_bindgen]
pub unsafe fn pack_keys_values(
    team: *const Team,
    k: *const u8,
    v: *const u8,
    dtype: u32,
    spans: *const Span,
    count: usize,
    kv_heads: usize,
    dim: usize,
    packed: *mut f32,
) {
    let stride = kv_heads * dim;
    let parts_of = |i: usize| ((*spans.add(i)).rows as usize).div_ceil(PACKED_KEYS);
    let mut pieces = Pieces::NONE;
    for chunk in (*team).chunks(usize::MAX) {
        let Some((i, piece)) = pieces.find(chunk, count, |i| kv_heads * parts_of(i)) else { break };
        let (span, head, part) = (*spans.add(i), piece / parts_of(i), piece % parts_of(i));
        let length = span.rows as usize;
        let keys = packed.add(span.packed as usize + head * packed_floats(length, dim));
        let values = keys.add(key_floats(length, dim));
        let first = span.first as usize * stride + head * dim;
        let from = part * PACKED_KEYS;
        let to = length.min(from + PACKED_KEYS);
        stored!(dtype, pack_keys(k, first, stride, from..to, dim, keys));
        stored!(dtype, pack_values(v, first, stride, from..to, length, dim, values));
    }
}

/// Panels of some keys of a head.
pub unsafe fn pack_keys<T: Stored>(
    k: *const u8,
    first: usize,
    stride: usize,
    some: Range<usize>,
    dim: usize,
    to: *mut f32,
) {
    for key in some.clone().step_by(ROWS) {
        let rows = ROWS.min(some.end - key);
        pack::panel::<T, ROWS>(k, first + key * stride, stride, rows, dim, to.add(key * dim));
    }
}

/// The part of a head's panels that belongs to some of its `length` values.
pub unsafe fn pack_values<T: Stored>(
    v: *const u8,
    first: usize,
    stride: usize,
    some: Range<usize>,
    length: usize,
    dim: usize,
    to: *mut f32,
) {
    for d in (0..dim).step_by(ROWS) {
        let cols = ROWS.min(dim - d);
        for key in some.clone() {
            let at = first + key * stride + d;
            let four = if cols == ROWS { T::load(v, at) } else { T::load_some(v, at, cols) };
            four.store(to.add(d * length + key * ROWS));
        }
    }
}

/// Rows of scratch for the scores of so many positions: the last panel of keys may be filled up.
pub const fn score_rows(positions: usize) -> usize {
    positions + ROWS - 1
}

/// f32 of scratch for each worker: a panel of queries, their scores, their output.
#[wasm_bindgen]
pub fn attention_scratch(positions: usize, dim: usize) -> usize {
    (dim + score_rows(positions) + dim.next_multiple_of(ROWS)) * COLS
}

/// `out` (tokens x heads * dim) from q of the same shape and the packed K and V, for `count` sequences. A chunk is eight
/// queries of a head. The query at position `i` sees the keys `i - window + 1..=i`, or all up to itself if `window` is 0;
/// `cap * tanh(score / cap)` takes a score's place unless `cap` is 0; `slopes` are one number for each head, or null.
/// `seen` names the sequences' spans; no sequence has more than `most` positions.
#[wasm_bindgen]
pub unsafe fn attention(
    team: *const Team,
    q: *const f32,
    packed: *const f32,
    spans: *const Span,
    seen: *const u32,
    sequences: *const Sequence,
    count: usize,
    most: usize,
    heads: usize,
    kv_heads: usize,
    dim: usize,
    scale: f64,
    window: usize,
    cap: f64,
    slopes: *const f32,
    out: *mut f32,
    scratch: *mut f32,
) {
    let team = &*team;
    let stride = heads * dim;
    let queries = scratch.add(team.worker * attention_scratch(most, dim));
    let scores = queries.add(dim * COLS);
    let output = scores.add(score_rows(most) * COLS);
    let capped = cap > 0.0;
    let tanh = Tanh::new(1.0);
    // The softmax is one of powers of 2: log2(e) goes into the queries, or into the cap.
    let scale = F32x4::splat(if capped { scale / cap } else { LOG2_E * scale } as f32);
    let cap = F32x4::splat((LOG2_E * cap) as f32);
    let window = if window > 0 { window } else { usize::MAX };
    let panels_of = |i: usize| ((*sequences.add(i)).queries as usize).div_ceil(COLS);
    let mut pieces = Pieces::NONE;
    for chunk in team.chunks(usize::MAX) {
        let Some((i, piece)) = pieces.find(chunk, count, |i| heads * panels_of(i)) else { break };
        let (head, panel) = (piece / panels_of(i), piece % panels_of(i));
        let Sequence { first, queries: own, spans_from, spans_end } = *sequences.add(i);
        let spans_of = || (spans_from..spans_end).map(|i| *spans.add(*seen.add(i as usize) as usize));
        let past = spans_of().map(|span| span.rows as usize).sum::<usize>() - own as usize;
        let query = past + panel * COLS;
        let count = COLS.min(own as usize - panel * COLS);
        let end = query + count;
        let from = (query + 1).saturating_sub(window);
        let first = (first as usize + panel * COLS) * stride + head * dim;
        // Of the spans with visible keys: their packed K, rows, first visible key (of its panel), its position.
        let visible = || {
            let mut next = 0;
            spans_of().filter_map(move |Span { rows, packed: at, .. }| {
                let (start, rows) = (next, rows as usize);
                next += rows;
                let skipped = from.saturating_sub(start) & !(ROWS - 1);
                let keys = packed.add(at as usize + head * kv_heads / heads * packed_floats(rows, dim));
                (skipped < rows && start < end).then_some((keys, rows, skipped, start + skipped))
            })
        };

        pack::panel::<Single, COLS>(q as *const u8, first, stride, count, dim, queries);
        for i in (0..dim * COLS).step_by(4) {
            F32x4::load(queries.add(i)).mul(scale).store(queries.add(i));
        }
        let base = visible().next().map_or(0, |(_, _, _, position)| position);
        for (keys, rows, skipped, position) in visible() {
            let some = (rows - skipped).min(end - position);
            let to = scores.add((position - base) * COLS);
            tile::column(some.div_ceil(ROWS), dim, keys.add(skipped * dim), queries, to, COLS, false);
        }
        if capped {
            for i in (0..(end - base) * COLS).step_by(4) {
                tanh.of(F32x4::load(scores.add(i))).mul(cap).store(scores.add(i));
            }
        }
        if !slopes.is_null() {
            slope(scores, *slopes.add(head), query - base, end - base);
        }
        let sums = softmax(scores, query - base, end - base, window);
        if !slopes.is_null() {
            forget(scores, (end - base) * COLS);
        }
        for (keys, rows, skipped, position) in visible() {
            let some = (rows - skipped).min(end - position);
            let values = keys.add(key_floats(rows, dim) + skipped * ROWS);
            for d in (0..dim).step_by(ROWS) {
                for key in (0..some).step_by(DEPTH) {
                    tile::column(
                        1,
                        DEPTH.min(some - key),
                        values.add(d * rows + key * ROWS),
                        scores.add((position - base + key) * COLS),
                        output.add(d * COLS),
                        COLS,
                        position + key > base,
                    );
                }
            }
        }
        write(output, dim, sums, count, out.add(first), stride);
    }
}

/// Adds `slope * (key - query)` to the scores [seen x 8], times log2 e (ALiBi; Press et al., 2022).
#[inline(never)]
pub unsafe fn slope(scores: *mut f32, slope: f32, query: usize, seen: usize) {
    let slope = F32x4::splat((LOG2_E * slope as f64) as f32);
    let queries = [0, 4].map(|half| F32x4::load([0, 1, 2, 3].map(|i| (query + half + i) as f32).as_ptr()));
    for key in 0..seen {
        for (half, queries) in queries.into_iter().enumerate() {
            let at = scores.add(key * COLS + half * 4);
            F32x4::load(at).add(F32x4::splat(key as f32).sub(queries).mul(slope)).store(at);
        }
    }
}

/// Weights below this are 0 where scores have slopes, and for a few queries (`attend.rs`) always: of a sum of 1 or more they
/// are nothing, and their products with values would be subnormal numbers, which the processor takes a hundred times as long
/// for (13 times the attention of 2048 tokens).
pub const LEAST: f32 = 7.888_609e-31; // 2^-100

/// Makes 0 of weights below [`LEAST`].
#[inline(never)]
pub unsafe fn forget(weights: *mut f32, n: usize) {
    let least = F32x4::splat(LEAST);
    for i in (0..n).step_by(4) {
        let weight = F32x4::load(weights.add(i));
        weight.bits().and(weight.above(least)).floats().store(weights.add(i));
    }
}

/// Divides the output [dim x 8] by the sums of its queries, and writes the first `count` queries as rows.
#[inline(always)]
unsafe fn write(output: *const f32, dim: usize, sums: [F32x4; 2], count: usize, out: *mut f32, stride: usize) {
    let scale = sums.map(|sum| F32x4::splat(1.0).div(sum));
    for d in (0..dim).step_by(ROWS) {
        for (half, scale) in scale.into_iter().enumerate() {
            let dims = from_fn(|i| F32x4::load(output.add((d + i) * COLS + half * 4)).mul(scale));
            for (i, query) in F32x4::transpose(dims).into_iter().enumerate().take(count.saturating_sub(half * 4)) {
                let to = out.add((half * 4 + i) * stride + d);
                if dim - d >= ROWS {
                    query.store(to);
                } else {
                    to.copy_from_nonoverlapping(query.to_array().as_ptr(), dim - d);
                }
            }
        }
    }
}

/// Turns scores [seen x 8] (times log2 e) into e^(score - largest) of each query, those of keys that it does not see into 0;
/// gives the sums. Query `i` of the panel is token `query + i`, and sees `window` keys up to itself.
#[inline(never)]
pub unsafe fn softmax(scores: *mut f32, query: usize, seen: usize, window: usize) -> [F32x4; 2] {
    let row = |key: usize| scores.add(key * COLS);
    let hide = |value: f32| {
        for key in query..seen {
            core::slice::from_raw_parts_mut(row(key), key - query).fill(value);
        }
        for key in 0..(query + COLS).saturating_sub(window).min(seen) {
            let before = (key + window).saturating_sub(query);
            core::slice::from_raw_parts_mut(row(key).add(before), COLS - before).fill(value);
        }
    };
    hide(f32::NEG_INFINITY);
    let mut largest = [F32x4::splat(f32::NEG_INFINITY); 2];
    for key in 0..seen {
        largest[0] = largest[0].max(F32x4::load(row(key)));
        largest[1] = largest[1].max(F32x4::load(row(key).add(4)));
    }
    let power = Power::new();
    let mut sums = [F32x4::splat(0.0); 2];
    for key in 0..seen {
        for half in 0..2 {
            let at = row(key).add(half * 4);
            let e = power.of(F32x4::load(at).sub(largest[half]));
            e.store(at);
            sums[half] = sums[half].add(e);
        }
    }
    hide(0.0);
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attend::{attend, attend_scratch};
    use crate::dtype::F32;
    use crate::oracle::numbers;
    use crate::team::alone;

    /// What makes attention more than a causal average; 0 or no slopes: not asked for.
    #[derive(Clone, Copy)]
    struct Kind {
        window: usize,
        cap: f64,
        sloped: bool,
    }

    const PLAIN: Kind = Kind { window: 0, cap: 0.0, sloped: false };

    /// Sequences of one length, each of its own rows.
    fn check(sequences: usize, length: usize, heads: usize, kv_heads: usize, dim: usize, kind: Kind) {
        let all: Vec<_> = (0..sequences).map(|i| (length, vec![(i * length, length)])).collect();
        check_spans(&all, heads, kv_heads, dim, kind);
    }

    /// Sequences as their number of queries, and the rows of K and V that they see: first and count.
    fn check_spans(all: &[(usize, Vec<(usize, usize)>)], heads: usize, kv_heads: usize, dim: usize, kind: Kind) {
        let tokens = all.iter().map(|(queries, _)| queries).sum::<usize>();
        let rows = all.iter().flat_map(|(_, own)| own).map(|&(first, rows)| first + rows).max().unwrap();
        let most = all.iter().map(|(_, own)| own.iter().map(|(_, rows)| rows).sum()).max().unwrap();
        let q = numbers(tokens * heads * dim, 1);
        let k = numbers(rows * kv_heads * dim, 2);
        let v = numbers(rows * kv_heads * dim, 3);
        let slopes: Vec<f32> = (0..heads).map(|h| 0.5f32.powi(h as i32)).collect();
        let slopes_at = if kind.sloped { slopes.as_ptr() } else { core::ptr::null() };
        let (mut spans, mut sequences, mut floats, mut first) = (vec![], vec![], 0, 0);
        for (queries, own) in all {
            let from = spans.len() as u32;
            for &(first, rows) in own {
                spans.push(Span { first: first as u32, rows: rows as u32, packed: floats as u32 });
                floats += kv_heads * packed_floats(rows, dim);
            }
            let (spans_from, spans_end) = (from, spans.len() as u32);
            sequences.push(Sequence { first, queries: *queries as u32, spans_from, spans_end });
            first += *queries as u32;
        }
        let seen: Vec<u32> = (0..spans.len() as u32).collect();
        let mut packed = vec![f32::NAN; floats];
        let mut scratch = vec![f32::NAN; attention_scratch(most, dim)];
        let mut out = vec![f32::NAN; q.len()];
        let scale = 1.0 / (dim as f64).sqrt();
        unsafe {
            let (k, v) = (k.as_ptr() as *const u8, v.as_ptr() as *const u8);
            let (p, spans_at) = (packed.as_mut_ptr(), spans.as_ptr());
            alone(|team| pack_keys_values(team, k, v, F32, spans_at, spans.len(), kv_heads, dim, p));
            let (q, o, s) = (q.as_ptr(), out.as_mut_ptr(), scratch.as_mut_ptr());
            let (seen, sequences, n) = (seen.as_ptr(), sequences.as_ptr(), all.len());
            let Kind { window, cap, .. } = kind;
            #[rustfmt::skip]
            alone(|team| {
                attention(team, q, p, spans_at, seen, sequences, n, most, heads, kv_heads, dim, scale, window, cap, slopes_at, o, s)
            });
        }
        let mut few = vec![f32::NAN; q.len()];
        let mut scratch = vec![f32::NAN; attend_scratch(most, dim)];
        unsafe {
            let (k, v) = (k.as_ptr() as *const u8, v.as_ptr() as *const u8);
            let (q, o, s, spans, n) = (q.as_ptr(), few.as_mut_ptr(), scratch.as_mut_ptr(), spans.as_ptr(), all.len());
            let (seen, sequences, Kind { window, cap, .. }) = (seen.as_ptr(), sequences.as_ptr(), kind);
            #[rustfmt::skip]
            alone(|team| {
                attend(team, q, k, v, F32, spans, seen, sequences, n, most, heads, kv_heads, dim, scale, window, cap, slopes_at, o, s)
            });
        }
        let mut t = 0;
        for (queries, own) in all {
            let keys: Vec<usize> = own.iter().flat_map(|&(first, rows)| first..first + rows).collect();
            for query in keys.len() - queries..keys.len() {
                for (h, &slope) in slopes.iter().enumerate() {
                    for out in [&out, &few] {
                        check_query(&q, &k, &v, (t, query), &keys, (heads, kv_heads, dim, h), kind, slope as f64, out);
                    }
                }
                t += 1;
            }
        }
    }

    /// One head of one query: row `t`, at a position, with the rows of its keys.
    fn check_query(
        q: &[f32],
        k: &[f32],
        v: &[f32],
        (t, position): (usize, usize),
        keys: &[usize],
        (heads, kv_heads, dim, h): (usize, usize, usize, usize),
        kind: Kind,
        slope: f64,
        out: &[f32],
    ) {
        let scale = 1.0 / (dim as f64).sqrt();
        let kv = h * kv_heads / heads;
        let start = if kind.window > 0 { (position + 1).saturating_sub(kind.window) } else { 0 };
        let score = |key: usize| -> f64 {
            let dot = (0..dim)
                .map(|d| q[(t * heads + h) * dim + d] as f64 * k[(keys[key] * kv_heads + kv) * dim + d] as f64)
                .sum::<f64>()
                * scale;
            let dot = if kind.cap > 0.0 { kind.cap * (dot / kind.cap).tanh() } else { dot };
            dot + if kind.sloped { slope * (key as f64 - position as f64) } else { 0.0 }
        };
        let scores: Vec<f64> = (start..=position).map(score).collect();
        let largest = scores.iter().cloned().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|s| (s - largest).exp()).collect();
        let sum: f64 = weights.iter().sum();
        for d in 0..dim {
            let expected: f64 = (start..=position)
                .map(|key| weights[key - start] * v[(keys[key] * kv_heads + kv) * dim + d] as f64)
                .sum::<f64>()
                / sum;
            let found = out[(t * heads + h) * dim + d] as f64;
            // Scores err by dim roundings, the average by as many again as there are keys; |v| <= 1. A cap adds
            // some ten, a slope three of its distance where that still counts.
            let bound = (2 * dim + keys.len() + 40) as f64 * 2f64.powi(-24);
            assert!((found - expected).abs() <= bound, "[{t}, {h}, {d}]: {found}, not {expected}");
        }
    }

    #[test]
    fn attention_is_a_causal_average_at_every_edge() {
        check(2, 1, 2, 1, 4, PLAIN);
        check(3, 7, 4, 2, 6, PLAIN);
        check(2, 17, 6, 3, 16, PLAIN);
        check(1, 13, 3, 1, 10, PLAIN);
    }

    #[test]
    fn attention_over_more_keys_than_one_run() {
        check(1, 401, 1, 1, 8, PLAIN);
    }

    #[test]
    fn a_window_hides_what_lies_before_it() {
        for window in [1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 100] {
            check(2, 37, 2, 1, 6, Kind { window, ..PLAIN });
        }
        check(1, 901, 1, 1, 4, Kind { window: 500, ..PLAIN });
    }

    #[test]
    fn scores_are_capped_and_sloped() {
        check(2, 37, 2, 1, 6, Kind { cap: 0.3, ..PLAIN });
        check(2, 37, 4, 2, 6, Kind { sloped: true, ..PLAIN });
        check(1, 70, 2, 2, 8, Kind { window: 11, cap: 2.0, sloped: true });
    }

    #[test]
    fn keys_lie_in_spans_that_sequences_share() {
        for kind in [PLAIN, Kind { window: 6, ..PLAIN }, Kind { window: 11, cap: 2.0, sloped: true }] {
            let context = (0, 13);
            check_spans(
                &[
                    (13, vec![context]),
                    (5, vec![context, (13, 5)]),
                    (1, vec![context, (18, 1)]),
                    (9, vec![context, (18, 1), (30, 9)]),
                ],
                4,
                2,
                6,
                kind,
            );
            check_spans(&[(1, vec![(3, 40)]), (2, vec![(50, 1), (44, 1), (0, 399)])], 2, 1, 8, kind);
        }
    }

    #[test]
    fn weights_that_count_for_nothing_are_forgotten() {
        let mut weights = [1.0, 1e-30, 1e-31, f32::MIN_POSITIVE, 0.0, 0.5, 2e-38, 1.0];
        unsafe { forget(weights.as_mut_ptr(), 8) }
        assert_eq!(weights, [1.0, 1e-30, 0.0, 0.0, 0.0, 0.5, 0.0, 1.0]);
    }
}
