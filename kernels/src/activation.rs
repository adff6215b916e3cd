//! Functions of one number: the activations of MLPs, alone (`map`) or times a second matrix (`gate`), a factor, and a soft
//! cap.

use crate::exp::Exp;
use crate::simd::F32x4;
use crate::tanh::Tanh;
use crate::team::Team;
use core::hint::black_box;
use wasm_bindgen::prelude::wasm_bindgen;

/// Numbers of a chunk: 64 KiB, a few microseconds.
const CHUNK: usize = 16384;

/// Which function; the numbers are those of `FUNCTION_CODES` in `src/backend/codes.ts`.
pub const SILU: u32 = 0;
pub const GELU: u32 = 1;
pub const GELU_TANH: u32 = 2;
pub const RELU: u32 = 3;
pub const SCALE: u32 = 4;
pub const SOFT_CAP: u32 = 5;

/// `Φ(-a) e^(a²/2) / t`, Φ the normal distribution, as a polynomial in `t = 1 / (1 + a/4)`: interpolated at the ten
/// Chebyshev points of t for a in [0, 14], 1.5e-8 relative. Beyond 14, Φ(-a) a is less than the smallest f32.
const TAIL: [f32; 10] = [
    0.099_751_79,
    0.099_416_62,
    0.096_150_87,
    0.069_011_636,
    0.095_375_57,
    -0.003_677_959_3,
    0.048_318_084,
    0.036_615_256,
    -0.056_345_463,
    0.015_383_603,
];
/// What a is held at in the polynomial.
const END: f32 = 14.0;

/// `sqrt(8/π)` and `0.044715 sqrt(8/π)`: twice the argument of the tanh (Hendrycks and Gimpel, 2016, section 2).
pub const CUBIC: [f32; 2] = [1.595_769, 0.071_354_814];

/// `x Φ(x)`, without cancellation on either side: `max(x, 0) - |x| Φ(-|x|)`.
pub(crate) struct Gelu {
    exp: Exp,
    tail: [F32x4; 10],
    quarter: F32x4,
    minus_half: F32x4,
    end: F32x4,
    one: F32x4,
    zero: F32x4,
}

impl Gelu {
    pub(crate) fn new() -> Self {
        let splat = |x: f32| F32x4::splat(black_box(x));
        Self {
            exp: Exp::new(),
            tail: TAIL.map(splat),
            quarter: splat(0.25),
            minus_half: splat(-0.5),
            end: splat(END),
            one: splat(1.0),
            zero: splat(0.0),
        }
    }

    #[inline(always)]
    pub(crate) fn of(&self, x: F32x4) -> F32x4 {
        x.max(self.zero).sub(x.abs().min(self.end).mul(self.tail(x).0))
    }

    /// `Φ(-|x|)`, and `e^(-x²/2)`.
    #[inline(always)]
    pub(crate) fn tail(&self, x: F32x4) -> (F32x4, F32x4) {
        let a = x.abs().min(self.end);
        let t = self.one.div(self.one.add(a.mul(self.quarter)));
        let mut tail = self.tail[9];
        for i in (0..9).rev() {
            tail = tail.mul(t).add(self.tail[i]);
        }
        let power = self.exp.of_small(a.mul(a).mul(self.minus_half));
        (power.mul(tail.mul(t)), power)
    }
}

/// Writes `f(x[i])`, or `f(x[i]) * up[i]` unless `up` is null, for all `n`.
#[inline(always)]
unsafe fn each(team: &Team, x: *const f32, up: *const f32, n: usize, out: *mut f32, f: impl Fn(F32x4) -> F32x4) {
    for run in team.runs(n, CHUNK) {
        let whole = run.end & !3;
        for i in (run.start..whole).step_by(4) {
            let y = f(F32x4::load(x.add(i)));
            if up.is_null() { y } else { y.mul(F32x4::load(up.add(i))) }.store(out.add(i));
        }
        for i in whole.max(run.start)..run.end {
            let y = f(F32x4::splat(*x.add(i))).to_array()[0];
            *out.add(i) = if up.is_null() { y } else { y * *up.add(i) };
        }
    }
}

