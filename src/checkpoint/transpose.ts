/**
 * The transpose of a stored matrix, in its own dtype: of GPT-2's linears, once when they are put on a backend and once when they
 * are written. The main thread does it, and no operation of the backends: 768 x 3072 numbers take 9 to 13 ms of it, and their
 * products with 1024 tokens 140 to 190 ms of all threads (F32 and F16, WASM, a busy Xeon), of which a pass has 128 twice: less
 * than a thousandth.
 */
import { BYTES, type Dtype } from "../backend/backend.ts";
import { bitPatterns } from "./bits.ts";

/** Rows and columns of a tile: what a cache holds of both matrices. */
const TILE = 32;

/** `rows x cols` numbers as `cols x rows`; the bytes are the caller's own. */
export function transpose(
  bytes: Uint8Array,
  rows: number,
  cols: number,
  dtype: Dtype,
): Uint8Array<ArrayBuffer> {
  const from = bitPatterns(bytes, dtype),
    to = BYTES[dtype] === 4 ? new Uint32Array(rows * cols) : new Uint16Array(rows * cols);
  for (let top = 0; top < rows; top += TILE) {
    for (let left = 0; left < cols; left += TILE) {
      for (let row = top; row < Math.min(rows, top + TILE); row++) {
        for (let col = left; col < Math.min(cols, left + TILE); col++) to[col * rows + row] = from[row * cols + col];
      }
    }
  }
  return new Uint8Array(to.buffer);
}
