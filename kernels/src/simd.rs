//! Four f32, four u32 or i32, two f64, eight i16 and sixteen u8 in one register: WebAssembly's `v128` in the built module, plain arrays where `cargo test`
//! runs. Only what the kernels use is here, and both realisations round alike, except that `madd` is fused where the
//! engine fuses it.

#[cfg(target_arch = "wasm32")]
mod lanes {
    use core::arch::wasm32::*;

    #[derive(Clone, Copy)]
    pub struct F32x4(v128);
    #[derive(Clone, Copy)]
    pub struct U32x4(v128);
    #[derive(Clone, Copy)]
    pub struct F64x2(v128);

    impl F64x2 {
        #[inline(always)]
        pub fn splat(x: f64) -> Self {
            Self(f64x2_splat(x))
        }
        /// # Safety
        /// Two f64 can be read at `p`.
        #[inline(always)]
        pub unsafe fn load(p: *const f64) -> Self {
            Self(v128_load(p as *const v128))
        }
        /// # Safety
        /// Two f32 can be read at `p`.
        #[inline(always)]
        pub unsafe fn widen(p: *const f32) -> Self {
            Self(f64x2_promote_low_f32x4(v128_load64_zero(p as *const u64)))
        }
        /// # Safety
        /// Two f64 can be written at `p`.
        #[inline(always)]
        pub unsafe fn store(self, p: *mut f64) {
            v128_store(p as *mut v128, self.0)
        }
        #[inline(always)]
        pub fn add(self, y: Self) -> Self {
            Self(f64x2_add(self.0, y.0))
        }
        /// `self * y + z`.
        #[inline(always)]
        pub fn madd(self, y: Self, z: Self) -> Self {
            #[cfg(target_feature = "relaxed-simd")]
            return Self(f64x2_relaxed_madd(self.0, y.0, z.0));
            #[cfg(not(target_feature = "relaxed-simd"))]
            return Self(f64x2_add(f64x2_mul(self.0, y.0), z.0));
        }
        /// Two registers, each filled with one of the lanes.
        #[inline(always)]
        pub fn spread(self) -> [Self; 2] {
            [Self(i64x2_shuffle::<0, 0>(self.0, self.0)), Self(i64x2_shuffle::<1, 1>(self.0, self.0))]
        }
        #[inline(always)]
        pub fn to_array(self) -> [f64; 2] {
            // SAFETY: both are 16 bytes of plain numbers.
            unsafe { core::mem::transmute(self.0) }
        }
    }

