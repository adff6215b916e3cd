/** Counting zeros in a weight's bytes. */
import type { Dtype } from "../backend/backend.ts";

/** How many numbers are zero, of either sign. */
export function countZeros(bytes: Uint8Array<ArrayBuffer>, dtype: Dtype): number {
  let zeros = 0;
  if (dtype === "F32") {
    for (const word of new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)) {
      zeros += Number(word << 1 === 0);
    }
  } else {
    for (const word of new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2)) {
      zeros += Number((word & 0x7fff) === 0);
    }
  }
  return zeros;
}
