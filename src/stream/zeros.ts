/** Counting zeros in a weight's bytes. */
import type { Dtype } from "../backend/backend.ts";
import { bitPatterns } from "../checkpoint/bits.ts";

/** How many numbers are zero, of either sign. The bytes may begin anywhere in their buffer. */
export function countZeros(bytes: Uint8Array<ArrayBuffer>, dtype: Dtype): number {
  const magnitude = dtype === "F32" ? 0x7fff_ffff : 0x7fff;
  let zeros = 0;
  for (const pattern of bitPatterns(bytes, dtype)) zeros += Number((pattern & magnitude) === 0);
  return zeros;
}
