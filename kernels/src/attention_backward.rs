//! The backward pass of `attention.rs`. The probabilities are computed again, transposed as there, keys down and queries
//! across, for a block of 32 queries of one head at a time:
//!
//! ```text
//!   for every panel of 8 queries of the block
//!       scores → p  [keys x 8]  = K panels x Q panel, depth headDim; softmax
//!       e           [keys x 8]  = V panels x dy panel, depth headDim
//!       s           [keys x 8]  = scale p (e - Σ p e), times 1 - tanh² of a capped score
//!       dq          [dims x 8]  = K panels (4 dims) x s, depth keys
//!   dv [keys x dims] += p x strips of dy;  dk [keys x dims] += s x strips of q        depth: the block's queries
//! ```
//!
//! A chunk is a head of a sequence, whose keys and values are packed by whoever computes it. Heads that share keys each have
//! a dk and a dv of their own; `sum_heads` adds them up.

use crate::attention::{forget, key_floats, pack_keys, pack_values, score_rows, slope, softmax, value_floats, DEPTH};
use crate::dtype::Single;
use crate::pack;
use crate::simd::F32x4;
use crate::tanh::Tanh;
use crate::team::Team;
use crate::tile::{self, COLS, ROWS};
use core::array::from_fn;
use core::f64::consts::LOG2_E;
use wasm_bindgen::prelude::wasm_bindgen;

/// Queries of a block: the depth of the sums over queries, so that a number of dk is fetched once for 32 products.
const BLOCK: usize = 32;

/// f32 of the parts of a worker's scratch, in their order.
fn parts(positions: usize, dim: usize) -> [usize; 9] {
    let (rows, wide) = (score_rows(positions), dim.next_multiple_of(COLS));
    [
        key_floats(positions, dim),          // K by keys
        value_floats(positions, dim),        // K by dims
        key_floats(positions, dim),          // V by keys
        2 * dim * COLS,                      // panels of q and dy
        2 * wide * BLOCK,                    // strips of q and dy
        2 * rows * BLOCK,                    // p and s of a block
        rows * COLS,                         // tanh of capped scores
        dim.next_multiple_of(ROWS) * COLS,   // dq of a panel
        rows.next_multiple_of(ROWS) * BLOCK, // p or s, by queries
    ]
}

/// f32 of scratch for each worker.
#[wasm_bindgen]
pub fn attention_backward_scratch(positions: usize, dim: usize) -> usize {
    parts(positions, dim).iter().sum()
}

