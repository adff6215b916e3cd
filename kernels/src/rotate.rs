//! Rotary position embedding: pairs of a head's dimensions turn by the angles of the token's position (Su et al.,
//! RoFormer, section 3.2.2). A pair is (x[j], x[j + turned/2]), as in LLaMA's checkpoints, or two neighbours, as in the
//! paper; the dimensions of a head after the `turned` ones are copied.

use crate::simd::F32x4;
use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Numbers of a chunk, about.
const CHUNK: usize = 16384;

/// Row `t` of x by row `t` of `angles`: the cosines of turned/2 frequencies, then their sines; the other way if `inverse`.
#[wasm_bindgen]
pub unsafe fn rotate(
    team: *const Team,
    x: *const f32,
    tokens: usize,
    heads: usize,
    dim: usize,
    angles: *const f32,
    turned: usize,
    neighbours: bool,
    inverse: bool,
    out: *mut f32,
) {
    let sign = if inverse { -1.0 } else { 1.0 };
    let half = turned / 2;
    for run in (*team).runs(tokens, CHUNK.div_ceil(heads * dim)) {
        for token in run {
            let cos = angles.add(token * turned);
            let sin = cos.add(half);
            for head in 0..heads {
                let at = (token * heads + head) * dim;
                let (x, out) = (x.add(at), out.add(at));
                if neighbours {
                    turn::<2>(x, 0, half, 1, cos, sin, sign, out);
                } else {
                    turn_halves(x, half, cos, sin, sign, out);
                }
                out.add(turned).copy_from_nonoverlapping(x.add(turned), dim - turned);
            }
        }
    }
}

/// Turns the pairs `from..half`: the first of pair `j` is `x[j * STRIDE]`, the second lies `apart` behind it.
#[inline(always)]
unsafe fn turn<const STRIDE: usize>(
    x: *const f32,
    from: usize,
    half: usize,
    apart: usize,
    cos: *const f32,
    sin: *const f32,
    sign: f32,
    out: *mut f32,
) {
    for j in from..half {
        let at = j * STRIDE;
        let (a, b, c, s) = (*x.add(at), *x.add(at + apart), *cos.add(j), sign * *sin.add(j));
        *out.add(at) = a * c - b * s;
        *out.add(at + apart) = b * c + a * s;
    }
}

#[inline(always)]
unsafe fn turn_halves(x: *const f32, half: usize, cos: *const f32, sin: *const f32, sign: f32, out: *mut f32) {
    let whole = half & !3;
    for j in (0..whole).step_by(4) {
        let (a, b) = (F32x4::load(x.add(j)), F32x4::load(x.add(half + j)));
        let (c, s) = (F32x4::load(cos.add(j)), F32x4::load(sin.add(j)).mul(F32x4::splat(sign)));
        a.mul(c).sub(b.mul(s)).store(out.add(j));
        b.mul(c).add(a.mul(s)).store(out.add(half + j));
    }
    turn::<1>(x, whole, half, half, cos, sin, sign, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;

    fn check(dim: usize, turned: usize, neighbours: bool) {
        let (tokens, heads, half) = (6, 2, turned / 2);
        let x = numbers(tokens * heads * dim, 1);
        let angle = |t: usize, j: usize| t as f64 * 0.7f64.powi(j as i32);
        let mut angles = vec![0f32; tokens * turned];
        for t in 0..tokens {
            for j in 0..half {
                angles[t * turned + j] = angle(t, j).cos() as f32;
                angles[t * turned + half + j] = angle(t, j).sin() as f32;
            }
        }
        let mut out = vec![f32::NAN; x.len()];
        let (px, a, o) = (x.as_ptr(), angles.as_ptr(), out.as_mut_ptr());
        unsafe { alone(|team| rotate(team, px, tokens, heads, dim, a, turned, neighbours, false, o)) }
        for t in 0..tokens {
            for h in 0..heads {
                let head = (t * heads + h) * dim;
                for j in 0..half {
                    let (one, two) = if neighbours { (2 * j, 2 * j + 1) } else { (j, j + half) };
                    let (a, b) = (x[head + one] as f64, x[head + two] as f64);
                    let turned = (b.atan2(a) + angle(t, j), a.hypot(b));
                    // Two angles and four products rounded, sizes below sqrt(2).
                    let bound = 6.0 * 2f64.powi(-24);
                    assert!((out[head + one] as f64 - turned.1 * turned.0.cos()).abs() < bound);
                    assert!((out[head + two] as f64 - turned.1 * turned.0.sin()).abs() < bound);
                }
                assert_eq!(out[head + turned..head + dim], x[head + turned..head + dim]);
            }
        }
        let mut back = vec![f32::NAN; x.len()];
        let (p, b) = (out.as_ptr(), back.as_mut_ptr());
        unsafe { alone(|team| rotate(team, p, tokens, heads, dim, a, turned, neighbours, true, b)) }
        // The same roundings twice.
        assert!(x.iter().zip(back).all(|(x, back)| (x - back).abs() < 12.0 * 2f32.powi(-24)));
    }

    #[test]
    fn a_rotation_is_that_of_the_complex_plane_and_copies_what_it_does_not_turn() {
        for (dim, turned) in [(10, 10), (10, 6), (16, 16), (2, 2)] {
            check(dim, turned, false);
            check(dim, turned, true);
        }
    }
}
