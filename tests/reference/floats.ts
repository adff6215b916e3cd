/** Checkpoint numbers as JavaScript numbers and back, one at a time and exactly: the tests' own conversion. */
import type { Dtype } from "../../src/backend/backend.ts";

/** One F16 (IEEE binary16) from its bits. */
export function fromHalf(bits: number): number {
  const sign = bits >> 15 ? -1 : 1, exponent = bits >> 10 & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
}

/** The bits of the F16 nearest to a number, ties to even. */
export function toHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0, size = Math.abs(value);
  if (size >= 65520) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  const steps = size / 2 ** (exponent - 10), floor = Math.floor(steps), rest = steps - floor;
  const rounded = rest > 0.5 || rest === 0.5 && floor % 2 === 1 ? floor + 1 : floor;
  // A subnormal has no hidden bit; a carry into the next exponent comes out right by itself.
  return sign | (size < 2 ** -14 ? rounded : (exponent + 15 << 10) + rounded - 1024);
}

/** Bytes of a dtype as F32. */
export function toFloats(bytes: Uint8Array, dtype: Dtype): Float32Array {
  const copy = bytes.slice().buffer;
  if (dtype === "F32") return new Float32Array(copy);
  const words = new Uint16Array(copy);
  if (dtype === "F16") return Float32Array.from(words, fromHalf);
  return new Float32Array(Uint32Array.from(words, (word) => word << 16).buffer);
}

/** F32 as bytes of a dtype; rounded to nearest, ties to even. */
export function fromFloats(floats: Float32Array, dtype: Dtype): Uint8Array<ArrayBuffer> {
  const copy = floats.slice();
  if (dtype === "F32") return new Uint8Array(copy.buffer);
  if (dtype === "F16") return new Uint8Array(Uint16Array.from(copy, toHalf).buffer);
  const words = new Uint32Array(copy.buffer);
  return new Uint8Array(Uint16Array.from(words, (word) => word + 0x7fff + (word >>> 16 & 1) >>> 16).buffer);
}
