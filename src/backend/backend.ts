/**
 * The seam between what Pare computes and where it is computed. A backend owns tensors and offers the operations
 * below on them; `webgpu/` and `wasm/` realise it, and `tests/reference/` states it again in plain f64. A backend
 * knows no model, no method and no file.
 *
 * Three rules hold for every realisation:
 *  - Operations queue; only {@linkcode Backend.read} and {@linkcode Backend.inverseFactor} wait. Operations take effect in the order of their calls.
 *  - Shapes are checked at the call: a `RangeError` says what was expected and what was found. It is a bug of the
 *    caller, never of the user.
 *  - Results are deterministic: the same calls give the same bytes, whatever the number of workers.
 */

/** How one number is stored in a checkpoint. */
export type Dtype = "F32" | "F16" | "BF16";

/** Bytes of one number of each {@linkcode Dtype}. */
export const BYTES: Readonly<Record<Dtype, number>> = { F32: 4, F16: 2, BF16: 2 };

/**
 * A matrix that a backend owns, row-major without padding. Disposing it frees it; operations that are already queued
 * still see it. Disposing twice does nothing.
 */
export interface Tensor extends Disposable {
  /** Rows: of hidden states the tokens, of a weight the outputs. */
  readonly rows: number;
  /** Columns: of hidden states the features, of a weight the inputs. */
  readonly cols: number;
  /** How each number is stored. */
  readonly dtype: Dtype;
}

/**
 * What {@linkcode Backend.linear} multiplies with: today a dense matrix of any dtype. Packed forms (n:m, a bitmask, quantised
 * numbers, a low-rank addition) will be further members of this type; a backend realises those that pay and expands the rest.
 */
export type Weight = Tensor;

/**
 * One bit for every weight of a matrix, 1 = removed. A row takes `ceil(cols / 32)` little-endian 32-bit words, column
 * `j` is bit `j % 32` of word `floor(j / 32)`; unused bits are 0.
 */
export interface Mask extends Disposable {
  /** Rows of the weight. */
  readonly rows: number;
  /** Columns of the weight. */
  readonly cols: number;
}

/**
 * Running sums that can be added to, merged and finished, wider than f32: an F32 tensor of 2r x cols whose value at
 * (i, j) is row `i` plus row `r + i` (the high part and what it lost). Its bytes can be read, sent to another machine
 * and merged there.
 */
export type Sums = Tensor;

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

/** How {@linkcode Backend.norm} normalises. */
export interface NormOptions {
  /**
   * `rms`: `x * rsqrt(mean(x²) + epsilon)` (Zhang and Sennrich, 2019). `layer`: `(x - mean(x)) * rsqrt(var(x) + epsilon)`,
   * the variance that of n, not n - 1 (Ba et al., 2016).
   */
  readonly kind: "rms" | "layer";
  /** Keeps the root from zero. */
  readonly epsilon: number;
  /** Added after the gain: of its shape, any dtype. */
  readonly bias?: Tensor;
  /** Multiplies with 1 + gain in place of the gain. */
  readonly unitOffset?: boolean;
}

/**
 * The activation of an MLP: `silu` x / (1 + e^-x); `gelu` x Φ(x), with the normal distribution itself; `gelu_tanh` its
 * approximation x / 2 (1 + tanh(sqrt(2/π) (x + 0.044715 x³))) (Hendrycks and Gimpel, 2016); `relu` max(x, 0).
 */
export type Activation = "silu" | "gelu" | "gelu_tanh" | "relu";

/** What {@linkcode Backend.map} makes of a number x. */
export type MapFunction =
  /** Its activation. */
  | { readonly kind: Activation }
  /** `factor * x`, the factor as F32. */
  | { readonly kind: "scale"; readonly factor: number }
  /** `cap * tanh(x / cap)`, cap above 0. */
  | { readonly kind: "soft_cap"; readonly cap: number };

