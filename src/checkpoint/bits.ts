/**
 * A tensor's numbers as bit patterns. A tensor read in one range with others begins wherever they end: an F32 behind an
 * odd number of F16s stands at no multiple of four, and a typed array cannot view it there. Whoever looks at numbers in
 * bytes does it through this function.
 */
import { BYTES, type Dtype } from "../backend/backend.ts";

/**
 * The bit patterns of these numbers (little-endian), in their order: a view where the bytes are aligned, else a copy.
 * @throws RangeError if the bytes are no whole number of them.
 */
export function bitPatterns(bytes: Uint8Array, dtype: Dtype): Uint32Array | Uint16Array {
  const width = BYTES[dtype];
  if (bytes.length % width !== 0) {
    throw new RangeError(`${dtype} take ${width} bytes each, which ${bytes.length} do not`);
  }
  const { buffer, byteOffset } = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  return width === 4
    ? new Uint32Array(buffer, byteOffset, bytes.length / width)
    : new Uint16Array(buffer, byteOffset, bytes.length / width);
}
