//! Derivatives of the functions of one number (`activation.rs`), times the gradient by their result: alone (`map`), or of a
//! product with a second matrix (`gate`), by both.

use crate::activation::{Gelu, CUBIC, GELU, GELU_TANH, RELU, SCALE, SILU, SOFT_CAP};
use crate::exp::Exp;
use crate::simd::F32x4;
use crate::tanh::Tanh;
use crate::team::Team;
use core::hint::black_box;
use wasm_bindgen::prelude::wasm_bindgen;

/// Numbers of a chunk: 64 KiB, a few microseconds.
const CHUNK: usize = 16384;
/// What x is held at where it is multiplied with what vanishes far out: from here on a derivative is 0 or 1 to 1e-8.
const FLAT: f32 = 20.0;

/// `dx[i] = dy[i] f'(x[i])`; or, unless `up` is null, `dx[i] = dy[i] up[i] f'(x[i])` and `dup[i] = dy[i] f(x[i])`. `f` gives
/// value and derivative.
#[inline(always)]
unsafe fn each(
    team: &Team,
    x: *const f32,
    up: *const f32,
    dy: *const f32,
    n: usize,
    dx: *mut f32,
    dup: *mut f32,
    f: impl Fn(F32x4) -> (F32x4, F32x4),
) {
    for run in team.runs(n, CHUNK) {
        let whole = run.end & !3;
        for i in (run.start..whole).step_by(4) {
            let ((value, slope), dy) = (f(F32x4::load(x.add(i))), F32x4::load(dy.add(i)));
            if up.is_null() {
                dy.mul(slope).store(dx.add(i));
            } else {
                dy.mul(F32x4::load(up.add(i))).mul(slope).store(dx.add(i));
                dy.mul(value).store(dup.add(i));
            }
        }
        for i in whole.max(run.start)..run.end {
            let (value, slope) = f(F32x4::splat(*x.add(i)));
            let (value, slope, dy) = (value.to_array()[0], slope.to_array()[0], *dy.add(i));
            if up.is_null() {
                *dx.add(i) = dy * slope;
            } else {
                *dx.add(i) = dy * *up.add(i) * slope;
                *dup.add(i) = dy * value;
            }
        }
    }
}

/// See [`each`]; `by` is the factor, or the cap.
#[wasm_bindgen]
pub unsafe fn activate_backward(
    team: *const Team,
    function: u32,
    x: *const f32,
    up: *const f32,
    dy: *const f32,
    n: usize,
    by: f32,
    dx: *mut f32,
    dup: *mut f32,
) {
    let team = &*team;
    let exp = Exp::new();
    let splat = |x: f32| F32x4::splat(black_box(x));
    let (zero, one) = (splat(0.0), splat(1.0));
    let sigmoid = |z: F32x4| one.div(one.add(exp.of(zero.sub(z))));
    match function {
        SILU => each(team, x, up, dy, n, dx, dup, |x| {
            let s = sigmoid(x);
            (x.mul(s), s.add(x.max(splat(-FLAT)).min(splat(FLAT)).mul(s.mul(one.sub(s)))))
        }),
        GELU => {
            let (gelu, density) = (Gelu::new(), splat(0.398_942_3)); // 1 / sqrt(2π)
            each(team, x, up, dy, n, dx, dup, |x| {
                let (lower, power) = gelu.tail(x); // Φ(-|x|), e^(-x²/2)
                let above = x.above(zero);
                let share = one.sub(lower).bits().and(above).or(lower.bits().without(above)).floats();
                (gelu.of(x), share.add(x.max(splat(-FLAT)).min(splat(FLAT)).mul(power.mul(density))))
            });
        }
        GELU_TANH => {
            let [linear, cubic] = CUBIC.map(splat);
            let (low, high, three) = (splat(-FLAT), splat(FLAT), splat(3.0));
            each(team, x, up, dy, n, dx, dup, |x| {
                let near = x.max(low).min(high);
                let square = near.mul(near).mul(cubic);
                let s = sigmoid(near.mul(linear.add(square)));
                let slope = linear.add(square.mul(three));
                (x.mul(s), s.add(near.mul(s.mul(one.sub(s))).mul(slope)))
            });
        }
        RELU => each(team, x, up, dy, n, dx, dup, |x| (x.max(zero), one.bits().and(x.above(zero)).floats())),
        SCALE => each(team, x, up, dy, n, dx, dup, |x| (x.mul(splat(by)), splat(by))),
        SOFT_CAP => {
            let (tanh, inverse) = (Tanh::new(1.0), splat((1.0 / by as f64) as f32));
            each(team, x, up, dy, n, dx, dup, |x| {
                let t = tanh.of(x.mul(inverse));
                (t.mul(splat(by)), one.sub(t).mul(one.add(t)))
            });
        }
        other => unreachable!("function {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::activate;
    use crate::team::alone;
    use core::ptr::{null, null_mut};

    fn slopes(function: u32, x: &[f32], by: f32) -> Vec<f32> {
        let (dy, mut dx) = (vec![1f32; x.len()], vec![f32::NAN; x.len()]);
        let (p, d, o) = (x.as_ptr(), dy.as_ptr(), dx.as_mut_ptr());
        unsafe { alone(|team| activate_backward(team, function, p, null(), d, x.len(), by, o, null_mut())) }
        dx
    }

    #[test]
    fn derivatives_are_the_slopes_of_the_functions() {
        let x: Vec<f32> = (-700..=700).map(|i| i as f32 * 0.01 + 0.003).collect();
        for (function, by) in [(SILU, 0.0), (GELU, 0.0), (GELU_TANH, 0.0), (RELU, 0.0), (SCALE, 0.3), (SOFT_CAP, 3.0)] {
            let step = 2f32.powi(-6);
            let value = |by_step: f32| {
                let moved: Vec<f32> = x.iter().map(|x| x + by_step * step).collect();
                let mut out = vec![f32::NAN; x.len()];
                let (p, o) = (moved.as_ptr(), out.as_mut_ptr());
                unsafe { alone(|team| activate(team, function, p, null(), x.len(), by, o)) }
                out
            };
            let (up, down, up2, down2) = (value(1.0), value(-1.0), value(2.0), value(-2.0));
            for (i, found) in slopes(function, &x, by).into_iter().enumerate() {
                if function == RELU && x[i].abs() < 3.0 * step {
                    continue;
                }
                // Five points: the error is of the step's fourth power (6e-8), and the values' rounding (1e-6) by the step.
                let near = (up[i] - down[i]) as f64 * 8.0;
                let far = (up2[i] - down2[i]) as f64;
                let expected = (near - far) / (12.0 * step as f64);
                assert!((found as f64 - expected).abs() < 2e-4, "{function}: f'({}) = {found}, not {expected}", x[i]);
            }
        }
    }

    #[test]
    fn far_out_they_are_flat_or_straight() {
        let x = [3e38f32, -3e38, 100.0, -100.0];
        for function in [SILU, GELU, GELU_TANH, RELU] {
            assert_eq!(slopes(function, &x, 0.0).map_near(), [1.0, 0.0, 1.0, 0.0]);
        }
        assert_eq!(slopes(SOFT_CAP, &x, 3.0), [0.0; 4]);
    }

    trait Near {
        fn map_near(self) -> Vec<f32>;
    }
    impl Near for Vec<f32> {
        /// Less than 1e-8 is 0.
        fn map_near(self) -> Vec<f32> {
            self.into_iter().map(|x| if x.abs() < 1e-8 { 0.0 } else { x }).collect()
        }
    }
}
