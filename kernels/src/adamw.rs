//! One step of AdamW (Loshchilov and Hutter, 2019) on a matrix of weights, in the order of PyTorch's `AdamW`: each number
//! is read once and written once. What a mask removes is left alone, and its moments too.

use crate::lanes::lanes;
use crate::simd::{F32x4, U32x4};
use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Numbers of a chunk, about.
const CHUNK: usize = 16384;

/// What is the same for every number of a step.
struct Step {
    scale: F32x4,
    first_rate: F32x4,
    second_keep: F32x4,
    second_rate: F32x4,
    root: F32x4,
    epsilon: F32x4,
    keep: F32x4,
    size: F32x4,
}

/// With `g = scale * gradient`: `m += first_rate (g - m)`, `v = second_keep v + second_rate g²`,
/// `w = keep w - size m / (sqrt(v) / root + epsilon)`, in place, all rows x cols. The mask may be null.
#[wasm_bindgen]
pub unsafe fn adamw(
    team: *const Team,
    weight: *mut f32,
    first: *mut f32,
    second: *mut f32,
    gradient: *const f32,
    rows: usize,
    cols: usize,
    mask: *const u32,
    scale: f32,
    first_rate: f32,
    second_keep: f32,
    second_rate: f32,
    root: f32,
    epsilon: f32,
    keep: f32,
    size: f32,
) {
    let all = F32x4::splat;
    let step = Step {
        scale: all(scale),
        first_rate: all(first_rate),
        second_keep: all(second_keep),
        second_rate: all(second_rate),
        root: all(root),
        epsilon: all(epsilon),
        keep: all(keep),
        size: all(-size),
    };
    let (words, whole) = (cols.div_ceil(32), cols & !3);
    for row in (*team).runs(rows, CHUNK.div_ceil(cols)).flatten() {
        let bits = if mask.is_null() { mask } else { mask.add(row * words) };
        let gone = |j: usize| if bits.is_null() { U32x4::splat(0) } else { lanes(bits, j) };
        let at = |p: *mut f32, j: usize| p.add(row * cols + j);
        for j in (0..whole).step_by(4) {
            let g = F32x4::load(gradient.add(row * cols + j));
            step.apply(at(weight, j), at(first, j), at(second, j), g, gone(j));
        }
        if whole < cols {
            let left = cols - whole;
            // Copies that are whole vectors.
            let some = |p: *const f32| {
                let mut four = [0f32; 4];
                core::ptr::copy_nonoverlapping(p.add(row * cols + whole), four.as_mut_ptr(), left);
                four
            };
            let (mut w, mut m, mut v, g) = (some(weight), some(first), some(second), some(gradient));
            let g = F32x4::load(g.as_ptr());
            step.apply(w.as_mut_ptr(), m.as_mut_ptr(), v.as_mut_ptr(), g, gone(whole));
            for (from, to) in [(w, weight), (m, first), (v, second)] {
                core::ptr::copy_nonoverlapping(from.as_ptr(), at(to, whole), left);
            }
        }
    }
}

impl Step {
    /// The step of four numbers, but for those that are gone.
    #[inline(always)]
    unsafe fn apply(&self, weight: *mut f32, first: *mut f32, second: *mut f32, gradient: F32x4, gone: U32x4) {
        let put = |to: *mut f32, old: F32x4, new: F32x4| {
            old.bits().and(gone).or(new.bits().without(gone)).floats().store(to);
        };
        let g = gradient.mul(self.scale);
        let (w, m, v) = (F32x4::load(weight), F32x4::load(first), F32x4::load(second));
        let next = g.sub(m).madd(self.first_rate, m);
        let spread = g.mul(self.second_rate).madd(g, v.mul(self.second_keep));
        let below = spread.sqrt().div(self.root).add(self.epsilon);
        let moved = w.mul(self.keep).add(next.mul(self.size).div(below));
        put(weight, w, moved);
        put(first, m, next);
        put(second, v, spread);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;
    use core::ptr::null;

    #[test]
    fn a_step_is_the_formula_and_leaves_what_the_mask_removes() {
        for (rows, cols) in [(1usize, 1usize), (3, 7), (5, 64), (2, 131)] {
            let n = rows * cols;
            let words = cols.div_ceil(32);
            let mask: Vec<u32> =
                numbers(rows * words, 5).iter().map(|x| x.to_bits().wrapping_mul(2_654_435_761)).collect();
            for masked in [false, true] {
                let (w, m, g) = (numbers(n, 1), numbers(n, 2), numbers(n, 3));
                let v: Vec<f32> = numbers(n, 4).iter().map(|x| x * x).collect();
                let (mut nw, mut nm, mut nv) = (w.clone(), m.clone(), v.clone());
                let bits = if masked { mask.as_ptr() } else { null() };
                unsafe {
                    alone(|team| {
                        let (a, b, c) = (nw.as_mut_ptr(), nm.as_mut_ptr(), nv.as_mut_ptr());
                        adamw(team, a, b, c, g.as_ptr(), rows, cols, bits, 0.5, 0.1, 0.75, 0.25, 0.9, 1e-3, 0.99, 0.01)
                    })
                }
                for i in 0..n {
                    let (row, col) = (i / cols, i % cols);
                    if masked && mask[row * words + col / 32] >> (col % 32) & 1 == 1 {
                        assert_eq!((nw[i], nm[i], nv[i]), (w[i], m[i], v[i]));
                        continue;
                    }
                    let g = 0.5 * g[i] as f64;
                    let first = m[i] as f64 + 0.1f32 as f64 * (g - m[i] as f64);
                    let second = 0.75 * v[i] as f64 + 0.25 * g * g;
                    let below = second.sqrt() / 0.9f32 as f64 + 1e-3f32 as f64;
                    let moved = 0.99f32 as f64 * w[i] as f64 - 0.01f32 as f64 * first / below;
                    // Eight roundings of numbers that are no larger than 1, and of a quotient that a small divisor enlarges.
                    let bound = |size: f64| 8.0 * 2f64.powi(-24) * size;
                    assert!((nm[i] as f64 - first).abs() <= bound(1.0));
                    assert!((nv[i] as f64 - second).abs() <= bound(1.0));
                    assert!((nw[i] as f64 - moved).abs() <= bound(1.0 + 0.01 / below));
                }
            }
        }
    }
}
