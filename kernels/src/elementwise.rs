//! Operations on one number at a time: `add`, zeros and copies.

use crate::simd::F32x4;
use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Numbers of a chunk: 64 KiB, a few microseconds.
const CHUNK: usize = 16384;

/// Writes `f(a[i], b[i])` for all `n`.
#[inline(always)]
unsafe fn zip(team: &Team, a: *const f32, b: *const f32, n: usize, out: *mut f32, f: impl Fn(F32x4, F32x4) -> F32x4) {
    for run in team.runs(n, CHUNK) {
        let whole = run.end & !3;
        for i in (run.start..whole).step_by(4) {
            f(F32x4::load(a.add(i)), F32x4::load(b.add(i))).store(out.add(i));
        }
        for i in whole.max(run.start)..run.end {
            *out.add(i) = f(F32x4::splat(*a.add(i)), F32x4::splat(*b.add(i))).to_array()[0];
        }
    }
}

/// `x + y`.
#[wasm_bindgen]
pub unsafe fn add(team: *const Team, x: *const f32, y: *const f32, n: usize, out: *mut f32) {
    zip(&*team, x, y, n, out, F32x4::add);
}

/// `n` bytes of 0.
#[wasm_bindgen]
pub unsafe fn zero(team: *const Team, out: *mut u8, n: usize) {
    for run in (*team).runs(n, CHUNK * 4) {
        out.add(run.start).write_bytes(0, run.len());
    }
}

/// `n` bytes as they are.
#[wasm_bindgen]
pub unsafe fn copy(team: *const Team, from: *const u8, n: usize, to: *mut u8) {
    for run in (*team).runs(n, CHUNK * 4) {
        to.add(run.start).copy_from_nonoverlapping(from.add(run.start), run.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;

    #[test]
    fn a_sum_does_not_forget_the_tail() {
        let (x, y) = (numbers(16391, 1), numbers(16391, 2));
        let mut out = vec![f32::NAN; x.len()];
        let (a, b, o) = (x.as_ptr(), y.as_ptr(), out.as_mut_ptr());
        unsafe { alone(|team| add(team, a, b, 16391, o)) }
        assert!((0..x.len()).all(|i| out[i] == x[i] + y[i]));
    }
}