    impl F32x4 {
        #[inline(always)]
        pub fn of([a, b, c, d]: [f32; 4]) -> Self {
            Self(f32x4(a, b, c, d))
        }
        #[inline(always)]
        pub fn splat(x: f32) -> Self {
            Self(f32x4_splat(x))
        }
        /// # Safety
        /// Four f32 can be read at `p`.
        #[inline(always)]
        pub unsafe fn load(p: *const f32) -> Self {
            Self(v128_load(p as *const v128))
        }
        /// Four f32 from where four bytes say.
        /// # Safety
        /// Four bytes can be read at `places`, and the numbers of these places at `p`.
        #[inline(always)]
        pub unsafe fn gather(p: *const f32, places: *const u8) -> Self {
            let at = |i: usize| p.add(*places.add(i) as usize) as *const u32;
            let two = v128_load32_lane::<1>(v128_load32_zero(at(0)), at(1));
            Self(v128_load32_lane::<3>(v128_load32_lane::<2>(two, at(2)), at(3)))
        }
        /// # Safety
        /// Four f32 can be written at `p`.
        #[inline(always)]
        pub unsafe fn store(self, p: *mut f32) {
            v128_store(p as *mut v128, self.0)
        }
        /// `self * y + z`.
        #[inline(always)]
        pub fn madd(self, y: Self, z: Self) -> Self {
            #[cfg(target_feature = "relaxed-simd")]
            return Self(f32x4_relaxed_madd(self.0, y.0, z.0));
            #[cfg(not(target_feature = "relaxed-simd"))]
            return Self(f32x4_add(f32x4_mul(self.0, y.0), z.0));
        }
        #[inline(always)]
        pub fn add(self, y: Self) -> Self {
            Self(f32x4_add(self.0, y.0))
        }
        #[inline(always)]
        pub fn sub(self, y: Self) -> Self {
            Self(f32x4_sub(self.0, y.0))
        }
        #[inline(always)]
        pub fn mul(self, y: Self) -> Self {
            Self(f32x4_mul(self.0, y.0))
        }
        #[inline(always)]
        pub fn div(self, y: Self) -> Self {
            Self(f32x4_div(self.0, y.0))
        }
        /// The larger of each lane; no lane is NaN.
        #[inline(always)]
        pub fn max(self, y: Self) -> Self {
            Self(f32x4_pmax(self.0, y.0))
        }
        /// The smaller of each lane; no lane is NaN.
        #[inline(always)]
        pub fn min(self, y: Self) -> Self {
            Self(f32x4_pmin(self.0, y.0))
        }
        /// All ones where `self > y`, else 0.
        #[inline(always)]
        pub fn above(self, y: Self) -> U32x4 {
            U32x4(f32x4_gt(self.0, y.0))
        }
        #[inline(always)]
        pub fn sqrt(self) -> Self {
            Self(f32x4_sqrt(self.0))
        }
        #[inline(always)]
        pub fn abs(self) -> Self {
            Self(f32x4_abs(self.0))
        }
        #[inline(always)]
        pub fn bits(self) -> U32x4 {
            U32x4(self.0)
        }
        #[inline(always)]
        pub fn to_array(self) -> [f32; 4] {
            // SAFETY: both are 16 bytes of plain numbers.
            unsafe { core::mem::transmute(self.0) }
        }
        /// Four registers, each filled with one of the lanes.
        #[inline(always)]
        pub fn spread(self) -> [Self; 4] {
            [
                Self(i32x4_shuffle::<0, 0, 0, 0>(self.0, self.0)),
                Self(i32x4_shuffle::<1, 1, 1, 1>(self.0, self.0)),
                Self(i32x4_shuffle::<2, 2, 2, 2>(self.0, self.0)),
                Self(i32x4_shuffle::<3, 3, 3, 3>(self.0, self.0)),
            ]
        }
        /// The columns of the matrix whose rows are `r`.
        #[inline(always)]
        pub fn transpose(r: [Self; 4]) -> [Self; 4] {
            let low = i32x4_shuffle::<0, 4, 1, 5>(r[0].0, r[1].0);
            let high = i32x4_shuffle::<2, 6, 3, 7>(r[0].0, r[1].0);
            let low2 = i32x4_shuffle::<0, 4, 1, 5>(r[2].0, r[3].0);
            let high2 = i32x4_shuffle::<2, 6, 3, 7>(r[2].0, r[3].0);
            [
                Self(i64x2_shuffle::<0, 2>(low, low2)),
                Self(i64x2_shuffle::<1, 3>(low, low2)),
                Self(i64x2_shuffle::<0, 2>(high, high2)),
                Self(i64x2_shuffle::<1, 3>(high, high2)),
            ]
        }
    }

    impl U32x4 {
        #[inline(always)]
        pub fn splat(x: u32) -> Self {
            Self(u32x4_splat(x))
        }
        /// # Safety
        /// Four u32 can be read at `p`.
        #[inline(always)]
        pub unsafe fn load(p: *const u32) -> Self {
            Self(v128_load(p as *const v128))
        }
        /// Four u16, widened.
        /// # Safety
        /// Four u16 can be read at `p`.
        #[inline(always)]
        pub unsafe fn load_u16(p: *const u16) -> Self {
            Self(u32x4_load_extend_u16x4(p))
        }
        #[inline(always)]
        pub fn add(self, y: Self) -> Self {
            Self(i32x4_add(self.0, y.0))
        }
        #[inline(always)]
        pub fn sub(self, y: Self) -> Self {
            Self(i32x4_sub(self.0, y.0))
        }
        #[inline(always)]
        pub fn and(self, y: Self) -> Self {
            Self(v128_and(self.0, y.0))
        }
        #[inline(always)]
        pub fn or(self, y: Self) -> Self {
            Self(v128_or(self.0, y.0))
        }
        /// The bits that `y` does not have.
        #[inline(always)]
        pub fn without(self, y: Self) -> Self {
            Self(v128_andnot(self.0, y.0))
        }
        #[inline(always)]
        pub fn shl(self, bits: u32) -> Self {
            Self(u32x4_shl(self.0, bits))
        }
        /// All ones where `self < y`, else 0; both below 2^31.
        #[inline(always)]
        pub fn less(self, y: Self) -> Self {
            Self(i32x4_lt(self.0, y.0))
        }
        #[inline(always)]
        pub fn equal(self, y: Self) -> Self {
            Self(i32x4_eq(self.0, y.0))
        }
        /// Bit `i` is the sign bit of lane `i`.
        #[inline(always)]
        pub fn sign_bits(self) -> u32 {
            i32x4_bitmask(self.0) as u32
        }
        #[inline(always)]
        pub fn floats(self) -> F32x4 {
            F32x4(self.0)
        }
        #[inline(always)]
        pub fn signed(self) -> I32x4 {
            I32x4(self.0)
        }
        #[inline(always)]
        pub fn to_array(self) -> [u32; 4] {
            // SAFETY: both are 16 bytes of plain numbers.
            unsafe { core::mem::transmute(self.0) }
        }
    }

