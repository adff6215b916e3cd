/**
 * The operations that SparseGPT's solve is made of (Frantar & Alistarh, 2023): the Hessian of a linear's input, the
 * factor of its inverse, and the elimination of columns with compensation. The reference backend has them.
 */
import type { Formula, Mask, Tensor } from "./backend.ts";

/** `U` of a damped Hessian, `H⁻¹ = Uᵀ U`, and what it took. The backend owns it. */
export interface InverseFactor extends Disposable {
  /** Width of the linear's input. */
  readonly size: number;
  /** The damping that succeeded: what was asked, or ten, a hundred, a thousand times that. */
  readonly damping: number;
  /** Input columns that were zero in every token; their weights become zero. */
  readonly dead: number;
}

/** What a weight is worth in an elimination: a {@linkcode Formula}, or `w² / U_jj²` (SparseGPT, algorithm 1). */
export type EliminationFormula = Formula | { readonly kind: "curvature" };

/** Which weights an elimination removes. */
export type Choice =
  /** These. */
  | { readonly kind: "mask"; readonly mask: Mask }
  /** In each block of columns, over all rows, everything `<= ascending[floor(size * sparsity)]`. */
  | { readonly kind: "threshold"; readonly formula: EliminationFormula; readonly sparsity: number }
  /** n:m, keeps n, chosen at every m-th column from the weights as they are then; ties to the lower column. */
  | { readonly kind: "groups"; readonly formula: EliminationFormula; readonly n: number; readonly m: number };

/** See the file's head. */
export interface Solver {
  /** Adds `xᵀ x` to `gram`: F32 cols x cols, symmetric. */
  addGram(gram: Tensor, x: Tensor): void;
  /**
   * The upper triangular `U` with `H⁻¹ = Uᵀ U` of `H = scale * gram`, its dead columns given a 1 on the diagonal, plus
   * `damping * mean(diag H)` on the diagonal. A pivot that is not positive raises the damping tenfold, up to three times.
   * @returns undefined if no damping was enough.
   */
  inverseFactor(gram: Tensor, scale: number, damping: number): Promise<InverseFactor | undefined>;
  /**
   * Removes weights column by column, from left to right in blocks of `block` columns, and spreads each column's error
   * over the columns to its right: `err = (w - q) / U_jj`, `W_:,j.. -= err ⊗ U_j,j..`. Changes `weight` (F32 rows x size)
   * in place. Weights of dead columns become zero first.
   */
  eliminate(weight: Tensor, factor: InverseFactor, choice: Choice, block: number): void;
  /** The same numbers in another dtype, rounded to nearest, ties to even. */
  convert(tensor: Tensor, dtype: Tensor["dtype"]): Tensor;
}
