//! Causal softmax attention of sequences of one length, fused: the scores of a panel of queries live in private scratch and are gone when its
//! output is written. Everything is computed transposed, keys down and queries across, so that eight queries fill two
//! registers and a softmax over the keys needs no shuffles:
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
//! K and V of every sequence and kv head are packed first, in a command of their own; the heads of a group share them.
//!
//! ```text
//!   packed, for each (sequence, kv head):   K: ceil(length / 4) panels of headDim x 4
//!                                           V: ceil(headDim / 4) panels of length x 4
//! ```

use crate::dtype::Single;
use crate::pack;
use crate::power::Power;
use crate::simd::F32x4;
use crate::tanh::Tanh;
use crate::team::Team;
use crate::tile::{self, COLS, ROWS};
use core::array::from_fn;
use core::f64::consts::LOG2_E;
use wasm_bindgen::prelude::wasm_bindgen;

/// Keys of a packing chunk: some panels at once.
const PACKED_KEYS: usize = 24 * ROWS;
/// Keys between two updates of the output: a panel of V and the scores, 12 floats a key, in 32 KiB.
const DEPTH: usize = 384;

/// f32 of the packed K of one head of one sequence.
const fn key_floats(length: usize, dim: usize) -> usize {
    length.next_multiple_of(ROWS) * dim
}

/// The same of V, which lies behind it.
const fn value_floats(length: usize, dim: usize) -> usize {
    dim.next_multiple_of(ROWS) * length
}

/// f32 of packed K and V for each sequence and kv head.
#[wasm_bindgen]
pub fn packed_floats(length: usize, dim: usize) -> usize {
    key_floats(length, dim) + value_floats(length, dim)
}

/// Packs K and V (tokens x kv_heads * dim) of whole sequences into `packed`.
#[wasm_bindgen]
pub unsafe fn pack_keys_values(
    team: *const Team,
    k: *const f32,
    v: *const f32,
    sequences: usize,
    length: usize,
    kv_heads: usize,
    dim: usize,
    packed: *mut f32,
) {
    let stride = kv_heads * dim;
    let parts = length.div_ceil(PACKED_KEYS);
    for chunk in (*team).chunks(sequences * kv_heads * parts) {
        let (pair, part) = (chunk / parts, chunk % parts);
        let (sequence, head) = (pair / kv_heads, pair % kv_heads);
        let keys = packed.add(pair * packed_floats(length, dim));
        let values = keys.add(key_floats(length, dim));
        let first = sequence * length * stride + head * dim;
        let from = part * PACKED_KEYS;
        let to = length.min(from + PACKED_KEYS);
        for key in (from..to).step_by(ROWS) {
            let rows = ROWS.min(length - key);
            pack::panel::<Single, ROWS>(k as *const u8, first + key * stride, stride, rows, dim, keys.add(key * dim));
        }
        for d in (0..dim).step_by(ROWS) {
            let cols = ROWS.min(dim - d);
            for key in from..to {
                let row = values.add(d * length + key * ROWS);
                let source = v.add(first + key * stride + d);
                for i in 0..ROWS {
                    *row.add(i) = if i < cols { *source.add(i) } else { 0.0 };
                }
            }
        }
    }
}

/// f32 of scratch for each worker: a panel of queries, their scores, their output.
#[wasm_bindgen]
pub fn attention_scratch(length: usize, dim: usize) -> usize {
    (dim + length.next_multiple_of(ROWS) + dim.next_multiple_of(ROWS)) * COLS
}

/// `out` (tokens x heads * dim) from q of the same shape and the packed K and V. A chunk is eight queries of a head. Query
/// `i` sees the keys `i - window + 1..=i`, or all up to itself if `window` is 0; `cap * tanh(score / cap)` takes a score's
/// place unless `cap` is 0; `slopes` are one number for each head, or null.
#[wasm_bindgen]
pub unsafe fn attention(
    team: *const Team,
    q: *const f32,
    packed: *const f32,
    sequences: usize,
    length: usize,
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
    let queries = scratch.add(team.worker * attention_scratch(length, dim));
    let scores = queries.add(dim * COLS);
    let output = scores.add(length.next_multiple_of(ROWS) * COLS);
    let capped = cap > 0.0;
    let tanh = Tanh::new(1.0);
    // The softmax is one of powers of 2: log2(e) goes into the queries, or into the cap.
    let scale = F32x4::splat(if capped { scale / cap } else { LOG2_E * scale } as f32);
    let cap = F32x4::splat((LOG2_E * cap) as f32);
    let window = if window > 0 { window } else { usize::MAX };
    let panels = length.div_ceil(COLS);
    for chunk in team.chunks(sequences * heads * panels) {
        let (pair, panel) = (chunk / panels, chunk % panels);
        let (sequence, head) = (pair / heads, pair % heads);
        let kv_pair = sequence * kv_heads + head * kv_heads / heads;
        let keys = packed.add(kv_pair * packed_floats(length, dim));
        let values = keys.add(key_floats(length, dim));
        let query = panel * COLS;
        let count = COLS.min(length - query);
        let seen = query + count;
        let from = (query + 1).saturating_sub(window) & !(ROWS - 1);
        let first = (sequence * length + query) * stride + head * dim;

        pack::panel::<Single, COLS>(q as *const u8, first, stride, count, dim, queries);
        for i in (0..dim * COLS).step_by(4) {
            F32x4::load(queries.add(i)).mul(scale).store(queries.add(i));
        }
        tile::column((seen - from).div_ceil(ROWS), dim, keys.add(from * dim), queries, scores, COLS, false);
        if capped {
            for i in (0..(seen - from) * COLS).step_by(4) {
                tanh.of(F32x4::load(scores.add(i))).mul(cap).store(scores.add(i));
            }
        }
        if !slopes.is_null() {
            slope(scores, *slopes.add(head), query - from, seen - from);
        }
        let sums = softmax(scores, query - from, seen - from, window);
        if !slopes.is_null() {
            forget(scores, (seen - from) * COLS);
        }
        for d in (0..dim).step_by(ROWS) {
            for key in (from..seen).step_by(DEPTH) {
                tile::column(
                    1,
                    DEPTH.min(seen - key),
                    values.add(d * length + key * ROWS),
                    scores.add((key - from) * COLS),
                    output.add(d * COLS),
                    COLS,
                    key > from,
                );
            }
        }
        write(output, dim, sums, count, out.add(first), stride);
    }
}