    #[derive(Clone, Copy)]
    pub struct U8x16(v128);
    #[derive(Clone, Copy)]
    pub struct I16x8(v128);
    #[derive(Clone, Copy)]
    pub struct I32x4(v128);

    impl U8x16 {
        #[inline(always)]
        pub fn splat(x: u8) -> Self {
            Self(u8x16_splat(x))
        }
        /// # Safety
        /// 16 bytes can be read at `p`.
        #[inline(always)]
        pub unsafe fn load(p: *const u8) -> Self {
            Self(v128_load(p as *const v128))
        }
        /// Eight bytes, and zeros.
        /// # Safety
        /// Eight bytes can be read at `p`.
        #[inline(always)]
        pub unsafe fn load_half(p: *const u8) -> Self {
            Self(v128_load64_zero(p as *const u64))
        }
        /// A word, four times.
        #[inline(always)]
        pub fn word(word: u32) -> Self {
            Self(u32x4_splat(word))
        }
        /// Byte `i` is that of lane `control[i]`, or 0 where the control is 128; no control is anything else.
        #[inline(always)]
        pub fn swizzle(self, control: Self) -> Self {
            #[cfg(target_feature = "relaxed-simd")]
            return Self(i8x16_relaxed_swizzle(self.0, control.0));
            #[cfg(not(target_feature = "relaxed-simd"))]
            return Self(i8x16_swizzle(self.0, control.0));
        }
        #[inline(always)]
        pub fn and(self, y: Self) -> Self {
            Self(v128_and(self.0, y.0))
        }
        #[inline(always)]
        pub fn or(self, y: Self) -> Self {
            Self(v128_or(self.0, y.0))
        }
        #[inline(always)]
        pub fn xor(self, y: Self) -> Self {
            Self(v128_xor(self.0, y.0))
        }
        /// The upper four bits of every byte; `low` are the lower four of each.
        #[inline(always)]
        pub fn upper(self, low: Self) -> Self {
            Self(v128_and(u16x8_shr(self.0, 4), low.0))
        }
        /// Eight F16 as f32 of 2^-112 times their size: what lies above the exponent's three new bits and below them is shifted in
        /// lanes of 16 bits, eight at a time. `upper` is 0x8fff in each.
        #[inline(always)]
        pub fn widen_f16(self, upper: Self) -> [U32x4; 2] {
            let (high, low) = (v128_and(i16x8_shr(self.0, 3), upper.0), i16x8_shl(self.0, 13));
            [
                U32x4(i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(low, high)),
                U32x4(i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(low, high)),
            ]
        }
        /// Eight u16, each in the upper half of a u32.
        #[inline(always)]
        pub fn upper_u16(self) -> [U32x4; 2] {
            let zero = u16x8_splat(0);
            [
                U32x4(i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(zero, self.0)),
                U32x4(i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(zero, self.0)),
            ]
        }
        /// Four u32.
        #[inline(always)]
        pub fn words(self) -> U32x4 {
            U32x4(self.0)
        }
        /// Eight i16.
        #[inline(always)]
        pub fn shorts(self) -> I16x8 {
            I16x8(self.0)
        }
        /// All bytes, as u8.
        #[inline(always)]
        pub fn widen_u8(self) -> [I16x8; 2] {
            [I16x8(u16x8_extend_low_u8x16(self.0)), I16x8(u16x8_extend_high_u8x16(self.0))]
        }
    }

