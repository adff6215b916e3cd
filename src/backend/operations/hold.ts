/** Tensors come, are read and are copied. */
import { BYTES, type Dtype, type Mask, type Tensor } from "../tensor.ts";
import { bytesOf, type Declarations, maskBytes } from "./declaration.ts";
import { expect, expectCount } from "./expect.ts";

/** See the file's head. */
export interface HoldOperations {
  /** A tensor of zeros. */
  allocate(rows: number, cols: number, dtype?: Dtype): Tensor;
  /** A tensor of these bytes (`rows * cols` numbers of `dtype`, little-endian). The bytes may be reused at once. */
  upload(bytes: Uint8Array, rows: number, cols: number, dtype: Dtype): Tensor;
  /**
   * Waits until every queued operation is done and gives the bytes of the tensors and masks, in their order; each
   * result is the caller's own copy. With no argument it is a fence.
   * @throws PareError if the device was lost or ran out of memory.
   */
  read(...held: (Tensor | Mask)[]): Promise<Uint8Array<ArrayBuffer>[]>;
  /** A tensor of the same bytes. */
  copy(tensor: Tensor): Tensor;
}

/** What each takes and costs. */
export const HOLD: Declarations<HoldOperations> = {
  allocate: {
    check(rows, cols) {
      expectCount("allocate: rows", rows);
      expectCount("allocate: columns", cols);
    },
    cost: (rows, cols, dtype = "F32") => ({ flops: 0, bytes: rows * cols * BYTES[dtype] }),
  },
  upload: {
    check(bytes, rows, cols, dtype) {
      expectCount("upload: rows", rows);
      expectCount("upload: columns", cols);
      expect(`upload: bytes of ${rows} x ${cols} ${dtype}`, rows * cols * BYTES[dtype], bytes.length);
    },
    cost: (bytes) => ({ flops: 0, bytes: bytes.length }),
  },
  read: {
    check() {},
    cost: (...held) => ({
      flops: 0,
      bytes: held.reduce((sum, one) => sum + ("dtype" in one ? bytesOf(one) : maskBytes(one)), 0),
    }),
  },
  copy: { check() {}, cost: (tensor) => ({ flops: 0, bytes: 2 * bytesOf(tensor) }) },
};