/// Gradients by q, and by the keys and values as every head sees them, all tokens x heads * dim. `offsets` are where the
/// `count` sequences begin and end, none longer than `most`; the rest as in `attention`.
#[wasm_bindgen]
pub unsafe fn attention_backward(
    team: *const Team,
    q: *const f32,
    k: *const f32,
    v: *const f32,
    dy: *const f32,
    offsets: *const u32,
    count: usize,
    most: usize,
    heads: usize,
    kv_heads: usize,
    dim: usize,
    scale: f64,
    window: usize,
    cap: f64,
    slopes: *const f32,
    dq: *mut f32,
    dk: *mut f32,
    dv: *mut f32,
    scratch: *mut f32,
) {
    let team = &*team;
    let (stride, kv_stride) = (heads * dim, kv_heads * dim);
    let mut next = scratch.add(team.worker * attention_backward_scratch(most, dim));
    let [keys, key_dims, values, panels, strips, weights, tanhs, output, by_query] = parts(most, dim).map(|floats| {
        let own = next;
        next = own.add(floats);
        own
    });
    let tanh = Tanh::new(1.0);
    let capped = cap > 0.0;
    let factor = F32x4::splat(if capped { scale / cap } else { LOG2_E * scale } as f32);
    let cap = F32x4::splat((LOG2_E * cap) as f32);
    let (scale, one) = (F32x4::splat(scale as f32), F32x4::splat(1.0));
    let window = if window > 0 { window } else { usize::MAX };
    for chunk in team.chunks(count * heads) {
        let (i, head) = (chunk / heads, chunk % heads);
        let first = *offsets.add(i) as usize;
        let length = *offsets.add(i + 1) as usize - first;
        let at = first * stride + head * dim;
        let kv_at = first * kv_stride + head * kv_heads / heads * dim;
        pack_keys::<Single>(k as *const u8, kv_at, kv_stride, 0..length, dim, keys);
        pack_values::<Single>(k as *const u8, kv_at, kv_stride, 0..length, length, dim, key_dims);
        pack_keys::<Single>(v as *const u8, kv_at, kv_stride, 0..length, dim, values);
        for t in 0..length {
            for to in [dk, dv] {
                to.add(at + t * stride).write_bytes(0, dim);
            }
        }
        for block in (0..length).step_by(BLOCK) {
            let rows = BLOCK.min(length - block);
            let base = (block + 1).saturating_sub(window) & !(ROWS - 1); // the block's first key
            let seen = block + rows - base;
            let apart = score_rows(most) * COLS;
            let (own_q, own_dy) = (q.add(at + block * stride), dy.add(at + block * stride));
            for p in (0..rows).step_by(COLS) {
                let some = COLS.min(rows - p);
                let (query, own_seen) = (block + p - base, block + p + some - base);
                let p_of = weights.add(p / COLS * apart);
                let s_of = p_of.add(BLOCK / COLS * apart);
                let (queries, gradients) = (panels, panels.add(dim * COLS));
                pack::panel::<Single, COLS>(own_q as *const u8, p * stride, stride, some, dim, queries);
                pack::panel::<Single, COLS>(own_dy as *const u8, p * stride, stride, some, dim, gradients);
                for i in (0..dim * COLS).step_by(4) {
                    F32x4::load(queries.add(i)).mul(factor).store(queries.add(i));
                }
                let panels_of_keys = own_seen.div_ceil(ROWS);
                tile::column(panels_of_keys, dim, keys.add(base * dim), queries, p_of, COLS, false);
                tile::column(panels_of_keys, dim, values.add(base * dim), gradients, s_of, COLS, false);
                if capped {
                    for i in (0..own_seen * COLS).step_by(4) {
                        let t = tanh.of(F32x4::load(p_of.add(i)));
                        t.store(tanhs.add(i));
                        t.mul(cap).store(p_of.add(i));
                    }
                }
                if !slopes.is_null() {
                    slope(p_of, *slopes.add(head), query, own_seen);
                }
                let sums = softmax(p_of, query, own_seen, window).map(|sum| one.div(sum));
                if !slopes.is_null() {
                    forget(p_of, own_seen * COLS);
                }
                weigh(p_of, s_of, own_seen, sums, scale);
                if capped {
                    for i in (0..own_seen * COLS).step_by(4) {
                        let t = F32x4::load(tanhs.add(i));
                        F32x4::load(s_of.add(i)).mul(one.sub(t).mul(one.add(t))).store(s_of.add(i));
                    }
                }
                // Keys of the block that come after this panel.
                for of in [p_of, s_of] {
                    of.add(own_seen * COLS).write_bytes(0, (seen - own_seen) * COLS);
                }
                for d in (0..dim).step_by(ROWS) {
                    for key in (0..own_seen).step_by(DEPTH) {
                        let deep = DEPTH.min(own_seen - key);
                        let dims = key_dims.add(d * length + (base + key) * ROWS);
                        tile::column(1, deep, dims, s_of.add(key * COLS), output.add(d * COLS), COLS, key > 0);
                    }
                }
                write(output, dim, some, dq.add(at + (block + p) * stride), stride);
            }
            for (of, from, to) in [(weights, own_dy, dv), (weights.add(BLOCK / COLS * apart), own_q, dk)] {
                turn(of, apart, rows, seen, by_query);
                let to = to.add(at + base * stride);
                for d in (0..dim).step_by(COLS) {
                    let width = COLS.min(dim - d);
                    pack::strip::<Single, COLS>(from as *const u8, d, stride, width, rows, strips);
                    let whole = if width == COLS { seen / ROWS } else { 0 };
                    tile::column(whole, rows, by_query, strips, to.add(d), stride, true);
                    for key in (whole * ROWS..seen).step_by(ROWS) {
                        let height = ROWS.min(seen - key);
                        let to = to.add(key * stride + d);
                        tile::part(rows, by_query.add(key * rows), strips, to, stride, true, height, width);
                    }
                }
            }
        }
    }
}