    impl I16x8 {
        /// # Safety
        /// Eight i16 can be read at `p`.
        #[inline(always)]
        pub unsafe fn load(p: *const i16) -> Self {
            Self(v128_load(p as *const v128))
        }
        /// Eight i8, widened.
        /// # Safety
        /// Eight i8 can be read at `p`.
        #[inline(always)]
        pub unsafe fn load_i8(p: *const u8) -> Self {
            Self(i16x8_load_extend_i8x8(p as *const i8))
        }
        /// # Safety
        /// Eight i16 can be written at `p`.
        #[inline(always)]
        pub unsafe fn store(self, p: *mut i16) {
            v128_store(p as *mut v128, self.0)
        }
        /// The lower halves of eight i32 that fit them.
        #[inline(always)]
        pub fn narrow(x: [I32x4; 2]) -> Self {
            Self(i16x8_narrow_i32x4(x[0].0, x[1].0))
        }
        #[inline(always)]
        pub fn bytes(self) -> U8x16 {
            U8x16(self.0)
        }
        #[inline(always)]
        pub fn mul(self, y: Self) -> Self {
            Self(i16x8_mul(self.0, y.0))
        }
        #[inline(always)]
        pub fn add(self, y: Self) -> Self {
            Self(i16x8_add(self.0, y.0))
        }
        /// Zeros come from the left.
        #[inline(always)]
        pub fn shift_right_2(self) -> Self {
            Self(u16x8_shr(self.0, 2))
        }
        /// The upper four bits of each lane, as i4.
        #[inline(always)]
        pub fn upper_i4(self) -> Self {
            Self(i16x8_shr(self.0, 12))
        }
        /// Products of neighbouring lanes, added in pairs.
        #[inline(always)]
        pub fn dot(self, y: Self) -> I32x4 {
            I32x4(i32x4_dot_i16x8(self.0, y.0))
        }
        #[inline(always)]
        pub fn widen(self) -> [I32x4; 2] {
            [I32x4(i32x4_extend_low_i16x8(self.0)), I32x4(i32x4_extend_high_i16x8(self.0))]
        }
    }

