/**
 * A pruning method is a value: its name, what it asks to know of a linear's input, and how it prunes one linear. It never
 * sees a model, a file or a second linear. Adding one is a file beside `wanda.ts` and a line in `mod.ts`; what goes with
 * every method (a weight update after it, an allocation before it) is a function from method to method or from a model to
 * requests.
 */
import type { Backend, Formula, Mask, Selection, Tensor } from "../backend/backend.ts";

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

/**
 * What is added to a Hessian's diagonal, as a share of the diagonal's mean (SparseGPT's `percdamp`); `auto`: as few tokens need
 * it, see {@linkcode dampingFor}.
 */
export type Damping = number | "auto";

/** How the Hessians of linears' inputs are used, where a method solves with them. */
export interface SolverOptions {
  /** See {@linkcode Damping}. */
  readonly damping: Damping;
  /**
   * Columns of a block, where a method works in blocks: masks are chosen, and the error of a block spread, this many columns
   * at a time.
   */
  readonly blockSize?: number;
  /** Steps of an update by conjugate gradients, where there is one. */
  readonly steps?: number;
}

/** How the Hessian of one input is used. */
export interface InputSolverOptions extends SolverOptions {
  /** A share of the mean of the diagonal. */
  readonly damping: number;
}

/** SparseGPT's own settings. */
export const DEFAULT_SOLVER_OPTIONS: Required<Omit<InputSolverOptions, "steps">> = { damping: 0.01, blockSize: 128 };

/** The least and the most of an automatic damping: SparseGPT's, and what the scaled Hessian of ADMM bears. */
const LEAST_DAMPING = 0.01, MOST_DAMPING = 0.3;

/**
 * The damping for an input that has been seen so often: its columns divided by its tokens, from 0.01 to 0.3. A Hessian of few
 * tokens fits these tokens. On the model that comes with Pare, calibrated on 1 to 32 sequences of 256 tokens (1 to 85 tokens
 * for each column), Wanda with conjugate gradients and ADMM come with it within 1.5 % of the perplexity at the best of 0.01,
 * 0.03, 0.1 and 0.3, at 50 % and 2:4, where 0.01 for all costs up to 34 %.
 */
export function dampingFor(columns: number, tokens: number): number {
  return Math.min(MOST_DAMPING, Math.max(LEAST_DAMPING, columns / tokens));
}

/** One linear, as a method sees it. */
export interface LinearWeight {
  /** Its full name, for errors. */
  readonly name: string;
  /** Its weight, out x in; a method changes it in place. */
  readonly weight: Tensor;
  /** The same as it was before, where the caller keeps it: a method that needs it later makes no copy of its own then. */
  readonly dense?: Tensor;
}

/** What calibration has shown of a linear's input. */
export interface Input {
  /** F32 1 x in: `(1/S) Σ_sequences Σ_tokens x_j²`, where the method asks for a statistic. */
  readonly squares?: Tensor;
  /** The Hessian `(2/S) Σ_sequences Xᵀ X`, F32 in x in, where the method asks for `gram`. */
  readonly hessian?: Tensor;
  /** The same of tokens that are held out of it, where they are: an update may look whether it serves them. */
  readonly heldOut?: Tensor;
}

/** How a method judges weights that it only masks. */
export interface Criterion {
  /** What a weight is worth. */
  formula(input: Input): Formula;
  /** Which scores compete, and how many go, if the request does not say. */
  defaultSelection(rows: number, sparsity: number): Selection;
}

/** What prunes the linears that share an input: it holds what was made of the input for all of them. */
export interface Pruner extends Disposable {
  /** The damping that the input's Hessian needed, where there is one. */
  readonly damping?: number;
  /**
   * Prunes one linear.
   * @returns What was removed: a weight that stays may be zero. The caller disposes of it.
   */
  prune(linear: LinearWeight, request: Request): Mask | Promise<Mask>;
}

/** What a method that has a Hessian takes for its work. */
export interface Effort {
  /**
   * F32 matrices of the Hessian's size that it holds at most beside it, and of a linear's size beside its weight, the dense one
   * that its caller keeps among them.
   */
  readonly holds: { readonly inputs: number; readonly weights: number };
  /** Floating-point operations to look at an input of so many columns. */
  begin(cols: number): number;
  /** And to prune a linear that sees it. */
  prune(rows: number, cols: number): number;
}

/** A pruning method. */
export interface Method {
  /** What a user calls it. */
  readonly name: string;
  /**
   * What it must know of the linear's input: nothing, the mean over sequences of the column sums of squares, or besides
   * them the Hessian. What it makes of that (a factor, an inverse) is its own affair.
   */
  readonly statistic: "none" | "squares" | "gram";
  /** Which parts of a request it supports, besides sparsity and pattern; and whether it works in blocks of columns, and in steps. */
  readonly supports: readonly ("group" | "variant" | "blocks" | "steps")[];
  /** Its own damping, where it has a Hessian and the request does not say: {@linkcode DEFAULT_SOLVER_OPTIONS}'s unless given. */
  readonly damping?: Damping;
  /** What it takes, where it has a Hessian. */
  readonly effort?: Effort;
  /** Where it is a mask alone: how it judges. Another method can then use the judgement. */
  readonly criterion?: Criterion;
  /**
   * Looks at an input.
   * @returns What prunes its linears; undefined if the Hessian cannot be inverted, or is none: its squares are no numbers.
   */
  begin(backend: Backend, input: Input, solve: InputSolverOptions): Pruner | Promise<Pruner | undefined>;
}
