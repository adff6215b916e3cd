/**
 * The forward pass: from token ids to losses. Results are new F32 tensors; x is always F32, tokens x features.
 */
import { BYTES, type MaskShape, type Tensor } from "../tensor.ts";
import type { Weight } from "../packed.ts";
import { bytesOf, type Declarations, floats, size, weightBytes } from "./declaration.ts";
import {
  expect,
  expectApart,
  expectAtMost,
  expectCount,
  expectFloats,
  expectMultiple,
  expectPositive,
  expectShape,
} from "./expect.ts";

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
  /** Turns the other way: what a gradient does. A pair (a, b) becomes (a cos + b sin, b cos - a sin). */
  readonly inverse?: boolean;
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
  /**
   * For each sequence the rows of k and v that it sees: ranges `first, end, first, end, …`, in the order of the positions from
   * 0 on that they stand for. The last positions, as many as its queries, are the queries' own: each sees up to itself.
   * Sequences may share rows, so a common context is there once; k and v may be a cache that has more rows than q. Without
   * it: the rows of its queries.
   */
  readonly spans?: readonly Uint32Array[];
}

/** How {@linkcode Backend.crossEntropy} takes a slice. */
export interface CrossEntropyOptions {
  /** Begins the state: its old content is ignored. */
  readonly start?: boolean;
  /** `softCap * tanh(logit / softCap)` takes a logit's place (Gemma 2). */
  readonly softCap?: number;
}

/** See the file's head. */
export interface ForwardOperations {
  /**
   * Copies rows of an embedding: row `t` of `out` becomes F32 of row `ids[t] - firstRow` of `table`, if the table has
   * it; other rows of `out` stay. So a large table can come in slices.
   */
  embed(out: Tensor, ids: Uint32Array, table: Tensor, firstRow: number): void;
  /**
   * `x Wᵀ (+ bias)`: x tokens x in, weight out x in (dense of any dtype, or packed), bias 1 x out (any dtype) → tokens x out. With
   * a weight of integers a backend may round x of one token to 16 bits, with one scale for each of the weight's groups.
   */
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
   * Causal softmax attention within each sequence. q tokens x (heads * headDim), k and v tokens (or the rows of the spans) x
   * (kvHeads * headDim), of one dtype, any → tokens x (heads * headDim). A score is `scale * q · k`, then capped, then sloped.
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
   * The same of logits that are there, tokens x outputs, as `linear` gives them: their first output is the vocabulary's row
   * `firstRow`. Whoever goes back over them ({@linkcode Backend.crossEntropyBackward}) has them for both.
   */
  crossEntropyOfLogits(
    state: Tensor,
    logits: Tensor,
    firstRow: number,
    targets: Uint32Array,
    options?: CrossEntropyOptions,
  ): void;
  /**
   * `out[rows[i]] += weights[i] * x[i]`, row by row: what an expert gives for the tokens that were routed to it. No row of
   * `out` comes twice. (Gathering rows is {@linkcode Backend.embed} with a table of F32.)
   */
  addRows(out: Tensor, x: Tensor, rows: Uint32Array, weights: Float32Array): void;
  /**
   * Row `rows[i]` of `out` becomes row `i` of x, rounded to the dtype of `out`; its other rows stay. No row comes twice. Where
   * two numbers share a word (F16, BF16) the columns are even.
   */
  setRows(out: Tensor, x: Tensor, rows: Uint32Array): void;
}

/** Rows of all ranges of a sequence: its positions. */
function countPositions(spans: Uint32Array): number {
  return spans.reduce((sum, at, i) => i % 2 ? sum + at : sum - at, 0);
}

/** Pairs of a query and a key that attention looks at, of one head. */
function countPairs({ offsets, window = Infinity, spans }: AttentionOptions): number {
  /** Of a sequence's first queries. */
  const pairsOf = (queries: number): number => {
    const most = Math.min(queries, window);
    return most * (most + 1) / 2 + (queries - most) * most;
  };
  let pairs = 0;
  for (let i = 1; i < offsets.length; i++) {
    const length = offsets[i] - offsets[i - 1], positions = spans ? countPositions(spans[i - 1]) : length;
    pairs += pairsOf(positions) - pairsOf(positions - length);
  }
  return pairs;
}