/// Makes probabilities of the weights `p` [seen x 8], and of `s`, which holds `e`, what the scores have to do with the loss.
#[inline(never)]
unsafe fn weigh(p: *mut f32, s: *mut f32, seen: usize, sums: [F32x4; 2], scale: F32x4) {
    let mut means = [F32x4::splat(0.0); 2];
    for key in 0..seen {
        for (half, mean) in means.iter_mut().enumerate() {
            let at = key * COLS + half * 4;
            let share = F32x4::load(p.add(at)).mul(sums[half]);
            share.store(p.add(at));
            *mean = share.madd(F32x4::load(s.add(at)), *mean);
        }
    }
    for key in 0..seen {
        for (half, mean) in means.into_iter().enumerate() {
            let at = key * COLS + half * 4;
            F32x4::load(s.add(at)).sub(mean).mul(F32x4::load(p.add(at))).mul(scale).store(s.add(at));
        }
    }
}

/// Panels of four keys, query by query, of weights that lie in panels [seen x 8] of eight queries, `apart` numbers apart.
#[inline(never)]
unsafe fn turn(weights: *const f32, apart: usize, rows: usize, seen: usize, to: *mut f32) {
    for key in (0..seen).step_by(ROWS) {
        let height = ROWS.min(seen - key);
        for query in (0..rows).step_by(4) {
            let from = weights.add(query / COLS * apart + key * COLS + query % COLS);
            let four = from_fn(|i| if i < height { F32x4::load(from.add(i * COLS)) } else { F32x4::splat(0.0) });
            for (i, keys) in F32x4::transpose(four).into_iter().enumerate().take(rows - query) {
                keys.store(to.add(key * rows + (query + i) * ROWS));
            }
        }
    }
}

/// Writes the first `count` queries of dq [dim x 8] as rows.
#[inline(always)]
unsafe fn write(output: *const f32, dim: usize, count: usize, out: *mut f32, stride: usize) {
    for i in 0..count {
        for d in 0..dim {
            *out.add(i * stride + d) = *output.add(d * COLS + i);
        }
    }
}

