/** How the numbers of a weight are distributed, and where its zeros stand: what is told of a linear beside its bytes. */
import type { Mask, Tensor } from "../tensor.ts";
import { bytesOf, type Declarations, floats, maskBytes, size } from "./declaration.ts";
import { expectAtMost, expectCount, expectShape } from "./expect.ts";

/** Bins of a histogram at most: 8 bits of bins and 24 of a number are one word of 32. */
export const MOST_BINS = 256;

/** Cells of a density in each direction at most. */
export const MOST_CELLS = 1024;

/** See the file's head. */
export interface DistributionOperations {
  /** The mask that removes what is zero already (of either sign) in a weight of any dtype. */
  zeros(weight: Tensor): Mask;
  /**
   * How many weights a mask removes in each of `down` x `across` cells: F32, exact below 2^24. Cell `i` of `n` covers the
   * whole rows from `floor(i * rows / n)` on and before those of the next; columns likewise.
   */
  density(mask: Mask, down: number, across: number): Tensor;
  /**
   * Of the magnitudes in each row of `values` (any dtype, finite): the greatest that the mask removes, the least and the
   * greatest that it keeps. F32 rows x 3; the greatest of none is -1, the least of none infinite.
   */
  extremes(values: Tensor, mask: Mask): Tensor;
  /**
   * Counts of all magnitudes of `values` (any dtype, finite) in bins of equal width between 0 and the greatest: exact; what
   * lies on an edge is in the bin above it, the greatest in the last; if all are zero, in the first. F32 2 x bins: a count is
   * the sum of the two.
   */
  histogram(values: Tensor, bins: number): Tensor;
}

/** What each takes and costs. */
export const DISTRIBUTION: Declarations<DistributionOperations> = {
  zeros: {
    check() {},
    cost: (weight) => ({ flops: size(weight), bytes: bytesOf(weight) + maskBytes(weight) }),
  },
  density: {
    check(mask, down, across) {
      expectCount("density: cells down", down);
      expectCount("density: cells across", across);
      expectAtMost("density: cells down", Math.min(mask.rows, MOST_CELLS), down);
      expectAtMost("density: cells across", Math.min(mask.cols, MOST_CELLS), across);
    },
    cost: (mask, down, across) => ({ flops: size(mask), bytes: maskBytes(mask) + floats(down * across) }),
  },
  extremes: {
    check(values, mask) {
      expectShape("extremes: mask", values.rows, values.cols, mask);
    },
    cost: (values, mask) => ({
      flops: 3 * size(values),
      bytes: bytesOf(values) + maskBytes(mask) + floats(3 * values.rows),
    }),
  },
  histogram: {
    check(_values, bins) {
      expectCount("histogram: bins", bins);
      expectAtMost("histogram: bins", MOST_BINS, bins);
    },
    cost: (values, bins) => ({ flops: 3 * size(values), bytes: bytesOf(values) + floats(2 * bins) }),
  },
};
