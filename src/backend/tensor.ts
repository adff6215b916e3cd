/** What a backend owns: matrices in a checkpoint's dtypes, and masks of them. */

/** How one number is stored in a checkpoint. */
export type Dtype = "F32" | "F16" | "BF16";

/** Bytes of one number of each {@linkcode Dtype}. */
export const BYTES: Readonly<Record<Dtype, number>> = { F32: 4, F16: 2, BF16: 2 };

/**
 * A matrix that a backend owns, row-major without padding. Disposing it frees it; operations that are already queued
 * still see it. Disposing twice does nothing.
 */
export interface Tensor extends TensorShape, Disposable {}

/** What shape rules and costs ask of a {@linkcode Tensor}: its rows and columns, and how its numbers are stored. */
export interface TensorShape {
  /** Rows: of hidden states the tokens, of a weight the outputs. */
  readonly rows: number;
  /** Columns: of hidden states the features, of a weight the inputs. */
  readonly cols: number;
  /** How each number is stored. */
  readonly dtype: Dtype;
}

/**
 * One bit for every weight of a matrix, 1 = removed. A row takes `ceil(cols / 32)` little-endian 32-bit words, column
 * `j` is bit `j % 32` of word `floor(j / 32)`; unused bits are 0.
 */
export interface Mask extends MaskShape, Disposable {}

/** What shape rules and costs ask of a {@linkcode Mask}. */
export interface MaskShape {
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
