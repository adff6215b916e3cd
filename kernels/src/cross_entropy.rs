//! Cross entropy over the vocabulary without its logits: tokens pass over the packed rows of the head, slice by slice
//! (`pack_slice`), and keep only the largest logit so far, the sum of e^(logit - largest), and the target's logit.
//! A block of logits lives in private scratch for as long as it takes to look at it once.

use crate::exp::Exp;
use crate::gemm::{self, BLOCK};
use crate::simd::F32x4;
use crate::tanh::Tanh;
use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Logits of a token at a time: 192 x 256 x 4 = 192 KiB beside the packed tokens in the second-level cache.
const OUTS: usize = 256;
const SCRATCH: usize = gemm::SCRATCH + BLOCK * OUTS;

/// f32 of scratch for each worker.
#[wasm_bindgen]
pub fn cross_entropy_scratch() -> usize {
    SCRATCH
}

/// Takes the vocabulary's rows `first..first + outs`, packed, into the state of every token; `cap * tanh(logit / cap)` takes
/// a logit's place unless `cap` is 0.
#[wasm_bindgen]
pub unsafe fn cross_entropy(
    team: *const Team,
    hidden: *const f32,
    tokens: usize,
    depth: usize,
    panels: *const f32,
    first: usize,
    outs: usize,
    targets: *const u32,
    state: *mut [f32; 3],
    start: bool,
    cap: f32,
    scratch: *mut f32,
) {
    let team = &*team;
    let exp = Exp::new();
    let tanh = Tanh::new(cap);
    let logits = scratch.add(team.worker * SCRATCH);
    let scratch = logits.add(BLOCK * OUTS);
    for chunk in team.chunks(usize::MAX) {
        let Some((token, count)) = gemm::block(tokens, team.workers, chunk) else {
            break;
        };
        let x = hidden.add(token * depth);
        let state = core::slice::from_raw_parts_mut(state.add(token), count);
        let targets = core::slice::from_raw_parts(targets.add(token), count);
        if start {
            state.fill([f32::NEG_INFINITY, 0.0, 0.0]);
        }
        for o in (0..outs).step_by(OUTS) {
            let n = OUTS.min(outs - o);
            let panels = panels.add(o * depth);
            gemm::multiply(x, count, depth, panels, n, logits, OUTS, false, scratch);
            for (t, own) in state.iter_mut().enumerate() {
                let tanh = if cap > 0.0 { Some(&tanh) } else { None };
                fold(&exp, tanh, logits.add(t * OUTS), n, (targets[t] as usize).wrapping_sub(first + o), own);
            }
        }
    }
}

/// The same of logits that are there: `outs` of each token, the first of them the vocabulary's row `first`.
#[wasm_bindgen]
pub unsafe fn cross_entropy_of_logits(
    team: *const Team,
    logits: *const f32,
    tokens: usize,
    outs: usize,
    first: usize,
    targets: *const u32,
    state: *mut [f32; 3],
    start: bool,
    cap: f32,
) {
    let exp = Exp::new();
    let capping = Tanh::new(cap);
    let tanh = if cap > 0.0 { Some(&capping) } else { None };
    // Some at a time are copied, since what folds them writes.
    let mut some = [0f32; OUTS];
    for run in (*team).runs(tokens, CHUNK) {
        for t in run {
            let own = &mut *state.add(t);
            if start {
                *own = [f32::NEG_INFINITY, 0.0, 0.0];
            }
            for o in (0..outs).step_by(OUTS) {
                let n = OUTS.min(outs - o);
                some.as_mut_ptr().copy_from_nonoverlapping(logits.add(t * outs + o), n);
                let at = (*targets.add(t) as usize).wrapping_sub(first + o);
                fold(&exp, tanh, some.as_mut_ptr(), n, at, own);
            }
        }
    }
}

/// Takes `n` logits into the state of a token, whose target is the one at `at`, if that is among them. The row has room for
/// a multiple of four, and is overwritten.
#[inline(always)]
unsafe fn fold(exp: &Exp, tanh: Option<&Tanh>, row: *mut f32, n: usize, at: usize, state: &mut [f32; 3]) {
    if let Some(tanh) = tanh {
        for i in (0..n).step_by(4) {
            tanh.cap(F32x4::load(row.add(i))).store(row.add(i));
        }
    }
    let [largest, sum, target] = state;
    if at < n {
        *target = *row.add(at);
    }
    (*largest, *sum) = take(exp, row, n, *largest, *sum);
}

