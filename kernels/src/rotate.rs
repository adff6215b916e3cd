//! Rotary position embedding in the half-split layout: the pair (x[j], x[j + dim/2]) of a head turns by the angle of
//! frequency j at the token's position (Su et al., RoFormer, section 3.2.2; the pairing of LLaMA's checkpoints).

use crate::simd::F32x4;
use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Numbers of a chunk, about.
const CHUNK: usize = 16384;

/// `angles` is length x dim: of a position the cosines of the dim/2 frequencies, then their sines.
#[wasm_bindgen]
pub unsafe fn rotate(
    team: *const Team,
    x: *const f32,
    tokens: usize,
    heads: usize,
    dim: usize,
    angles: *const f32,
    length: usize,
    out: *mut f32,
) {
    let half = dim / 2;
    for run in (*team).runs(tokens, CHUNK.div_ceil(heads * dim)) {
        for token in run {
            let cos = angles.add(token % length * dim);
            let sin = cos.add(half);
            for head in 0..heads {
                let at = (token * heads + head) * dim;
                let (a, b) = (x.add(at), x.add(at + half));
                let (to_a, to_b) = (out.add(at), out.add(at + half));
                let whole = half & !3;
                for j in (0..whole).step_by(4) {
                    let (x, y) = (F32x4::load(a.add(j)), F32x4::load(b.add(j)));
                    let (c, s) = (F32x4::load(cos.add(j)), F32x4::load(sin.add(j)));
                    x.mul(c).sub(y.mul(s)).store(to_a.add(j));
                    y.mul(c).add(x.mul(s)).store(to_b.add(j));
                }
                for j in whole..half {
                    let (x, y, c, s) = (*a.add(j), *b.add(j), *cos.add(j), *sin.add(j));
                    *to_a.add(j) = x * c - y * s;
                    *to_b.add(j) = y * c + x * s;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;

    #[test]
    fn a_rotation_is_that_of_the_complex_plane() {
        let (length, heads, dim) = (3, 2, 10);
        let tokens = 2 * length;
        let x = numbers(tokens * heads * dim, 1);
        let angle = |p: usize, j: usize| p as f64 * 0.7f64.powi(j as i32);
        let mut angles = vec![0f32; length * dim];
        for p in 0..length {
            for j in 0..dim / 2 {
                angles[p * dim + j] = angle(p, j).cos() as f32;
                angles[p * dim + dim / 2 + j] = angle(p, j).sin() as f32;
            }
        }
        let mut out = vec![f32::NAN; x.len()];
        let (px, a, o) = (x.as_ptr(), angles.as_ptr(), out.as_mut_ptr());
        unsafe { alone(|team| rotate(team, px, tokens, heads, dim, a, length, o)) }
        for t in 0..tokens {
            for h in 0..heads {
                for j in 0..dim / 2 {
                    let at = (t * heads + h) * dim + j;
                    let (a, b) = (x[at] as f64, x[at + dim / 2] as f64);
                    let turned = (b.atan2(a) + angle(t % length, j), a.hypot(b));
                    // Two angles and four products rounded, sizes below sqrt(2).
                    let bound = 6.0 * 2f64.powi(-24);
                    assert!((out[at] as f64 - turned.1 * turned.0.cos()).abs() < bound);
                    assert!((out[at + dim / 2] as f64 - turned.1 * turned.0.sin()).abs() < bound);
                }
            }
        }
    }
}
