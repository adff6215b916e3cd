//! Causal softmax attention of a few queries: each reads the keys and values that it sees from where they lie, in whatever
//! dtype, once. `attention.rs` packs them first, which pays where many queries share the work.
//!
//! ```text
//!   a chunk = a query of a head
//!   scores   4 keys x the query, over the head's dimensions
//!   cap and slope, softmax over the keys that it sees
//!   output   weights x values, 16 dimensions at a time
//! ```

use crate::attention::{Pieces, Sequence, Span, LEAST};
use crate::dtype::Stored;
use crate::power::Power;
use crate::simd::F32x4;
use crate::stored;
use crate::tanh::Tanh;
use crate::team::Team;
use core::f64::consts::LOG2_E;
use core::ops::Range;
use wasm_bindgen::prelude::wasm_bindgen;

/// Keys whose scores are computed together.
const KEYS: usize = 4;
/// Registers of dimensions whose output is computed together.
const BLOCK: usize = 4;

/// f32 of scratch for each worker: a query, its output, the scores of so many positions.
#[wasm_bindgen]
pub fn attend_scratch(positions: usize, dim: usize) -> usize {
    2 * dim.next_multiple_of(4) + positions.next_multiple_of(KEYS)
}

/// Rows of K and V from `row` on, that stand for the positions from `position` on.
struct Keys {
    row: usize,
    position: usize,
    count: usize,
}

/// What all queries of a command have in common.
struct Heads {
    k: *const u8,
    v: *const u8,
    /// Numbers of a row of K and V.
    stride: usize,
    dim: usize,
    cap: f32,
}

/// See `attention.rs`: the same with K and V (rows x kv_heads * dim, of a dtype) as they are.
#[wasm_bindgen]
pub unsafe fn attend(
    team: *const Team,
    q: *const f32,
    k: *const u8,
    v: *const u8,
    dtype: u32,
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
    let query = scratch.add(team.worker * attend_scratch(most, dim));
    let padded = dim.next_multiple_of(4);
    let (output, scores) = (query.add(padded), query.add(2 * padded));
    // The softmax is one of powers of 2: log2(e) goes into the query, or into the cap.
    let scale = if cap > 0.0 { scale / cap } else { LOG2_E * scale } as f32;
    let window = if window > 0 { window } else { usize::MAX };
    let all = Heads { k, v, stride: kv_heads * dim, dim, cap: (LOG2_E * cap) as f32 };
    let mut pieces = Pieces::NONE;
    for chunk in team.chunks(usize::MAX) {
        let of = |i: usize| (*sequences.add(i)).queries as usize * heads;
        let Some((i, piece)) = pieces.find(chunk, count, of) else { break };
        let (head, token) = (piece % heads, piece / heads);
        let Sequence { first, queries, spans_from, spans_end } = *sequences.add(i);
        let spans_of = || (spans_from..spans_end).map(|i| *spans.add(*seen.add(i as usize) as usize));
        let position = spans_of().map(|span| span.rows as usize).sum::<usize>() - queries as usize + token;
        let sees = (position + 1).saturating_sub(window)..position + 1;
        let keys = || visible(spans_of(), sees.clone());
        let at = ((first as usize + token) * heads + head) * dim;
        for d in 0..padded {
            *query.add(d) = if d < dim { *q.add(at + d) * scale } else { 0.0 };
        }
        let column = head * kv_heads / heads * dim;
        for some in keys() {
            stored!(dtype, score(&all, some, column, query, scores, sees.start));
        }
        let slope = if slopes.is_null() { 0.0 } else { *slopes.add(head) };
        let sum = softmax(scores, sees.len(), all.cap, slope);
        output.write_bytes(0, padded);
        for some in keys() {
            stored!(dtype, add_values(&all, some, column, scores, sees.start, output));
        }
        for d in 0..dim {
            *out.add(at + d) = *output.add(d) / sum;
        }
    }
}

/// The rows with the keys of some positions.
fn visible(spans: impl Iterator<Item = Span>, sees: Range<usize>) -> impl Iterator<Item = Keys> {
    let mut next = 0;
    spans.filter_map(move |Span { first, rows, .. }| {
        let (start, end) = (next, next + rows as usize);
        next = end;
        let (from, to) = (start.max(sees.start), end.min(sees.end));
        (from < to).then(|| Keys { row: first as usize + from - start, position: from, count: to - from })
    })
}