/// The largest of the logits so far and of these `n`, and the sum of e^(logit - largest) of all.
#[inline(always)]
unsafe fn take(exp: &Exp, row: *mut f32, n: usize, largest: f32, sum: f32) -> (f32, f32) {
    let whole = n.next_multiple_of(4);
    for i in n..whole {
        *row.add(i) = f32::NEG_INFINITY;
    }
    let mut most = F32x4::splat(largest);
    for i in (0..whole).step_by(4) {
        most = most.max(F32x4::load(row.add(i)));
    }
    let most = most.largest();
    let mut sums = F32x4::splat(0.0);
    for i in (0..whole).step_by(4) {
        sums = sums.add(exp.of_small(F32x4::load(row.add(i)).sub(F32x4::splat(most))));
    }
    (most, sum * exp.of_one(largest - most) + sums.sum())
}

/// Rows of a chunk of the backward pass.
const CHUNK: usize = 8;

/// Gradients by a slice of the logits, whose first is the vocabulary's row `first`, from what [`cross_entropy`] has made of
/// all: `weights[t] (e^(logit - largest) / sum - [target])`, times `1 - tanh²` where logits are capped.
#[wasm_bindgen]
pub unsafe fn cross_entropy_backward(
    team: *const Team,
    logits: *const f32,
    tokens: usize,
    outs: usize,
    first: usize,
    targets: *const u32,
    weights: *const f32,
    state: *const [f32; 3],
    cap: f32,
    out: *mut f32,
) {
    let (exp, tanh, one) = (Exp::new(), Tanh::new(1.0), F32x4::splat(1.0));
    let inverse = F32x4::splat((1.0 / cap as f64) as f32);
    for run in (*team).runs(tokens, CHUNK) {
        for t in run {
            let (logits, out) = (logits.add(t * outs), out.add(t * outs));
            let ([largest, sum, _], weight) = (*state.add(t), *weights.add(t));
            let (largest, share) = (F32x4::splat(largest), F32x4::splat(weight / sum));
            let of = |logit: F32x4| {
                if cap > 0.0 {
                    let t = tanh.of(logit.mul(inverse));
                    let power = exp.of_small(t.mul(F32x4::splat(cap)).sub(largest));
                    power.mul(share).mul(one.sub(t).mul(one.add(t)))
                } else {
                    exp.of_small(logit.sub(largest)).mul(share)
                }
            };
            let whole = outs & !3;
            for i in (0..whole).step_by(4) {
                of(F32x4::load(logits.add(i))).store(out.add(i));
            }
            for i in whole..outs {
                *out.add(i) = of(F32x4::splat(*logits.add(i))).to_array()[0];
            }
            let at = (*targets.add(t) as usize).wrapping_sub(first);
            if at < outs {
                let tanh =
                    if cap > 0.0 { tanh.of(F32x4::splat(*logits.add(at)).mul(inverse)).to_array()[0] } else { 0.0 };
                *out.add(at) -= weight * ((1.0 - tanh) * (1.0 + tanh));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::pack_slice;
    use crate::oracle::numbers;
    use crate::team::alone;

    fn check(cap: f32) {
        let (tokens, depth, vocabulary) = (100, 20, 601);
        let hidden = numbers(tokens * depth, 1);
        let head: Vec<f32> = numbers(vocabulary * depth, 2).iter().map(|x| x * 4.0).collect();
        let targets: Vec<u32> = (0..tokens as u32).map(|t| t * 6 + 1).collect();
        let mut state = vec![[f32::NAN; 3]; tokens];
        let mut panels = vec![0f32; 304 * depth];
        let mut scratch = vec![0f32; SCRATCH];
        for first in [0, 301] {
            let rows = 301.min(vocabulary - first);
            let (w, p) = (head.as_ptr() as *const u8, panels.as_mut_ptr());
            let (h, t, s) = (hidden.as_ptr(), targets.as_ptr(), state.as_mut_ptr());
            let own = scratch.as_mut_ptr();
            unsafe {
                alone(|team| pack_slice(team, w, 0, depth, first, rows, p));
                alone(|team| cross_entropy(team, h, tokens, depth, p, first, rows, t, s, first == 0, cap, own));
            }
        }
        for t in 0..tokens {
            let logit = |o: usize| -> f64 {
                let dot = (0..depth).map(|k| hidden[t * depth + k] as f64 * head[o * depth + k] as f64).sum::<f64>();
                if cap > 0.0 {
                    cap as f64 * (dot / cap as f64).tanh()
                } else {
                    dot
                }
            };
            let sum: f64 = (0..vocabulary).map(|o| logit(o).exp()).sum();
            let expected = sum.ln() - logit(targets[t] as usize);
            let [largest, sum, target] = state[t].map(f64::from);
            let found = largest + sum.ln() - target;
            // Logits of up to 40 with 20 roundings each.
            assert!((found - expected).abs() <= 20.0 * 40.0 * 2f64.powi(-24), "{found}, not {expected}");
        }
    }

    #[test]
    fn logits_that_are_there_give_the_same_state() {
        let (tokens, outs) = (7, 601);
        let logits: Vec<f32> = numbers(tokens * outs, 1).iter().map(|x| x * 6.0).collect();
        let targets: Vec<u32> = (0..tokens as u32).map(|t| t * 90 + 3).collect();
        for cap in [0f32, 5.0] {
            let mut state = vec![[f32::NAN; 3]; tokens];
            // In two slices, neither a multiple of four.
            for (first, some) in [(0, 270), (270, 331)] {
                let part: Vec<f32> = (0..tokens * some).map(|i| logits[i / some * outs + first + i % some]).collect();
                let (l, t, s) = (part.as_ptr(), targets.as_ptr(), state.as_mut_ptr());
                unsafe { alone(|team| cross_entropy_of_logits(team, l, tokens, some, first, t, s, first == 0, cap)) }
            }
            for t in 0..tokens {
                let capped = |x: f32| if cap > 0.0 { cap as f64 * (x as f64 / cap as f64).tanh() } else { x as f64 };
                let row: Vec<f64> = (0..outs).map(|o| capped(logits[t * outs + o])).collect();
                let expected = row.iter().map(|x| x.exp()).sum::<f64>().ln() - row[targets[t] as usize];
                let [largest, sum, target] = state[t].map(f64::from);
                let found = largest + sum.ln() - target;
                // Logits of up to 6, rounded a few times, in 601 exponentials of relative error 2^-22.
                assert!((found - expected).abs() <= 4e-6, "{found}, not {expected}");
            }
        }
    }

    #[test]
    fn cross_entropy_over_uneven_slices_is_that_of_all_logits() {
        check(0.0);
    }

    #[test]
    fn logits_are_capped() {
        check(5.0);
    }

    #[test]
    fn gradients_by_logits_are_the_slopes_of_the_loss() {
        let (tokens, outs) = (5, 23);
        let logits: Vec<f32> = numbers(tokens * outs, 1).iter().map(|x| x * 6.0).collect();
        let (targets, weights) = ([0u32, 22, 7, 7, 13], [1f32, 0.5, 0.0, 0.25, 2.0]);
        for cap in [0f32, 5.0] {
            let capped = |x: f64| if cap > 0.0 { cap as f64 * (x / cap as f64).tanh() } else { x };
            let mut state = [[0f32; 3]; 5];
            for t in 0..tokens {
                let row: Vec<f64> = (0..outs).map(|o| capped(logits[t * outs + o] as f64)).collect();
                let largest = row.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
                let sum: f64 = row.iter().map(|x| (x - largest).exp()).sum();
                state[t] = [largest as f32, sum as f32, row[targets[t] as usize] as f32];
            }
            let mut out = vec![f32::NAN; tokens * outs];
            // In two slices.
            for (first, some) in [(0, 10), (10, 13)] {
                let part: Vec<f32> = (0..tokens * some).map(|i| logits[i / some * outs + first + i % some]).collect();
                let mut own = vec![f32::NAN; tokens * some];
                let (l, t, w, s, o) =
                    (part.as_ptr(), targets.as_ptr(), weights.as_ptr(), state.as_ptr(), own.as_mut_ptr());
                unsafe { alone(|team| cross_entropy_backward(team, l, tokens, some, first, t, w, s, cap, o)) }
                for (i, x) in own.into_iter().enumerate() {
                    out[i / some * outs + first + i % some] = x;
                }
            }
            for (i, found) in out.into_iter().enumerate() {
                let (t, o, x) = (i / outs, i % outs, logits[i] as f64);
                let [largest, sum, _] = state[t].map(f64::from);
                let slope = if cap > 0.0 { 1.0 - (x / cap as f64).tanh().powi(2) } else { 1.0 };
                let share = (capped(x) - largest).exp() / sum - if o == targets[t] as usize { 1.0 } else { 0.0 };
                // Logits of up to 6, rounded a few times before the exponential.
                assert!((found as f64 - weights[t] as f64 * share * slope).abs() < 3e-6, "[{t}, {o}]: {found}");
            }
        }
    }
}