/// The function of this number of all `n`, times `up` unless that is null; `by` is the factor, or the cap.
#[wasm_bindgen]
pub unsafe fn activate(
    team: *const Team,
    function: u32,
    x: *const f32,
    up: *const f32,
    n: usize,
    by: f32,
    out: *mut f32,
) {
    let team = &*team;
    let exp = Exp::new();
    let splat = |x: f32| F32x4::splat(black_box(x));
    let (zero, one) = (splat(0.0), splat(1.0));
    let sigmoid = |x: F32x4, z: F32x4| x.div(one.add(exp.of(zero.sub(z)))); // x / (1 + e^-z)
    match function {
        SILU => each(team, x, up, n, out, |x| sigmoid(x, x)),
        GELU => {
            let gelu = Gelu::new();
            each(team, x, up, n, out, |x| gelu.of(x));
        }
        GELU_TANH => {
            // x / 2 (1 + tanh(u)) = x / (1 + e^-2u)
            let [linear, cubic] = CUBIC.map(splat);
            each(team, x, up, n, out, |x| sigmoid(x, x.mul(linear.add(x.mul(x).mul(cubic)))));
        }
        RELU => each(team, x, up, n, out, |x| x.max(zero)),
        SCALE => each(team, x, up, n, out, |x| x.mul(splat(by))),
        SOFT_CAP => {
            let tanh = Tanh::new(by);
            each(team, x, up, n, out, |x| tanh.cap(x));
        }
        other => unreachable!("function {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;
    use core::ptr::null;

    fn apply(function: u32, x: &[f32], up: *const f32, by: f32) -> Vec<f32> {
        let mut out = vec![f32::NAN; x.len()];
        let (p, n, o) = (x.as_ptr(), x.len(), out.as_mut_ptr());
        unsafe { alone(|team| activate(team, function, p, up, n, by, o)) }
        out
    }

    #[test]
    fn a_gate_is_its_formula_and_the_tail_is_not_forgotten() {
        let gate: Vec<f32> = numbers(16391, 1).iter().map(|x| x * 100.0).collect();
        let up = numbers(gate.len(), 2);
        let out = apply(SILU, &gate, up.as_ptr(), 0.0);
        for i in 0..gate.len() {
            let expected = gate[i] as f64 / (1.0 + (-gate[i] as f64).exp()) * up[i] as f64;
            // e^x within two units, and four roundings after it; below 1e-35 the exponential was cut.
            assert!((out[i] as f64 - expected).abs() <= 6.0 * 2f64.powi(-23) * expected.abs() + 1e-35);
        }
    }

    /// Φ(-a) for a >= 0 by the continued fraction of Mills' ratio, or the series of erf where that is slow.
    fn tail(a: f64) -> f64 {
        if a > 3.0 {
            let fraction = (1..200).rev().fold(a, |rest, k| a + k as f64 / rest);
            return (-a * a / 2.0).exp() / (2.0 * core::f64::consts::PI).sqrt() / fraction;
        }
        let (mut term, mut sum) = (a, a);
        for k in 1..100 {
            term *= -a * a / (2 * k) as f64;
            sum += term / (2 * k + 1) as f64;
        }
        0.5 - sum / (2.0 * core::f64::consts::PI).sqrt()
    }

    #[test]
    fn gelu_keeps_its_digits_on_both_sides() {
        let x: Vec<f32> = (-1_300_000..=1_300_000).step_by(13).map(|i| i as f32 * 1e-5).collect();
        let out = apply(GELU, &x, null(), 0.0);
        for (x, y) in x.iter().zip(out) {
            let a = (*x as f64).abs();
            let tail = a * tail(a);
            let expected = if *x < 0.0 { -tail } else { a - tail };
            // The tail: a² / 2 rounded three times before the exponential, then some ten roundings; the whole: one more.
            let bound = 2f64.powi(-24) * (tail * (1.5 * a * a + 12.0) + expected.abs()) + 1e-37;
            assert!((y as f64 - expected).abs() <= bound, "gelu({x}) = {y}, not {expected}");
        }
    }

    #[test]
    fn gelu_by_tanh_is_its_formula_and_its_ends_are_flat() {
        let x: Vec<f32> = (-1000..=1000).map(|i| i as f32 * 0.01).chain([1e30, -1e30, 0.0]).collect();
        let out = apply(GELU_TANH, &x, null(), 0.0);
        for (x, y) in x.iter().zip(out) {
            let v = *x as f64;
            let u = (8.0 / core::f64::consts::PI).sqrt() * (v + 0.044715 * v * v * v);
            let expected = v / (1.0 + (-u).exp());
            let bound = 2f64.powi(-24) * expected.abs() * (12.0 + 4.0 * u.abs().min(100.0)) + 1e-37 * (1.0 + v.abs());
            assert!((y as f64 - expected).abs() <= bound, "gelu_tanh({x}) = {y}, not {expected}");
        }
    }

    #[test]
    fn the_rest_are_their_formulas() {
        let x: Vec<f32> = numbers(1001, 5).iter().map(|x| x * 90.0).collect();
        for ((x, relu), (scale, cap)) in x
            .iter()
            .zip(apply(RELU, &x, null(), 0.0))
            .zip(apply(SCALE, &x, null(), 0.3).into_iter().zip(apply(SOFT_CAP, &x, null(), 30.0)))
        {
            assert_eq!(relu, x.max(0.0));
            assert_eq!(scale, x * 0.3);
            let expected = 30.0 * (*x as f64 / 30.0).tanh();
            assert!((cap as f64 - expected).abs() <= 10.0 * 2f64.powi(-24) * expected.abs(), "{x}: {cap}");
        }
    }
}
