//! Dropout (Srivastava et al., 2014) whose choice is a function of a key and of a number's place: what it drops can be
//! found again without having been kept, and does not depend on who computes it.

use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Numbers of a chunk.
const CHUNK: usize = 16384;

/// MurmurHash3's finaliser (Appleby, 2011): every bit of its argument changes half of the bits of the result.
#[inline(always)]
pub fn mix(mut h: u32) -> u32 {
    h ^= h >> 16;
    h = h.wrapping_mul(0x85eb_ca6b);
    h ^= h >> 13;
    h = h.wrapping_mul(0xc2b2_ae35);
    h ^ h >> 16
}

/// `out = x * scale` where `mix(mix(place) ^ key)` is at least `limit`, else 0; `count` numbers.
#[wasm_bindgen]
pub unsafe fn dropout(team: *const Team, x: *const f32, count: usize, key: u32, limit: u32, scale: f32, out: *mut f32) {
    for i in (*team).runs(count, CHUNK).flatten() {
        let kept = mix(mix(i as u32) ^ key) >= limit;
        *out.add(i) = if kept { *x.add(i) * scale } else { 0.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;

    #[test]
    fn a_share_goes_and_the_rest_is_scaled() {
        let n = 40_000;
        let x = numbers(n, 1);
        let mut out = vec![f32::NAN; n];
        unsafe { alone(|team| dropout(team, x.as_ptr(), n, 7, 1 << 30, 2.0, out.as_mut_ptr())) }
        let gone = out.iter().filter(|&&y| y == 0.0).count();
        // Five standard deviations of as many independent draws: 5 sqrt(40000 / 4 * 3 / 4).
        assert!(gone.abs_diff(n / 4) < 433, "{gone}");
        assert!(x.iter().zip(&out).all(|(x, &y)| y == 0.0 || y == 2.0 * x));
    }

    #[test]
    fn the_hash_is_murmurs() {
        // Of MurmurHash3's reference code.
        assert_eq!((mix(0), mix(1), mix(0xffff_ffff)), (0, 0x514e_28b7, 0x81f1_6f39));
    }
}
