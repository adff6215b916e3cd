//! The dtypes of a checkpoint, widened to f32 exactly: subnormals, infinities and NaN included.

use crate::simd::{F32x4, U32x4};

/// How a matrix stores its numbers; the numbers are those of `DTYPE_CODES` in `src/backend/codes.ts`.
pub const F32: u32 = 0;
pub const F16: u32 = 1;
pub const BF16: u32 = 2;

/// A dtype known when the kernel is compiled, so that its inner loop holds no question.
pub trait Stored {
    const BYTES: usize;
    /// Numbers `i..i + 4` of the array at `p`, as f32.
    /// # Safety
    /// They can be read.
    unsafe fn load(p: *const u8, i: usize) -> F32x4;
    /// The first `n < 4` numbers from `i` on; the other lanes are 0.
    /// # Safety
    /// They can be read.
    unsafe fn load_some(p: *const u8, i: usize, n: usize) -> F32x4 {
        let mut some = [0u64; 2];
        let bytes = some.as_mut_ptr() as *mut u8;
        p.add(i * Self::BYTES).copy_to_nonoverlapping(bytes, n * Self::BYTES);
        Self::load(bytes, 0)
    }
}

pub struct Single;
pub struct Half;
pub struct Brain;

impl Stored for Single {
    const BYTES: usize = 4;
    #[inline(always)]
    unsafe fn load(p: *const u8, i: usize) -> F32x4 {
        F32x4::load((p as *const f32).add(i))
    }
}

impl Stored for Half {
    const BYTES: usize = 2;
    /// Sign, exponent and fraction move to their places in an f32; then one exact multiplication by 2^112 mends the
    /// exponent's bias, and makes a subnormal normal on the way. Exponent 31 (infinity, NaN) becomes 255.
    #[inline(always)]
    unsafe fn load(p: *const u8, i: usize) -> F32x4 {
        let bits = U32x4::load_u16((p as *const u16).add(i));
        let sign = bits.and(U32x4::splat(0x8000)).shl(16);
        let rest = bits.and(U32x4::splat(0x7fff));
        let finite = rest.shl(13).floats().mul(F32x4::splat(5.192_297e33)); // 2^112
        let special = U32x4::splat(0x7bff).less(rest).and(U32x4::splat(0x7f80_0000));
        finite.bits().or(special).or(sign).floats()
    }
}

impl Stored for Brain {
    const BYTES: usize = 2;
    #[inline(always)]
    unsafe fn load(p: *const u8, i: usize) -> F32x4 {
        U32x4::load_u16((p as *const u16).add(i)).shl(16).floats()
    }
}

/// Calls a function that is generic over a [`Stored`] for the dtype of this number: `stored!(dtype, f(arguments))`.
#[macro_export]
macro_rules! stored {
    ($dtype:expr, $f:ident($($argument:expr),* $(,)?)) => {
        match $dtype {
            $crate::dtype::F32 => $f::<$crate::dtype::Single>($($argument),*),
            $crate::dtype::F16 => $f::<$crate::dtype::Half>($($argument),*),
            $crate::dtype::BF16 => $f::<$crate::dtype::Brain>($($argument),*),
            other => unreachable!("dtype {other}"),
        }
    };
}

/// Widens `n` numbers.
/// # Safety
/// They can be read at `from` and written at `to`.
#[inline(always)]
pub unsafe fn widen<T: Stored>(from: *const u8, n: usize, to: *mut f32) {
    for i in (0..n & !3).step_by(4) {
        T::load(from, i).store(to.add(i));
    }
    let done = n & !3;
    if done < n {
        let last = T::load_some(from, done, n - done).to_array();
        to.add(done).copy_from_nonoverlapping(last.as_ptr(), n - done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// IEEE 754 binary16 by its definition, in f64.
    fn half(bits: u16) -> f64 {
        let fraction = (bits & 0x3ff) as f64;
        let size = match (bits >> 10) & 31 {
            0 => fraction * 2f64.powi(-24),
            31 if fraction == 0.0 => f64::INFINITY,
            31 => f64::NAN,
            e => (1.0 + fraction / 1024.0) * 2f64.powi(e as i32 - 15),
        };
        if bits >> 15 == 1 {
            -size
        } else {
            size
        }
    }

    #[test]
    fn every_half_widens_exactly() {
        let all: Vec<u16> = (0..=u16::MAX).collect();
        let mut out = vec![0f32; all.len()];
        unsafe { widen::<Half>(all.as_ptr() as *const u8, all.len(), out.as_mut_ptr()) }
        for (bits, x) in all.iter().zip(out) {
            let expected = half(*bits);
            assert!(
                x as f64 == expected && x.is_sign_negative() == expected.is_sign_negative()
                    || x.is_nan() && expected.is_nan(),
                "{bits:#x}: {x}"
            );
        }
    }

    #[test]
    fn every_brain_float_is_the_upper_half_of_a_single() {
        let all: Vec<u16> = (0..=u16::MAX).collect();
        let mut out = vec![0f32; all.len()];
        unsafe { widen::<Brain>(all.as_ptr() as *const u8, all.len(), out.as_mut_ptr()) }
        assert!(all.iter().zip(out).all(|(bits, x)| x.to_bits() == (*bits as u32) << 16));
    }

    #[test]
    fn a_tail_is_widened_and_nothing_behind_it_is_written() {
        let mut out = [7f32; 8];
        let from = [1f32, 2.0, 3.0, 4.0, 5.0, 6.0];
        unsafe { widen::<Single>(from.as_ptr() as *const u8, 6, out.as_mut_ptr()) }
        assert_eq!(out, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 7.0]);
    }
}
