/**
 * What solves for weights: SparseGPT's elimination (Frantar & Alistarh, 2023, algorithm 1), and the parts of which updates by
 * conjugate gradients and by ADMM are made beside products.
 */
import type { Mask, Tensor } from "../tensor.ts";
import { bytesOf, type Declarations, floats, maskBytes, type ShapeOf, size } from "./declaration.ts";
import {
  expect,
  expectApart,
  expectAtMost,
  expectCount,
  expectFloats,
  expectGroups,
  expectKey,
  expectShape,
  expectSparsity,
} from "./expect.ts";
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

/** A matrix of a linear combination, any dtype, and what it is multiplied by. */
export interface Term {
  /** The matrix. */
  readonly tensor: Tensor;
  /** Its coefficient where the mask keeps. */
  readonly kept: number;
  /** And where it removes; the same unless given. */
  readonly removed?: number;
  /** Whether the combination's columns do not count for it. */
  readonly unscaled?: boolean;
}

/** How a linear combination is made. */
export interface CombineOptions {
  /** Which coefficient counts where; without it everything is kept. */
  readonly mask?: Mask;
  /** F32 1 x cols: what every column of a term is multiplied by, unless it is unscaled. */
  readonly columns?: Tensor;
}

/** Of linear systems that are being solved by conjugate gradients, one for each row: F32, all of the same shape. */
export interface Descent {
  /** The solution so far. */
  readonly x: Tensor;
  /** The residual, zero where the mask removes. */
  readonly r: Tensor;
  /** The direction, zero where the mask removes. */
  readonly p: Tensor;
}

/** How {@linkcode Backend.assign} rounds. */
export interface AssignOptions {
  /** Chooses how each number is rounded: a whole number below 2^32. To nearest without it. */
  readonly key?: number;
}

