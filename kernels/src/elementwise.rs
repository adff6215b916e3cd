//! Operations on one number at a time: `add`, `swiglu`, zeros and copies.

use crate::exp::Exp;
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

/// `silu(gate) * up = gate / (1 + e^-gate) * up`.
#[wasm_bindgen]
pub unsafe fn swiglu(team: *const Team, gate: *const f32, up: *const f32, n: usize, out: *mut f32) {
    let exp = Exp::new();
    let (zero, one) = (F32x4::splat(0.0), F32x4::splat(1.0));
    zip(&*team, gate, up, n, out, |gate, up| gate.div(one.add(exp.of(zero.sub(gate)))).mul(up));
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
    fn swiglu_is_its_formula_and_the_tail_is_not_forgotten() {
        let gate: Vec<f32> = numbers(16391, 1).iter().map(|x| x * 100.0).collect();
        let up = numbers(gate.len(), 2);
        let mut out = vec![f32::NAN; gate.len()];
        let (g, u, o) = (gate.as_ptr(), up.as_ptr(), out.as_mut_ptr());
        unsafe { alone(|team| swiglu(team, g, u, 16391, o)) }
        for i in 0..gate.len() {
            let expected = gate[i] as f64 / (1.0 + (-gate[i] as f64).exp()) * up[i] as f64;
            // e^x within two units, and four roundings after it; below 1e-35 the exponential was cut.
            assert!((out[i] as f64 - expected).abs() <= 6.0 * 2f64.powi(-23) * expected.abs() + 1e-35);
        }
    }
}
