/** Running sums over the inputs of linears. */
import type { Sums, Tensor, TensorShape } from "../tensor.ts";
import { bytesOf, type Declarations, size } from "./declaration.ts";
import { expectFloats, expectMultiple, expectShape } from "./expect.ts";

/** See the file's head. */
export interface ObserveOperations {
  /** Adds to every column `j` of `sums` the sum over the rows of x of `x[t, j]²`. */
  addSquares(sums: Sums, x: Tensor): void;
  /**
   * Adds `xᵀ x` to `sums` of 2n x n, n the columns of x: symmetric to the bit. Products and sums over at most some hundred
   * tokens may be f32; what is added to the sums is not rounded to f32.
   */
  addGram(sums: Sums, x: Tensor): void;
  /** Adds `other` to `sums`. */
  merge(sums: Sums, other: Sums): void;
  /** `scale * sums`, rounded once, as F32 r x cols. */
  finish(sums: Sums, scale: number): Tensor;
}

function expectSums(sums: TensorShape): void {
  expectFloats("sums", sums);
  expectMultiple("sums: rows", 2, sums.rows);
}

/** What each takes and costs. */
export const OBSERVE: Declarations<ObserveOperations> = {
  addSquares: {
    check(sums, x) {
      expectFloats("addSquares", sums, x);
      expectShape("addSquares: sums", 2, x.cols, sums);
    },
    cost: (sums, x) => ({ flops: 2 * size(x), bytes: 2 * bytesOf(sums) + bytesOf(x) }),
  },
  addGram: {
    check(sums, x) {
      expectFloats("addGram", sums, x);
      expectShape("addGram: sums", 2 * x.cols, x.cols, sums);
    },
    cost: (sums, x) => ({ flops: size(x) * (x.cols + 1), bytes: 2 * bytesOf(sums) + bytesOf(x) }),
  },
  merge: {
    check(sums, other) {
      expectSums(sums);
      expectFloats("merge", sums, other);
      expectShape("merge: the second", sums.rows, sums.cols, other);
    },
    cost: (sums) => ({ flops: size(sums), bytes: 3 * bytesOf(sums) }),
  },
  finish: {
    check(sums) {
      expectSums(sums);
    },
    cost: (sums) => ({ flops: size(sums), bytes: 1.5 * bytesOf(sums) }),
  },
};