/** Which dimensions {@linkcode Backend.rotate} turns. */
export interface RotateOptions {
  /** Dimensions of a head; divides the columns of x. */
  readonly headDim: number;
  /** A head's pairs: `half` (j, j + r/2), `neighbours` (2j, 2j + 1). */
  readonly layout: "half" | "neighbours";
}

/** Which tokens {@linkcode Backend.attention} lets see which, and how. */
export interface AttentionOptions {
  /**
   * Where the sequences begin in the rows of q, from 0 on, and behind them the number of rows: sequences of any lengths from
   * 1 on, one after the other.
   */
  readonly offsets: Uint32Array;
  /** Query heads. */
  readonly heads: number;
  /** Key and value heads; divides `heads`. Query head `h` reads kv head `floor(h / (heads / kvHeads))`. */
  readonly kvHeads: number;
  /** What scores are multiplied with, such as 1/sqrt(headDim). */
  readonly scale: number;
  /** Token i sees the tokens i - window + 1 to i, and the others cost nothing. Without it: all up to itself. */
  readonly window?: number;
  /** `softCap * tanh(score / softCap)` takes a score's place (Gemma 2). */
  readonly softCap?: number;
  /** One number a head: `slope * (position of the key - position of the query)` is added (ALiBi; Press et al., 2022). */
  readonly slopes?: Float32Array;
}

/** How {@linkcode Backend.crossEntropy} takes a slice. */
export interface CrossEntropyOptions {
  /** Begins the state: its old content is ignored. */
  readonly start?: boolean;
  /** `softCap * tanh(logit / softCap)` takes a logit's place (Gemma 2). */
  readonly softCap?: number;
}

/** What a backend can hold, and how it likes to be fed. */
export interface BackendLimits {
  /**
   * Bytes that all tensors together can take, scratch of the operations included. Infinity where the device does not say
   * (WebGPU tells no total): its refusal is the limit then.
   */
  readonly memoryBytes: number;
  /** Tokens of a batch, unless one sequence alone is longer. */
  readonly batchTokens: number;
  /** Hidden states of more bytes than this are better kept in a file. */
  readonly spoolAbove: number;
  /** Bytes that one binding of a device can hold: larger matrices lie in several, and no row may be longer. */
  readonly bindingBytes?: number;
}

/** Some thirty operations on tensors. Everything numerical in Pare is said with these. */
export interface Backend extends AsyncDisposable {
  /** Which realisation it is. */
  readonly name: "webgpu" | "wasm" | "reference";
  /** The adapter, or the number of workers and the SIMD level: for the user's eyes and the run's record. */
  readonly description: string;
  /** What results depend on besides the kernels, to the bit: the instruction set and how it rounds, and the adapter. */
  readonly arithmetic: string;
  /** What it can hold. */
  readonly limits: BackendLimits;
  /** Tensors and masks not yet disposed: tests count leaks with it. */
  readonly live: number;

  // ── hold ──────────────────────────────────────────────────────────────────────────────────────────────────────────
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

