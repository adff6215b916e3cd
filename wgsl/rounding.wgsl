// F32 rounded to the 16 bits of F16 or BF16, to nearest, ties to even: integer work on bits, as in numbers.wgsl, which
// stands before it.

// bits >> shift, to nearest even.
fn shifted(bits: u32, shift: u32) -> u32 {
  let odd = (bits >> shift) & 1u;
  return (bits + (1u << (shift - 1u)) - 1u + odd) >> shift;
}

// The bits of an f32 as those of F16 or BF16.
fn half_of(bits: u32, stored: u32) -> u32 {
  let sign = (bits >> 16u) & 0x8000u;
  let magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {
    return sign | select(0x7e00u, 0x7fc0u, stored == BF16); // NaN
  }
  if (stored == BF16) {
    return sign | shifted(magnitude, 16u);
  }
  if (magnitude >= 0x477ff000u) { // 65520 and above
    return sign | 0x7c00u;
  }
  if (magnitude >= 0x38800000u) { // 2^-14: normal in F16 too
    return sign | shifted(magnitude - 0x38000000u, 13u);
  }
  let shift = 126u - (magnitude >> 23u); // the significand in units of 2^-24
  if (shift > 24u) {
    return sign;
  }
  return sign | shifted((magnitude & 0x7fffffu) | 0x800000u, shift);
}
