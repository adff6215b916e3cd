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
            for (t, [largest, sum, target]) in state.iter_mut().enumerate() {
                let row = logits.add(t * OUTS);
                if cap > 0.0 {
                    for i in (0..n).step_by(4) {
                        tanh.cap(F32x4::load(row.add(i))).store(row.add(i));
                    }
                }
                let at = (targets[t] as usize).wrapping_sub(first + o);
                if at < n {
                    *target = *row.add(at);
                }
                (*largest, *sum) = take(&exp, row, n, *largest, *sum);
            }
        }
    }
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
    fn cross_entropy_over_uneven_slices_is_that_of_all_logits() {
        check(0.0);
    }

    #[test]
    fn logits_are_capped() {
        check(5.0);
    }
}