/// Sums over heads that share keys: `x` is tokens x kv_heads * shared * dim, `out` tokens x kv_heads * dim.
#[wasm_bindgen]
pub unsafe fn sum_heads(
    team: *const Team,
    x: *const f32,
    tokens: usize,
    kv_heads: usize,
    shared: usize,
    dim: usize,
    out: *mut f32,
) {
    for run in (*team).runs(tokens * kv_heads, 64) {
        for at in run {
            for d in 0..dim {
                let from = x.add(at * shared * dim + d);
                *out.add(at * dim + d) = (0..shared).map(|i| *from.add(i * dim)).sum();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;

    struct Kind {
        lengths: &'static [usize],
        heads: usize,
        kv_heads: usize,
        dim: usize,
        window: usize,
        cap: f64,
        sloped: bool,
    }

    /// All three gradients in f64: by q, k and v.
    fn exact(kind: &Kind, q: &[f32], k: &[f32], v: &[f32], dy: &[f32], slopes: &[f32], scale: f64) -> [Vec<f64>; 3] {
        let Kind { lengths, heads, kv_heads, dim, window, cap, sloped } = *kind;
        let (stride, kv_stride) = (heads * dim, kv_heads * dim);
        let mut out = [vec![0f64; q.len()], vec![0f64; k.len()], vec![0f64; v.len()]];
        let mut first = 0;
        for &length in lengths {
            for (head, &slope) in slopes.iter().enumerate().take(heads) {
                let kv = head * kv_heads / heads;
                for t in 0..length {
                    let from = if window > 0 { (t + 1).saturating_sub(window) } else { 0 };
                    let at = (first + t) * stride + head * dim;
                    let row = |key: usize| (first + key) * kv_stride + kv * dim;
                    let dot =
                        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| a as f64 * b as f64).sum() };
                    let (mut p, mut tanhs, mut e) = (vec![], vec![], vec![]);
                    for key in from..=t {
                        let score = scale * dot(&q[at..][..dim], &k[row(key)..][..dim]);
                        let tanh = if cap > 0.0 { (score / cap).tanh() } else { 0.0 };
                        let score = if cap > 0.0 { cap * tanh } else { score };
                        let bias = if sloped { slope as f64 * (key as f64 - t as f64) } else { 0.0 };
                        p.push((score + bias).exp());
                        tanhs.push(tanh);
                        e.push(dot(&dy[at..][..dim], &v[row(key)..][..dim]));
                    }
                    let sum: f64 = p.iter().sum();
                    p.iter_mut().for_each(|p| *p /= sum);
                    let mean: f64 = p.iter().zip(&e).map(|(p, e)| p * e).sum();
                    for key in from..=t {
                        let i = key - from;
                        let s = scale * p[i] * (e[i] - mean) * (1.0 - tanhs[i] * tanhs[i]);
                        for d in 0..dim {
                            out[0][at + d] += s * k[row(key) + d] as f64;
                            out[1][row(key) + d] += s * q[at + d] as f64;
                            out[2][row(key) + d] += p[i] * dy[at + d] as f64;
                        }
                    }
                }
            }
            first += length;
        }
        out
    }

    fn check(kind: Kind) {
        let Kind { lengths, heads, kv_heads, dim, window, cap, sloped } = kind;
        let tokens: usize = lengths.iter().sum();
        let most = *lengths.iter().max().unwrap();
        let (q, k) = (numbers(tokens * heads * dim, 1), numbers(tokens * kv_heads * dim, 2));
        let (v, dy) = (numbers(tokens * kv_heads * dim, 3), numbers(tokens * heads * dim, 4));
        let slopes: Vec<f32> = (0..heads).map(|h| 0.5f32.powi(h as i32)).collect();
        let slopes_at = if sloped { slopes.as_ptr() } else { core::ptr::null() };
        let mut offsets = vec![0u32];
        offsets.extend(lengths.iter().scan(0, |sum, &length| {
            *sum += length as u32;
            Some(*sum)
        }));
        let scale = 1.0 / (dim as f64).sqrt();
        let mut dq = vec![f32::NAN; q.len()];
        let (mut wide_k, mut wide_v) = (dq.clone(), dq.clone());
        let (mut dk, mut dv) = (vec![f32::NAN; k.len()], vec![f32::NAN; k.len()]);
        let mut scratch = vec![f32::NAN; attention_backward_scratch(most, dim)];
        let (a, b, c, d, o) = (q.as_ptr(), k.as_ptr(), v.as_ptr(), dy.as_ptr(), offsets.as_ptr());
        let (x, y, z, s) = (dq.as_mut_ptr(), wide_k.as_mut_ptr(), wide_v.as_mut_ptr(), scratch.as_mut_ptr());
        let (n, by_k, by_v, shared) = (lengths.len(), dk.as_mut_ptr(), dv.as_mut_ptr(), heads / kv_heads);
        unsafe {
            alone(|team| {
                attention_backward(
                    team, a, b, c, d, o, n, most, heads, kv_heads, dim, scale, window, cap, slopes_at, x, y, z, s,
                )
            });
            alone(|team| sum_heads(team, y, tokens, kv_heads, shared, dim, by_k));
            alone(|team| sum_heads(team, z, tokens, kv_heads, shared, dim, by_v));
        }
        let expected = exact(&kind, &q, &k, &v, &dy, &slopes, scale);
        for (name, (found, expected)) in ["q", "k", "v"].iter().zip([dq, dk, dv].into_iter().zip(expected)) {
            for (i, (found, expected)) in found.into_iter().zip(expected).enumerate() {
                // Numbers below 1, sums of at most `most * shared` terms of the size of the result, rounded a hundred times.
                let bound = 100.0 * 2f64.powi(-24) * (1.0 + (most * shared) as f64 * 0.05);
                assert!((found as f64 - expected).abs() < bound, "d{name}[{i}] = {found}, not {expected}");
            }
        }
    }

    const PLAIN: Kind = Kind { lengths: &[7], heads: 2, kv_heads: 1, dim: 5, window: 0, cap: 0.0, sloped: false };

    #[test]
    fn gradients_are_those_of_the_formula() {
        check(PLAIN);
        check(Kind { lengths: &[1, 9, 40, 33], heads: 4, kv_heads: 2, dim: 8, ..PLAIN });
        check(Kind { lengths: &[70, 401], heads: 2, kv_heads: 2, dim: 20, ..PLAIN });
    }

    #[test]
    fn windows_caps_and_slopes_are_kept() {
        for window in [0, 1, 5, 37] {
            for cap in [0.0, 0.7] {
                for sloped in [false, true] {
                    check(Kind { lengths: &[3, 75], heads: 3, kv_heads: 1, dim: 6, window, cap, sloped });
                }
            }
        }
    }
}