    impl I32x4 {
        #[inline(always)]
        pub fn splat(x: i32) -> Self {
            Self(i32x4_splat(x))
        }
        #[inline(always)]
        pub fn add(self, y: Self) -> Self {
            Self(i32x4_add(self.0, y.0))
        }
        /// The nearest f32 of each.
        #[inline(always)]
        pub fn floats(self) -> F32x4 {
            F32x4(f32x4_convert_i32x4(self.0))
        }
        #[inline(always)]
        pub fn to_array(self) -> [i32; 4] {
            // SAFETY: both are 16 bytes of plain numbers.
            unsafe { core::mem::transmute(self.0) }
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod lanes {
    use core::array::from_fn;

    #[derive(Clone, Copy)]
    pub struct F32x4([f32; 4]);
    #[derive(Clone, Copy)]
    pub struct U32x4([u32; 4]);
    #[derive(Clone, Copy)]
    pub struct F64x2([f64; 2]);

    #[allow(clippy::missing_safety_doc)]
    impl F64x2 {
        pub fn splat(x: f64) -> Self {
            Self([x; 2])
        }
        pub unsafe fn load(p: *const f64) -> Self {
            Self((p as *const [f64; 2]).read_unaligned())
        }
        pub unsafe fn widen(p: *const f32) -> Self {
            Self((p as *const [f32; 2]).read_unaligned().map(f64::from))
        }
        pub unsafe fn store(self, p: *mut f64) {
            (p as *mut [f64; 2]).write_unaligned(self.0)
        }
        pub fn add(self, y: Self) -> Self {
            Self(from_fn(|i| self.0[i] + y.0[i]))
        }
        pub fn madd(self, y: Self, z: Self) -> Self {
            Self(from_fn(|i| self.0[i].mul_add(y.0[i], z.0[i])))
        }
        pub fn spread(self) -> [Self; 2] {
            self.0.map(Self::splat)
        }
        pub fn to_array(self) -> [f64; 2] {
            self.0
        }
    }

    /// # Safety
    /// As the operation of the same name above, one and all.
    #[allow(clippy::missing_safety_doc)]
    impl F32x4 {
        pub unsafe fn gather(p: *const f32, places: *const u8) -> Self {
            Self(from_fn(|i| *p.add(*places.add(i) as usize)))
        }
        pub fn of(x: [f32; 4]) -> Self {
            Self(x)
        }
        pub fn splat(x: f32) -> Self {
            Self([x; 4])
        }
        pub unsafe fn load(p: *const f32) -> Self {
            Self((p as *const [f32; 4]).read_unaligned())
        }
        pub unsafe fn store(self, p: *mut f32) {
            (p as *mut [f32; 4]).write_unaligned(self.0)
        }
        pub fn madd(self, y: Self, z: Self) -> Self {
            Self(from_fn(|i| self.0[i].mul_add(y.0[i], z.0[i])))
        }
        pub fn add(self, y: Self) -> Self {
            Self(from_fn(|i| self.0[i] + y.0[i]))
        }
        pub fn sub(self, y: Self) -> Self {
            Self(from_fn(|i| self.0[i] - y.0[i]))
        }
        pub fn mul(self, y: Self) -> Self {
            Self(from_fn(|i| self.0[i] * y.0[i]))
        }
        pub fn div(self, y: Self) -> Self {
            Self(from_fn(|i| self.0[i] / y.0[i]))
        }
        pub fn max(self, y: Self) -> Self {
            Self(from_fn(|i| self.0[i].max(y.0[i])))
        }
        pub fn min(self, y: Self) -> Self {
            Self(from_fn(|i| self.0[i].min(y.0[i])))
        }
        pub fn above(self, y: Self) -> U32x4 {
            U32x4(from_fn(|i| if self.0[i] > y.0[i] { u32::MAX } else { 0 }))
        }
        pub fn sqrt(self) -> Self {
            Self(self.0.map(f32::sqrt))
        }
        pub fn abs(self) -> Self {
            Self(self.0.map(f32::abs))
        }
        pub fn bits(self) -> U32x4 {
            U32x4(self.0.map(f32::to_bits))
        }
        pub fn to_array(self) -> [f32; 4] {
            self.0
        }
        pub fn spread(self) -> [Self; 4] {
            self.0.map(Self::splat)
        }
        pub fn transpose(r: [Self; 4]) -> [Self; 4] {
            from_fn(|i| Self(from_fn(|j| r[j].0[i])))
        }
    }

    #[allow(clippy::missing_safety_doc)]
    impl U32x4 {
        pub fn splat(x: u32) -> Self {
            Self([x; 4])
        }
        pub unsafe fn load(p: *const u32) -> Self {
            Self((p as *const [u32; 4]).read_unaligned())
        }
        pub unsafe fn load_u16(p: *const u16) -> Self {
            Self((p as *const [u16; 4]).read_unaligned().map(u32::from))
        }
        pub fn add(self, y: Self) -> Self {
            Self(from_fn(|i| self.0[i].wrapping_add(y.0[i])))
        }
        pub fn sub(self, y: Self) -> Self {
            Self(from_fn(|i| self.0[i].wrapping_sub(y.0[i])))
        }
        pub fn and(self, y: Self) -> Self {
            Self(from_fn(|i| self.0[i] & y.0[i]))
        }
        pub fn or(self, y: Self) -> Self {
            Self(from_fn(|i| self.0[i] | y.0[i]))
        }
        pub fn without(self, y: Self) -> Self {
            Self(from_fn(|i| self.0[i] & !y.0[i]))
        }
        pub fn shl(self, bits: u32) -> Self {
            Self(self.0.map(|x| x << bits))
        }
        pub fn less(self, y: Self) -> Self {
            Self(from_fn(|i| if (self.0[i] as i32) < y.0[i] as i32 { u32::MAX } else { 0 }))
        }
        pub fn equal(self, y: Self) -> Self {
            Self(from_fn(|i| if self.0[i] == y.0[i] { u32::MAX } else { 0 }))
        }
        pub fn sign_bits(self) -> u32 {
            (0..4).map(|i| (self.0[i] >> 31) << i).sum()
        }
        pub fn floats(self) -> F32x4 {
            F32x4(self.0.map(f32::from_bits))
        }
        pub fn signed(self) -> I32x4 {
            I32x4(self.0.map(|x| x as i32))
        }
        pub fn to_array(self) -> [u32; 4] {
            self.0
        }
    }

    #[derive(Clone, Copy)]
    pub struct U8x16([u8; 16]);
    #[derive(Clone, Copy)]
    pub struct I16x8([i16; 8]);
    #[derive(Clone, Copy)]
    pub struct I32x4([i32; 4]);

    #[allow(clippy::missing_safety_doc)]
    impl U8x16 {
        pub fn splat(x: u8) -> Self {
            Self([x; 16])
        }
        pub unsafe fn load(p: *const u8) -> Self {
            Self((p as *const [u8; 16]).read_unaligned())
        }
        pub unsafe fn load_half(p: *const u8) -> Self {
            Self(from_fn(|i| if i < 8 { *p.add(i) } else { 0 }))
        }
        pub fn word(word: u32) -> Self {
            Self(from_fn(|i| word.to_le_bytes()[i % 4]))
        }
        pub fn swizzle(self, control: Self) -> Self {
            Self(control.0.map(|lane| if lane == 128 { 0 } else { self.0[lane as usize] }))
        }
        pub fn and(self, y: Self) -> Self {
            Self(from_fn(|i| self.0[i] & y.0[i]))
        }
        pub fn or(self, y: Self) -> Self {
            Self(from_fn(|i| self.0[i] | y.0[i]))
        }
        pub fn xor(self, y: Self) -> Self {
            Self(from_fn(|i| self.0[i] ^ y.0[i]))
        }
        pub fn upper(self, low: Self) -> Self {
            Self(from_fn(|i| self.0[i] >> 4 & low.0[i]))
        }
        pub fn widen_f16(self, upper: Self) -> [U32x4; 2] {
            let (all, upper) = (self.shorts().0, upper.shorts().0);
            let wide =
                |i: usize| ((all[i] >> 3 & upper[i]) as u16 as u32) << 16 | (all[i] as u16 as u32) << 13 & 0xffff;
            [0, 4].map(|first| U32x4(from_fn(|i| wide(first + i))))
        }
        pub fn upper_u16(self) -> [U32x4; 2] {
            let all = self.shorts().0;
            [0, 4].map(|first| U32x4(from_fn(|i| (all[first + i] as u16 as u32) << 16)))
        }
        pub fn words(self) -> U32x4 {
            U32x4(from_fn(|i| u32::from_le_bytes(from_fn(|j| self.0[4 * i + j]))))
        }
        pub fn shorts(self) -> I16x8 {
            I16x8(from_fn(|i| i16::from_le_bytes([self.0[2 * i], self.0[2 * i + 1]])))
        }
        pub fn widen_u8(self) -> [I16x8; 2] {
            [0, 8].map(|first| I16x8(from_fn(|i| self.0[first + i] as i16)))
        }
    }

    #[allow(clippy::missing_safety_doc)]
    impl I16x8 {
        pub unsafe fn load(p: *const i16) -> Self {
            Self((p as *const [i16; 8]).read_unaligned())
        }
        pub unsafe fn load_i8(p: *const u8) -> Self {
            Self((p as *const [i8; 8]).read_unaligned().map(i16::from))
        }
        pub unsafe fn store(self, p: *mut i16) {
            (p as *mut [i16; 8]).write_unaligned(self.0)
        }
        pub fn narrow(x: [I32x4; 2]) -> Self {
            Self(from_fn(|i| x[i / 4].0[i % 4] as i16))
        }
        pub fn bytes(self) -> U8x16 {
            U8x16(from_fn(|i| self.0[i / 2].to_le_bytes()[i % 2]))
        }
        pub fn mul(self, y: Self) -> Self {
            Self(from_fn(|i| self.0[i].wrapping_mul(y.0[i])))
        }
        pub fn add(self, y: Self) -> Self {
            Self(from_fn(|i| self.0[i].wrapping_add(y.0[i])))
        }
        pub fn shift_right_2(self) -> Self {
            Self(self.0.map(|x| (x as u16 >> 2) as i16))
        }
        pub fn upper_i4(self) -> Self {
            Self(self.0.map(|x| x >> 12))
        }
        pub fn dot(self, y: Self) -> I32x4 {
            let product = |i: usize| self.0[i] as i32 * y.0[i] as i32;
            I32x4(from_fn(|i| product(2 * i).wrapping_add(product(2 * i + 1))))
        }
        pub fn widen(self) -> [I32x4; 2] {
            [0, 4].map(|first| I32x4(from_fn(|i| self.0[first + i] as i32)))
        }
    }

    impl I32x4 {
        pub fn splat(x: i32) -> Self {
            Self([x; 4])
        }
        pub fn add(self, y: Self) -> Self {
            Self(from_fn(|i| self.0[i].wrapping_add(y.0[i])))
        }
        pub fn floats(self) -> F32x4 {
            F32x4(self.0.map(|x| x as f32))
        }
        pub fn to_array(self) -> [i32; 4] {
            self.0
        }
    }
}

pub use lanes::{F32x4, F64x2, I16x8, I32x4, U32x4, U8x16};

impl F32x4 {
    /// The largest lane.
    #[inline(always)]
    pub fn largest(self) -> f32 {
        let [a, b, c, d] = self.to_array();
        a.max(b).max(c.max(d))
    }

    /// The sum of the lanes, always in the same order.
    #[inline(always)]
    pub fn sum(self) -> f32 {
        let [a, b, c, d] = self.to_array();
        (a + b) + (c + d)
    }
}
