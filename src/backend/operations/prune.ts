/** Scores of weights, what they select, and what a change costs. */
import type { Mask, MaskShape, Tensor } from "../tensor.ts";
import { bytesOf, type Declarations, floats, maskBytes, type ShapeOf, size } from "./declaration.ts";
import { expectCount, expectFloats, expectGroups, expectShape, expectSparsity } from "./expect.ts";

/** What a weight is worth. F32 arithmetic, elementwise. */
export type Formula =
  /** `|w|` */
  | { readonly kind: "magnitude" }
  /** `|w| * sqrt(statistic[column])`, statistic F32 1 x cols (Wanda, section 3, equation 1). */
  | { readonly kind: "activation"; readonly statistic: Tensor }
  /**
   * `|w| * (1 / Σ_row |W| + 1 / Σ_column |W|) * statistic[column]^(1/4)`, a sum of zero giving 0 (RIA; Zhang et al., 2024,
   * equation 3, with the exponent 1/2 of the norm). The two sums are wider than f32.
   */
  | { readonly kind: "relative"; readonly statistic: Tensor };

/** Which scores compete, and how many of them go. */
export interface Selection {
  /**
   * The scores that are compared with each other: runs of this many whole rows (the last run may be shorter; 1 = each
   * row, `rows` = the whole matrix), or each column on its own.
   */
  readonly group: number | "column";
  /** The share to remove, in [0, 1). 0 removes nothing under either rule. */
  readonly sparsity: number;
  /**
   * `count`: exactly the `floor(size * sparsity)` smallest of a group, ties to the lower row-major index.
   * `threshold`: everything `<= ascending[floor(size * sparsity)]` of the group (magnitude's published rule).
   * `size` is the group's own size; the product is f64.
   */
  readonly rule: "count" | "threshold";
}

/** See the file's head. */
export interface PruneOperations {
  /** Scores of a weight (any dtype) by a formula: F32 rows x cols, never negative. */
  score(weight: Tensor, formula: Formula): Tensor;
  /**
   * Selects the smallest scores of every group, their signs left out of account: exact, linear in the size of a group. So
   * F32 weights that are compared by magnitude are scores themselves.
   */
  selectSmallest(scores: Tensor, selection: Selection): Mask;
  /**
   * n:m, keeps n: of every `m` neighbouring columns of a row the `m - n` smallest scores are removed, ties to the
   * lower column. `m` divides cols. Signs are left out of account here too.
   */
  selectGroups(scores: Tensor, n: number, m: number): Mask;
  /**
   * Wanda's variant: removes in every row the smallest scores whose running sum stays within `alpha` of the row's sum
   * (and all scores equal to the last of them); one alpha for the matrix, found by the published bisection for
   * `sparsity` (algorithms: `lo, hi, alpha = 0, 0.8, 0.4`). Sums in f64 (or a pair of f32), rounded to f32 to compare.
   */
  selectCumulative(scores: Tensor, sparsity: number): Mask;
  /** Sets the weights that the mask removes to (positive) zero, in place, in their own dtype. */
  apply(weight: Tensor, mask: Mask): void;
  /**
   * What a change of a weight (`before`, `after`: out x in, any dtype) costs on inputs of this second moment: F32 1 x 2,
   * `tr(D S Dᵀ)` with `D = before - after`, and `tr(W S Wᵀ)` with `W = before`. `moment` is S, F32 in x in, or its diagonal,
   * F32 1 x in. Their quotient is the relative output error `‖(W - Ŵ) X‖² / ‖W X‖²`.
   */
  error(before: Tensor, after: Tensor, moment: Tensor): Tensor;
  /** How many scores of each row are above `limit`: F32 rows x 1. */
  countAbove(scores: Tensor, limit: number): Tensor;
}

/** The shapes of a formula's tensors, for the weight that it scores. */
export function expectStatistic(weight: MaskShape, formula: ShapeOf<Formula> | { readonly kind: "curvature" }): void {
  if (!("statistic" in formula)) return;
  expectFloats("score: statistic", formula.statistic);
  expectShape("score: statistic", 1, weight.cols, formula.statistic);
}

/** What each takes and costs. */
export const PRUNE: Declarations<PruneOperations> = {
  score: {
    check(weight, formula) {
      expectStatistic(weight, formula);
    },
    cost: (weight, formula) => ({
      flops: (formula.kind === "relative" ? 4 : 2) * size(weight),
      bytes: bytesOf(weight) + floats(size(weight)),
    }),
  },
  selectSmallest: {
    check(scores, { group, sparsity }) {
      expectFloats("selectSmallest: scores", scores);
      expectSparsity("selectSmallest", sparsity);
      if (group !== "column") expectCount("selectSmallest: rows of a group", group);
    },
    cost: (scores) => ({ flops: size(scores), bytes: bytesOf(scores) + maskBytes(scores) }),
  },
  selectGroups: {
    check(scores, n, m) {
      expectFloats("selectGroups: scores", scores);
      expectGroups("selectGroups: columns of the scores", scores.cols, n, m);
    },
    cost: (scores, _n, m) => ({ flops: size(scores) * (m - 1), bytes: bytesOf(scores) + maskBytes(scores) }),
  },
  selectCumulative: {
    check(scores, sparsity) {
      expectFloats("selectCumulative: scores", scores);
      expectSparsity("selectCumulative", sparsity);
    },
    cost: (scores) => ({
      flops: size(scores) * Math.ceil(Math.log2(scores.cols) + 1),
      bytes: bytesOf(scores) + maskBytes(scores),
    }),
  },
  apply: {
    check(weight, mask) {
      expectShape("apply: mask", weight.rows, weight.cols, mask);
    },
    cost: (weight, mask) => ({ flops: 0, bytes: 2 * bytesOf(weight) + maskBytes(mask) }),
  },
  error: {
    check(before, after, moment) {
      expectFloats("error: moment", moment);
      expectShape("error: after", before.rows, before.cols, after);
      expectShape("error: moment", moment.rows === 1 ? 1 : before.cols, before.cols, moment);
    },
    cost: (before, after, moment) => ({
      flops: (moment.rows === 1 ? 4 : 4 * before.cols) * size(before),
      bytes: bytesOf(before, after, moment),
    }),
  },
  countAbove: {
    check(scores) {
      expectFloats("countAbove: scores", scores);
    },
    cost: (scores) => ({ flops: size(scores), bytes: bytesOf(scores) + floats(scores.rows) }),
  },
};