/// Adds `slope * (key - query)` to the scores [seen x 8], times log2 e (ALiBi; Press et al., 2022).
#[inline(never)]
unsafe fn slope(scores: *mut f32, slope: f32, query: usize, seen: usize) {
    let slope = F32x4::splat((LOG2_E * slope as f64) as f32);
    let queries = [0, 4].map(|half| F32x4::load([0, 1, 2, 3].map(|i| (query + half + i) as f32).as_ptr()));
    for key in 0..seen {
        for (half, queries) in queries.into_iter().enumerate() {
            let at = scores.add(key * COLS + half * 4);
            F32x4::load(at).add(F32x4::splat(key as f32).sub(queries).mul(slope)).store(at);
        }
    }
}

/// Weights below this are 0 where scores have slopes: of a sum of 1 or more they are nothing, and their products with values
/// would be subnormal numbers, which the processor takes a hundred times as long for (13 times the attention of 2048 tokens).
const LEAST: f32 = 7.888_609e-31; // 2^-100

/// Makes 0 of weights below [`LEAST`].
#[inline(never)]
unsafe fn forget(weights: *mut f32, n: usize) {
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
unsafe fn softmax(scores: *mut f32, query: usize, seen: usize, window: usize) -> [F32x4; 2] {
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

    fn check(sequences: usize, length: usize, heads: usize, kv_heads: usize, dim: usize, kind: Kind) {
        let tokens = sequences * length;
        let q = numbers(tokens * heads * dim, 1);
        let k = numbers(tokens * kv_heads * dim, 2);
        let v = numbers(tokens * kv_heads * dim, 3);
        let slopes: Vec<f32> = (0..heads).map(|h| 0.5f32.powi(h as i32)).collect();
        let slopes_at = if kind.sloped { slopes.as_ptr() } else { core::ptr::null() };
        let mut packed = vec![0f32; sequences * kv_heads * packed_floats(length, dim)];
        let mut scratch = vec![0f32; attention_scratch(length, dim)];
        let mut out = vec![f32::NAN; q.len()];
        let scale = 1.0 / (dim as f64).sqrt();
        unsafe {
            let (k, v, p) = (k.as_ptr(), v.as_ptr(), packed.as_mut_ptr());
            alone(|team| pack_keys_values(team, k, v, sequences, length, kv_heads, dim, p));
            let (q, o, s) = (q.as_ptr(), out.as_mut_ptr(), scratch.as_mut_ptr());
            let Kind { window, cap, .. } = kind;
            alone(|team| {
                attention(team, q, p, sequences, length, heads, kv_heads, dim, scale, window, cap, slopes_at, o, s)
            });
        }
        for t in 0..tokens {
            for h in 0..heads {
                let kv = h * kv_heads / heads;
                let first = t - t % length;
                let start = if kind.window > 0 { first.max((t + 1).saturating_sub(kind.window)) } else { first };
                let score = |key: usize| -> f64 {
                    let dot = (0..dim)
                        .map(|d| q[(t * heads + h) * dim + d] as f64 * k[(key * kv_heads + kv) * dim + d] as f64)
                        .sum::<f64>()
                        * scale;
                    let dot = if kind.cap > 0.0 { kind.cap * (dot / kind.cap).tanh() } else { dot };
                    dot + if kind.sloped { slopes[h] as f64 * (key as f64 - t as f64) } else { 0.0 }
                };
                let scores: Vec<f64> = (start..=t).map(score).collect();
                let largest = scores.iter().cloned().fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = scores.iter().map(|s| (s - largest).exp()).collect();
                let sum: f64 = weights.iter().sum();
                for d in 0..dim {
                    let expected: f64 = (start..=t)
                        .map(|key| weights[key - start] * v[(key * kv_heads + kv) * dim + d] as f64)
                        .sum::<f64>()
                        / sum;
                    let found = out[(t * heads + h) * dim + d] as f64;
                    // Scores err by dim roundings, the average by as many again as there are keys; |v| <= 1. A cap adds
                    // some ten, a slope three of its distance where that still counts.
                    let bound = (2 * dim + length + 40) as f64 * 2f64.powi(-24);
                    assert!((found - expected).abs() <= bound, "[{t}, {h}, {d}]: {found}, not {expected}");
                }
            }
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
    fn weights_that_count_for_nothing_are_forgotten() {
        let mut weights = [1.0, 1e-30, 1e-31, f32::MIN_POSITIVE, 0.0, 0.5, 2e-38, 1.0];
        unsafe { forget(weights.as_mut_ptr(), 8) }
        assert_eq!(weights, [1.0, 1e-30, 0.0, 0.0, 0.0, 0.5, 0.0, 1.0]);
    }
}