/** Throws unless the ranges of every sequence are rows of k, and as many as its queries or more. */
function expectSpans({ offsets, spans = [] }: AttentionOptions, rows: number): void {
  expect("attention: spans", offsets.length - 1, spans.length);
  for (const [i, own] of spans.entries()) {
    expectMultiple(`attention: numbers of span ${i}`, 2, own.length);
    for (let at = 0; at < own.length; at += 2) {
      expectAtMost(`attention: end of a range of span ${i}`, rows, own[at + 1]);
      expectAtMost(`attention: first row of a range of span ${i}`, own[at + 1] - 1, own[at]);
    }
    expectAtMost(`attention: queries of sequence ${i}`, countPositions(own), offsets[i + 1] - offsets[i]);
  }
}

/** Throws unless these are rows of a matrix, each once. */
function expectDifferentRows(operation: string, rows: Uint32Array, out: MaskShape): void {
  const seen = new Set<number>();
  for (const row of rows) {
    expectAtMost(`${operation}: row`, out.rows - 1, row);
    if (seen.has(row)) throw new RangeError(`${operation}: expected different rows, found ${row} twice`);
    seen.add(row);
  }
}

/** What each takes and costs. */
export const FORWARD: Declarations<ForwardOperations> = {
  embed: {
    check(out, ids, table) {
      expectFloats("embed: out", out);
      expectShape("embed: out", ids.length, table.cols, out);
    },
    cost: (out, ids, table) => ({ flops: 0, bytes: bytesOf(out) + ids.byteLength + size(out) * BYTES[table.dtype] }),
  },
  linear: {
    check(x, weight, bias) {
      expectFloats("linear: x", x);
      expect("linear: columns of x", weight.cols, x.cols);
      if (bias) expectShape("linear: bias", 1, weight.rows, bias);
    },
    cost: (x, weight, bias) => ({
      flops: 2 * x.rows * size(weight),
      bytes: bytesOf(x, bias) + weightBytes(weight) + floats(x.rows * weight.rows),
    }),
  },
  norm: {
    check(x, gain, { bias }) {
      expectFloats("norm: x", x);
      expectMultiple("norm: columns of x", gain.cols, x.cols);
      expectAtMost("norm: rows of the gain", x.cols / gain.cols, gain.rows);
      if (bias) expectShape("norm: bias", gain.rows, gain.cols, bias);
    },
    cost: (x, gain, { kind, bias }) => ({
      flops: size(x) * (4 + (kind === "layer" ? 2 : 0) + (bias ? 1 : 0)),
      bytes: 2 * bytesOf(x) + bytesOf(gain, bias),
    }),
  },
  rotate: {
    check(x, angles, { headDim }) {
      expectFloats("rotate", x, angles);
      expectMultiple("rotate: columns of the angles", 2, angles.cols);
      expectMultiple("rotate: columns of x", headDim, x.cols);
      expectAtMost("rotate: columns of the angles", headDim, angles.cols);
      expectAtMost("rotate: rows of x", angles.rows, x.rows);
    },
    cost: (x, angles, { headDim }) => ({
      flops: 3 * x.rows * x.cols / headDim * angles.cols,
      bytes: 2 * bytesOf(x) + floats(x.rows * angles.cols),
    }),
  },
  attention: {
    check(q, k, v, options) {
      const { offsets, heads, kvHeads, window, softCap, slopes, spans } = options, rows = spans ? k.rows : q.rows;
      expectFloats("attention: q", q);
      expect("attention: dtype of v", k.dtype, v.dtype);
      expectMultiple("attention: heads", kvHeads, heads);
      expectMultiple("attention: columns of q", heads, q.cols);
      expectShape("attention: k", rows, q.cols / heads * kvHeads, k);
      expectShape("attention: v", rows, q.cols / heads * kvHeads, v);
      expect("attention: first offset", 0, offsets[0]);
      expect("attention: last offset", q.rows, offsets[offsets.length - 1]);
      for (let i = 1; i < offsets.length; i++) {
        if (!(offsets[i] > offsets[i - 1])) {
          throw new RangeError(`attention: offset ${i}: expected more than ${offsets[i - 1]}, found ${offsets[i]}`);
        }
      }
      if (spans) expectSpans(options, rows);
      if (window !== undefined) expectCount("attention: window", window);
      if (softCap !== undefined) expectPositive("attention: cap", softCap);
      if (slopes) expect("attention: slopes", heads, slopes.length);
    },
    cost: (q, k, v, options) => ({ flops: 4 * q.cols * countPairs(options), bytes: 2 * bytesOf(q) + bytesOf(k, v) }),
  },
  map: {
    check(x, fn) {
      expectFloats("map: x", x);
      if (fn.kind === "soft_cap") expectPositive("map: cap", fn.cap);
    },
    cost: (x) => ({ flops: size(x), bytes: 2 * bytesOf(x) }),
  },
  gate: {
    check(gate, up) {
      expectFloats("gate", gate, up);
      expectShape("gate: the second", gate.rows, gate.cols, up);
    },
    cost: (gate) => ({ flops: 2 * size(gate), bytes: 3 * bytesOf(gate) }),
  },
  slice: {
    check(x, first, width, period) {
      expectFloats("slice: x", x);
      expectMultiple("slice: columns of x", period, x.cols);
      if (!(Number.isInteger(first) && first >= 0)) {
        throw new RangeError(`slice: first column: expected a whole number from 0 on, found ${first}`);
      }
      expectCount("slice: columns", width);
      expectAtMost("slice: end of the columns", period, first + width);
    },
    cost: (x, _first, width, period) => ({ flops: 0, bytes: 2 * floats(size(x) / period * width) }),
  },
  add: {
    check(x, y) {
      expectFloats("add", x, y);
      expectShape("add: the second", x.rows, x.cols, y);
    },
    cost: (x) => ({ flops: size(x), bytes: 3 * bytesOf(x) }),
  },
  crossEntropy: {
    check(state, hidden, head, _firstRow, targets, { softCap } = {}) {
      expectFloats("crossEntropy: state and hidden", state, hidden);
      expectShape("crossEntropy: state", hidden.rows, 3, state);
      expect("crossEntropy: columns of the head", hidden.cols, head.cols);
      expect("crossEntropy: targets", hidden.rows, targets.length);
      if (softCap !== undefined) expectPositive("crossEntropy: cap", softCap);
    },
    cost: (state, hidden, head) => ({
      flops: (2 * head.cols + 3) * hidden.rows * head.rows,
      bytes: 2 * bytesOf(state) + bytesOf(hidden, head),
    }),
  },
  crossEntropyOfLogits: {
    check(state, logits, _firstRow, targets, { softCap } = {}) {
      expectFloats("crossEntropyOfLogits", state, logits);
      expectShape("crossEntropyOfLogits: state", logits.rows, 3, state);
      expect("crossEntropyOfLogits: targets", logits.rows, targets.length);
      if (softCap !== undefined) expectPositive("crossEntropyOfLogits: cap", softCap);
    },
    cost: (state, logits) => ({ flops: 3 * size(logits), bytes: 2 * bytesOf(state) + bytesOf(logits) }),
  },
  addRows: {
    check(out, x, rows, weights) {
      expectFloats("addRows", out, x);
      expectApart("addRows: out", out, x);
      expect("addRows: columns", out.cols, x.cols);
      expect("addRows: rows", x.rows, rows.length);
      expect("addRows: weights", x.rows, weights.length);
      expectDifferentRows("addRows", rows, out);
    },
    cost: (_out, x, rows, weights) => ({
      flops: 2 * size(x),
      bytes: 3 * bytesOf(x) + rows.byteLength + weights.byteLength,
    }),
  },
  setRows: {
    check(out, x, rows) {
      expectFloats("setRows: x", x);
      expectApart("setRows: out", out, x);
      expect("setRows: columns", out.cols, x.cols);
      expect("setRows: rows", x.rows, rows.length);
      if (out.dtype !== "F32") expectMultiple("setRows: columns of 16 bits", 2, out.cols);
      expectDifferentRows("setRows", rows, out);
    },
    cost: (out, x, rows) => ({ flops: 0, bytes: bytesOf(x) + size(x) * BYTES[out.dtype] + rows.byteLength }),
  },
};
