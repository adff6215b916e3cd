/**
 * A pruning method is a value: its name, the statistic that it asks for, and how it prunes one linear. It never sees a
 * model, a file or a second linear. Adding one is a file beside `wanda.ts` and a line in `mod.ts`.
 */
import type { Backend, Tensor } from "../backend/backend.ts";

/** n:m sparsity: of every `m` neighbouring weights of a row, `n` are kept. */
export interface Pattern {
  /** Kept. */
  readonly n: number;
  /** Of how many. */
  readonly m: number;
}

/** Which scores are compared with each other (the paper's Table 7); `block` is that many rows together. */
export type Group = "row" | "layer" | "column" | { readonly block: number };

/** What a user asks of a method. */
export interface Request {
  /** Share of the weights to remove, in [0, 1); of a pattern 1 - n/m. */
  readonly sparsity: number;
  /** n:m instead of unstructured. */
  readonly pattern?: Pattern;
  /** Instead of the method's own comparison group. */
  readonly group?: Group;
  /** Wanda's variant (its `use_variant`): a share of every row's total score instead of a count. */
  readonly variant?: boolean;
}

/** One linear, as a method sees it. */
export interface Linear {
  /** Its full name, for errors. */
  readonly name: string;
  /** Its weight, out x in; a method changes it in place. */
  readonly weight: Tensor;
}

/** A pruning method. */
export interface Method {
  /** What a user calls it. */
  readonly name: string;
  /** What it must know of the linear's input: nothing, or the mean over sequences of the column sums of squares. */
  readonly statistic: "none" | "squares";
  /**
   * Queues the pruning of one linear.
   * @param statistic F32 1 x in: `(1/S) Σ_sequences Σ_tokens x_j²`, where the method asks for it.
   */
  prune(backend: Backend, linear: Linear, statistic: Tensor | undefined, request: Request): void;
}
