/** Checkpoint numbers as JavaScript numbers and back, exactly: the tests' own conversion. Models have a hundred million. */
import type { Dtype } from "../../src/backend/backend.ts";

/** One F16 (IEEE binary16) from its bits. */
function fromHalf(bits: number): number {
  const sign = bits >> 15 ? -1 : 1, exponent = bits >> 10 & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
}

let halves: Float32Array | undefined;

/** The bits of the F16 nearest to a number, whose F32 has these bits, ties to even. */
function toHalf(bits: number, value: number): number {
  const sign = bits >>> 16 & 0x8000, size = bits & 0x7fffffff;
  if (size > 0x7f800000) return 0x7e00; // NaN
  if (size >= 0x477ff000) return sign | 0x7c00; // 65520 and beyond
  // The exponent's bias falls from 127 to 15; a carry into the next exponent comes out right by itself.
  if (size >= 0x38800000) return sign | size - 0x38000000 + 0xfff + (size >> 13 & 1) >> 13;
  const steps = Math.abs(value) * 2 ** 24, floor = Math.floor(steps), rest = steps - floor;
  return sign | (rest > 0.5 || rest === 0.5 && floor % 2 === 1 ? floor + 1 : floor);
}

/** Bytes of a dtype as F32. */
export function toFloats(bytes: Uint8Array, dtype: Dtype): Float32Array {
  const copy = bytes.slice().buffer;
  if (dtype === "F32") return new Float32Array(copy);
  const words = new Uint16Array(copy), floats = new Float32Array(words.length), bits = new Uint32Array(floats.buffer);
  if (dtype === "F16") {
    halves ??= Float32Array.from({ length: 2 ** 16 }, (_, bits) => fromHalf(bits));
    for (let i = 0; i < words.length; i++) floats[i] = halves[words[i]];
  } else for (let i = 0; i < words.length; i++) bits[i] = words[i] << 16;
  return floats;
}

/** F32 as bytes of a dtype; rounded to nearest, ties to even. */
export function fromFloats(floats: Float32Array, dtype: Dtype): Uint8Array<ArrayBuffer> {
  const copy = floats.slice();
  if (dtype === "F32") return new Uint8Array(copy.buffer);
  const bits = new Uint32Array(copy.buffer), words = new Uint16Array(bits.length);
  if (dtype === "F16") { for (let i = 0; i < bits.length; i++) words[i] = toHalf(bits[i], copy[i]); }
  else for (let i = 0; i < bits.length; i++) words[i] = bits[i] + 0x7fff + (bits[i] >>> 16 & 1) >>> 16;
  return new Uint8Array(words.buffer);
}
