/** The mask of a weight as its bytes in a file tell it. */
import type { Dtype } from "../backend/backend.ts";
import { bitPatterns } from "./bits.ts";

/**
 * The mask of a weight by its bytes: a bit for each number, row-major, 1 = kept, in bytes from the lowest bit up. A weight
 * that is zero (of either sign) counts as removed, as in the checkpoint nobody can tell it from one.
 */
export function maskBits(weight: Uint8Array, dtype: Dtype): Uint8Array<ArrayBuffer> {
  const numbers = bitPatterns(weight, dtype), sign = dtype === "F32" ? 0x7fff_ffff : 0x7fff;
  const bits = new Uint8Array(Math.ceil(numbers.length / 8));
  const whole = numbers.length - numbers.length % 8;
  for (let at = 0, byte = 0; at < whole; at += 8, byte++) {
    bits[byte] = +((numbers[at] & sign) !== 0) | +((numbers[at + 1] & sign) !== 0) << 1 |
      +((numbers[at + 2] & sign) !== 0) << 2 | +((numbers[at + 3] & sign) !== 0) << 3 |
      +((numbers[at + 4] & sign) !== 0) << 4 | +((numbers[at + 5] & sign) !== 0) << 5 |
      +((numbers[at + 6] & sign) !== 0) << 6 | +((numbers[at + 7] & sign) !== 0) << 7;
  }
  for (let at = whole; at < numbers.length; at++) bits[at >> 3] |= +((numbers[at] & sign) !== 0) << (at & 7);
  return bits;
}
