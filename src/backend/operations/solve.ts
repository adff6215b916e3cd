/** SparseGPT's solve (Frantar & Alistarh, 2023, algorithm 1). */
import type { Mask, Tensor } from "../tensor.ts";
import { bytesOf, type Declarations, size } from "./declaration.ts";
import { expectCount, expectFloats, expectGroups, expectShape, expectSparsity } from "./expect.ts";
import { expectStatistic, type Formula } from "./prune.ts";

/** `U` of a damped Hessian, `H⁻¹ = Uᵀ U`. A backend owns its tensors. */
export interface InverseFactor extends Disposable {
  /** F32 in x in, upper triangular, zeros below the diagonal. */
  readonly upper: Tensor;
  /** F32 1 x in: 1 for every input that was zero in every token, else 0. Weights of such a column become zero. */
  readonly dead: Tensor;
  /** The damping that succeeded: what was asked, or ten, a hundred, a thousand times that. */
  readonly damping: number;
}

/** What a weight is worth in an elimination: a {@linkcode Formula} of the weight as it is then, or `w² / U_jj²` (SparseGPT). */
export type EliminationFormula = Exclude<Formula, { kind: "relative" }> | { readonly kind: "curvature" };

/** Which weights an elimination removes. */
export type Choice =
  /** These. */
  | { readonly kind: "mask"; readonly mask: Mask }
  /**
   * In each block of columns, over all rows, everything `<= ascending[floor(size * sparsity)]`, from the weights as they
   * are before the block; 0 removes nothing.
   */
  | { readonly kind: "threshold"; readonly formula: EliminationFormula; readonly sparsity: number }
  /** n:m, keeps n, chosen at every m-th column from the weights as they are then; ties to the lower column. */
  | { readonly kind: "groups"; readonly formula: EliminationFormula; readonly n: number; readonly m: number };

/** See the file's head. */
export interface SolveOperations {
  /**
   * The factor of the inverse of a Hessian (F32 n x n, symmetric): a zero on the diagonal, a dead input, is made 1, then
   * `damping * mean(diagonal)` is added to the diagonal. If a pivot is not positive, again with ten times the damping, up to
   * three times; without damping once. It waits, since what comes next depends on the numbers.
   * @returns undefined if no damping was enough.
   */
  inverseFactor(hessian: Tensor, damping: number): Promise<InverseFactor | undefined>;
  /**
   * Removes weights of `weight` (out x in, any dtype) column by column, from left to right in blocks of `block` columns (of
   * whole groups for n:m), and spreads each column's error over the columns to its right: `err = (w - q) / U_jj`,
   * `W_:,j.. -= err ⊗ U_j,j..`. Weights of dead columns become zero first. In place; computed in F32, rounded once to the
   * weight's dtype (to nearest, ties to even).
   */
  eliminate(weight: Tensor, factor: InverseFactor, choice: Choice, block: number): void;
}

/** What each takes and costs. */
export const SOLVE: Declarations<SolveOperations> = {
  inverseFactor: {
    check(hessian, damping) {
      expectFloats("inverseFactor: hessian", hessian);
      expectShape("inverseFactor: hessian", hessian.cols, hessian.cols, hessian);
      if (!(damping >= 0 && damping < Infinity)) {
        throw new RangeError(`inverseFactor: damping: expected 0 or more, found ${damping}`);
      }
    },
    cost: (hessian) => ({ flops: 2 / 3 * hessian.cols ** 3, bytes: 2 * bytesOf(hessian) }),
  },
  eliminate: {
    check(weight, { upper, dead }, choice, block) {
      expectFloats("eliminate: factor", upper, dead);
      expectShape("eliminate: factor", weight.cols, weight.cols, upper);
      expectShape("eliminate: dead columns", 1, weight.cols, dead);
      expectCount("eliminate: columns of a block", block);
      if (choice.kind === "mask") return expectShape("eliminate: mask", weight.rows, weight.cols, choice.mask);
      expectStatistic(weight, choice.formula);
      if (choice.kind === "threshold") expectSparsity("eliminate", choice.sparsity);
      else expectGroups("eliminate: columns of the weight", weight.cols, choice.n, choice.m);
    },
    cost: (weight, { upper }) => ({
      flops: size(weight) * weight.cols,
      bytes: 2 * bytesOf(weight) + bytesOf(upper) / 2,
    }),
  },
};
