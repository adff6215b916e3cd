/** A stored matrix with its rows or columns in another order, in its own dtype. */
import { BYTES, type Dtype } from "../backend/backend.ts";
import { bitPatterns } from "./bits.ts";

/** Which of the present rows and columns come to each place; those that are not given stay. */
export interface MatrixOrder {
  readonly rows?: ArrayLike<number>;
  readonly cols?: ArrayLike<number>;
}

/** `rows x cols` numbers in another order; the bytes are the caller's own. */
export function reorder(
  bytes: Uint8Array,
  rows: number,
  cols: number,
  dtype: Dtype,
  order: MatrixOrder,
): Uint8Array<ArrayBuffer> {
  const from = bitPatterns(bytes, dtype),
    to = BYTES[dtype] === 4 ? new Uint32Array(rows * cols) : new Uint16Array(rows * cols);
  for (let row = 0; row < rows; row++) {
    const at = row * cols, source = (order.rows?.[row] ?? row) * cols;
    if (!order.cols) to.set(from.subarray(source, source + cols), at);
    else for (let col = 0; col < cols; col++) to[at + col] = from[source + order.cols[col]];
  }
  return new Uint8Array(to.buffer);
}