  // ── forward (results are new F32 tensors; x is always F32, tokens x features) ──────────────────────────────────────
  /**
   * Copies rows of an embedding: row `t` of `out` becomes F32 of row `ids[t] - firstRow` of `table`, if the table has
   * it; other rows of `out` stay. So a large table can come in slices.
   */
  embed(out: Tensor, ids: Uint32Array, table: Tensor, firstRow: number): void;
  /** `x Wᵀ (+ bias)`: x tokens x in, weight out x in (any dtype), bias 1 x out (any dtype) → tokens x out. */
  linear(x: Tensor, weight: Weight, bias?: Tensor): Tensor;
  /**
   * Normalises every run of `gain.cols` neighbouring columns of x, in F32 as if its sums were exact: a whole row, or each
   * head. The gain is r x n of any dtype, n divides the columns of x, and run `j` of a row takes row `j % r` of the gain (and of
   * the bias); r is no more than the runs of a row.
   */
  norm(x: Tensor, gain: Tensor, options: NormOptions): Tensor;
  /**
   * Rotary position embedding: row `t` of x, tokens x (heads * headDim), turns by row `t` of `angles`, F32, which may have
   * more rows. Of a token the angles are the cosines of r/2 frequencies, then their sines; the first r dimensions of every
   * head turn, the others are copied. A pair (a, b) becomes (a cos - b sin, b cos + a sin).
   */
  rotate(x: Tensor, angles: Tensor, options: RotateOptions): Tensor;
  /**
   * Causal softmax attention within each sequence. q tokens x (heads * headDim), k and v tokens x (kvHeads * headDim) →
   * tokens x (heads * headDim). A score is `scale * q · k`, then capped, then sloped.
   */
  attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor;
  /** A function of every number. */
  map(x: Tensor, fn: MapFunction): Tensor;
  /** `activation(gate) * up`, elementwise. */
  gate(gate: Tensor, up: Tensor, activation: Activation): Tensor;
  /**
   * Some columns of every run of `period` columns, which divides the columns of x: row `t` of the result is, run after run,
   * its columns `first ... first + width - 1`. So q, k and v come out of a fused projection, in any order.
   */
  slice(x: Tensor, first: number, width: number, period: number): Tensor;
  /** `x + y`, elementwise. */
  add(x: Tensor, y: Tensor): Tensor;
  /**
   * One slice of the vocabulary of a cross entropy. `state` F32 tokens x 3 holds, for each token, the largest logit so
   * far, the sum of `exp(logit - largest)` so far, and the target's logit. `head` holds the vocabulary's rows
   * `firstRow ...` (any dtype). The loss of token `t` is `largest + log(sum) - target` once all slices have passed. The
   * logits never exist whole.
   */
  crossEntropy(
    state: Tensor,
    hidden: Tensor,
    head: Tensor,
    firstRow: number,
    targets: Uint32Array,
    options?: CrossEntropyOptions,
  ): void;
  /**
   * `out[rows[i]] += weights[i] * x[i]`, row by row: what an expert gives for the tokens that were routed to it. No row of
   * `out` comes twice. (Gathering rows is {@linkcode Backend.embed} with a table of F32.)
   */
  addRows(out: Tensor, x: Tensor, rows: Uint32Array, weights: Float32Array): void;

  // ── observe ───────────────────────────────────────────────────────────────────────────────────────────────────────
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

  // ── prune ─────────────────────────────────────────────────────────────────────────────────────────────────────────
  /** Scores of a weight (any dtype) by a formula: F32 rows x cols, never negative. */
  score(weight: Tensor, formula: Formula): Tensor;
  /** Selects the smallest scores of every group: exact, linear in the size of a group. */
  selectSmallest(scores: Tensor, selection: Selection): Mask;
  /**
   * n:m, keeps n: of every `m` neighbouring columns of a row the `m - n` smallest scores are removed, ties to the
   * lower column. `m` divides cols.
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
  /** A tensor of the same bytes. */
  copy(tensor: Tensor): Tensor;
  /**
   * What a change of a weight (`before`, `after`: out x in, any dtype) costs on inputs of this second moment: F32 1 x 2,
   * `tr(D S Dᵀ)` with `D = before - after`, and `tr(W S Wᵀ)` with `W = before`. `moment` is S, F32 in x in, or its diagonal,
   * F32 1 x in. Their quotient is the relative output error `‖(W - Ŵ) X‖² / ‖W X‖²`.
   */
  error(before: Tensor, after: Tensor, moment: Tensor): Tensor;
  /** How many scores of each row are above `limit`: F32 rows x 1. */
  countAbove(scores: Tensor, limit: number): Tensor;

  // ── solve (SparseGPT; Frantar & Alistarh, 2023, algorithm 1) ──────────────────────────────────────────────────────
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

  /** Seconds spent in each operation so far, by its name, where the backend can tell; the fence is the caller's. */
  seconds(): Promise<Record<string, number>>;
}