/// Writes the products of a query with some keys, the one at position `base` first.
unsafe fn score<T: Stored>(heads: &Heads, keys: Keys, column: usize, query: *const f32, scores: *mut f32, base: usize) {
    let Heads { k, stride, dim, .. } = *heads;
    let to = scores.add(keys.position - base);
    for key in (0..keys.count).step_by(KEYS) {
        let some = KEYS.min(keys.count - key);
        let mut sums = [F32x4::splat(0.0); KEYS];
        // The last keys stand for those that are missing.
        let rows: [usize; KEYS] = core::array::from_fn(|i| (keys.row + key + i.min(some - 1)) * stride + column);
        for d in (0..dim & !3).step_by(4) {
            let x = F32x4::load(query.add(d));
            for (sum, row) in sums.iter_mut().zip(rows) {
                *sum = T::load(k, row + d).madd(x, *sum);
            }
        }
        if dim & 3 > 0 {
            let x = F32x4::load(query.add(dim & !3));
            for (sum, row) in sums.iter_mut().zip(rows) {
                *sum = T::load_some(k, row + (dim & !3), dim & 3).madd(x, *sum);
            }
        }
        let [a, b, c, d] = F32x4::transpose(sums);
        let four = a.add(b).add(c.add(d)).to_array();
        to.add(key).copy_from_nonoverlapping(four.as_ptr(), some);
    }
}

/// Turns the scores of a query, whose last key is its own, into weights; gives their sum.
unsafe fn softmax(scores: *mut f32, n: usize, cap: f32, slope: f32) -> f32 {
    let whole = n.next_multiple_of(KEYS);
    if cap > 0.0 {
        let tanh = Tanh::new(1.0);
        for i in (0..whole).step_by(4) {
            tanh.of(F32x4::load(scores.add(i))).mul(F32x4::splat(cap)).store(scores.add(i));
        }
    }
    if slope != 0.0 {
        let slope = (LOG2_E * slope as f64) as f32;
        for i in 0..n {
            *scores.add(i) -= slope * (n - 1 - i) as f32;
        }
    }
    for i in n..whole {
        *scores.add(i) = f32::NEG_INFINITY;
    }
    let mut largest = F32x4::splat(f32::NEG_INFINITY);
    for i in (0..whole).step_by(4) {
        largest = largest.max(F32x4::load(scores.add(i)));
    }
    let (largest, power) = (F32x4::splat(largest.largest()), Power::new());
    let mut sum = F32x4::splat(0.0);
    for i in (0..whole).step_by(4) {
        let weight = power.of(F32x4::load(scores.add(i)).sub(largest));
        // What is nothing of a sum of 1 or more would make subnormal products.
        let weight = weight.bits().and(weight.above(F32x4::splat(LEAST))).floats();
        weight.store(scores.add(i));
        sum = sum.add(weight);
    }
    sum.sum()
}

/// Adds weighted values to the output.
unsafe fn add_values<T: Stored>(
    heads: &Heads,
    keys: Keys,
    column: usize,
    weights: *const f32,
    base: usize,
    output: *mut f32,
) {
    let Heads { v, stride, dim, .. } = *heads;
    let (weights, first) = (weights.add(keys.position - base), keys.row * stride + column);
    let mut d = 0;
    while d < dim {
        let registers = BLOCK.min((dim - d) / 4);
        match registers {
            BLOCK => add_block::<T, BLOCK>(v, first + d, stride, keys.count, weights, output.add(d)),
            1.. => {
                for i in 0..registers {
                    add_block::<T, 1>(v, first + d + 4 * i, stride, keys.count, weights, output.add(d + 4 * i));
                }
            }
            0 => {
                let mut sum = F32x4::load(output.add(d));
                for key in 0..keys.count {
                    let some = T::load_some(v, first + d + key * stride, dim - d);
                    sum = some.madd(F32x4::splat(*weights.add(key)), sum);
                }
                sum.store(output.add(d));
            }
        }
        d += 4 * registers.max(1);
    }
}

/// The same of four dimensions for each of `N` registers.
#[inline(always)]
unsafe fn add_block<T: Stored, const N: usize>(
    v: *const u8,
    first: usize,
    stride: usize,
    count: usize,
    weights: *const f32,
    output: *mut f32,
) {
    let mut sums: [F32x4; N] = core::array::from_fn(|i| F32x4::load(output.add(4 * i)));
    for key in 0..count {
        let weight = F32x4::splat(*weights.add(key));
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum = T::load(v, first + key * stride + 4 * i).madd(weight, *sum);
        }
    }
    for (i, sum) in sums.into_iter().enumerate() {
        sum.store(output.add(4 * i));
    }
}