/** The most terms of a {@linkcode Backend.combine}: as many as a device binds beside a mask, columns and the result. */
const TERMS = 3;

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
   * @returns What it removed; a weight that stays may have become zero.
   */
  eliminate(weight: Tensor, factor: InverseFactor, choice: Choice, block: number): Mask;
  /** `s_i a_ij s_j` with 1 on the diagonal, of a symmetric matrix (F32 n x n) and a scale (F32 1 x n). */
  equilibrate(matrix: Tensor, scale: Tensor): Tensor;
  /**
   * The sum of one to three matrices of one shape, each times its coefficient, as F32: elementwise, in the terms' order. A term
   * that is scaled is rounded by itself, where the device lets that be said.
   */
  combine(terms: readonly Term[], options?: CombineOptions): Tensor;
  /** The same, in place of the first term's matrix, which is F32 and apart from the others. */
  combineInto(terms: readonly Term[], options?: CombineOptions): void;
  /**
   * One step of conjugate gradients (Hestenes & Stiefel, 1952) in every row on its own: with q the `product` of p with the
   * system's matrix where the mask keeps and 0 elsewhere, `x += α p`, `r -= α q`, `p = r + β p`; `α = r·r / p·q` and β the new
   * `r·r` by the old, 0 where their denominators are not above 0. In place, F32; the three sums are wider on a device that
   * has f64.
   */
  conjugate(descent: Descent, product: Tensor, mask: Mask): void;
  /**
   * Writes F32 numbers into a weight of any dtype, rounded to nearest, ties to even. With a key the weight is BF16, and a number
   * is rounded up in size by as much chance as it is near there (stochastic rounding; Gupta et al., 2015): number `i`, counted
   * row by row, if the 16 bits that are cut off and the lower 16 of `mix(mix(i) ^ key)` carry, with MurmurHash3's 32-bit
   * finaliser. A number that BF16 has stays as it is.
   */
  assign(weight: Tensor, values: Tensor, options?: AssignOptions): void;
  /** A mask of its own of `rows` rows of a mask, from `first` on. */
  maskRows(mask: Mask, first: number, rows: number): Mask;
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
  equilibrate: {
    check(matrix, scale) {
      expectFloats("equilibrate", matrix, scale);
      expectShape("equilibrate: matrix", matrix.cols, matrix.cols, matrix);
      expectShape("equilibrate: scale", 1, matrix.cols, scale);
    },
    cost: (matrix) => ({ flops: 2 * size(matrix), bytes: 2 * bytesOf(matrix) }),
  },
  combine: {
    check(terms, options) {
      checkTerms("combine", terms, options);
    },
    cost: (terms, options) => {
      const { flops, bytes } = costOfTerms(terms, options);
      return { flops, bytes: bytes + floats(size(terms[0].tensor)) };
    },
  },
  combineInto: {
    check(terms, options) {
      checkTerms("combineInto", terms, options);
      const [{ tensor }, ...others] = terms;
      expectFloats("combineInto: first term", tensor);
      expectApart("combineInto: first term", tensor, ...others.map(({ tensor }) => tensor));
    },
    cost: (terms, options) => {
      const { flops, bytes } = costOfTerms(terms, options);
      return { flops, bytes: bytes + floats(size(terms[0].tensor)) };
    },
  },
  conjugate: {
    check({ x, r, p }, product, mask) {
      expectFloats("conjugate", x, r, p, product);
      expectApart("conjugate: x", x, r, p, product);
      expectApart("conjugate: r", r, p, product);
      expectApart("conjugate: p", p, product);
      for (const held of [r, p, product, mask]) expectShape("conjugate: the others as x", x.rows, x.cols, held);
    },
    cost: ({ x }, _product, mask) => ({ flops: 12 * size(x), bytes: 7 * bytesOf(x) + maskBytes(mask) }),
  },
  assign: {
    check(weight, values, { key } = {}) {
      expectFloats("assign: values", values);
      if (key !== undefined) {
        expectKey("assign: key", key);
        expect("assign: dtype of what is rounded by a key", "BF16", weight.dtype);
      }
      expectApart("assign: weight", weight, values);
      expectShape("assign: values", weight.rows, weight.cols, values);
    },
    cost: (weight, values) => ({ flops: 0, bytes: bytesOf(weight, values) }),
  },
  maskRows: {
    check(mask, first, rows) {
      expectCount("maskRows: rows", rows);
      expectCount("maskRows: first row, counted from 1", first + 1);
      expectAtMost("maskRows: end of its rows", mask.rows, first + rows);
    },
    cost: ({ cols }, _first, rows) => ({ flops: 0, bytes: 2 * maskBytes({ rows, cols }) }),
  },
};

/** Throws unless terms are of one shape, with a mask and columns that fit. */
function checkTerms(
  operation: string,
  terms: readonly ShapeOf<Term>[],
  { mask, columns }: ShapeOf<CombineOptions> = {},
): void {
  expectCount(`${operation}: terms`, terms.length);
  expectAtMost(`${operation}: terms`, TERMS, terms.length);
  const [{ tensor: { rows, cols } }, ...others] = terms;
  for (const { tensor } of others) expectShape(`${operation}: term`, rows, cols, tensor);
  if (mask) expectShape(`${operation}: mask`, rows, cols, mask);
  if (!columns) return;
  expectFloats(`${operation}: columns`, columns);
  expectShape(`${operation}: columns`, 1, cols, columns);
}

/** What terms cost, without what the sum is written to. */
function costOfTerms(terms: readonly ShapeOf<Term>[], { mask, columns }: ShapeOf<CombineOptions> = {}) {
  const scaled = columns ? terms.filter(({ unscaled }) => !unscaled).length : 0;
  return {
    flops: size(terms[0].tensor) * (2 * terms.length - 1 + scaled),
    bytes: bytesOf(columns, ...terms.map(({ tensor }) => tensor)) + (mask ? maskBytes(mask) : 0),
  };
}
