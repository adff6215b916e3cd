/**
 * The backward pass: what an operation's arguments have to do with a loss, from what its result has. `dy` is the gradient of
 * the loss by the result, F32 of the result's shape; what comes back are gradients by the arguments, new F32 tensors, or sums
 * that are added to a gradient which collects over batches. What is not here is said by other operations: a residual
 * connection hands its gradient on, rows are gathered by `embed` and scattered by `addRows`, a rotation turns back
 * (`RotateOptions.inverse`), a squared error is `combine` and `addSquares`.
 */
import type { MaskShape, Tensor, TensorShape } from "../tensor.ts";
import { bytesOf, type Declarations, floats, size } from "./declaration.ts";
import { expect, expectAtMost, expectFloats, expectMultiple, expectPositive, expectShape } from "./expect.ts";
import { type Activation, type AttentionOptions, FORWARD, type MapFunction, type NormOptions } from "./forward.ts";

/** Gradients by the parameters of a norm, to be added to: each F32 of its parameter's shape, those that are wanted. */
export interface NormGradients {
  /** By the gain. */
  readonly gain?: Tensor;
  /** By the bias. */
  readonly bias?: Tensor;
}

/** See the file's head. */
export interface BackwardOperations {
  /** By the input of `linear`: `dy W`, dy tokens x out, weight out x in (any dtype) → tokens x in. */
  linearBackward(dy: Tensor, weight: Tensor): Tensor;
  /**
   * By the weight of `linear`: adds `dyᵀ x` to the rows of `gradient` from `firstRow` on (default 0), F32 of x's columns; dy
   * tokens x out, x tokens x in. So the gradient by a large head comes in slices.
   */
  addWeightGradient(gradient: Tensor, dy: Tensor, x: Tensor, firstRow?: number): void;
  /** By the bias of `linear`: adds the sum over the rows of dy to `gradient`, F32 1 x out, as if the sum were exact. */
  addColumnSums(gradient: Tensor, dy: Tensor): void;
  /**
   * By the input of `norm`: with x̂ the normalised run, s its reciprocal root and `d = dy * gain`, `s (d - x̂ mean(d x̂))` for
   * `rms`, `s (d - mean(d) - x̂ mean(d x̂))` for `layer`. Adds the sums of `dy x̂` over the runs of each row of the gain to
   * `gradients.gain`, and those of dy to `gradients.bias`, where they are wanted.
   */
  normBackward(x: Tensor, gain: Tensor, dy: Tensor, options: NormOptions, gradients?: NormGradients): Tensor;
  /**
   * By the queries, keys and values of `attention`, which are F32 and without spans: of the shapes of q, k and v. The
   * probabilities are computed again. With p those of a query and `e = dy · v`: by v the sums of `p dy`, by a score
   * `p (e - Σ p e)`, times `1 - tanh²` where it is capped.
   */
  attentionBackward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dy: Tensor,
    options: AttentionOptions,
  ): readonly [q: Tensor, k: Tensor, v: Tensor];
  /** By the input of `map`: `dy f'(x)`; of relu 0 at 0. */
  mapBackward(x: Tensor, dy: Tensor, fn: MapFunction): Tensor;
  /** By both of `gate`: `dy up f'(gate)`, and `dy f(gate)`. */
  gateBackward(gate: Tensor, up: Tensor, dy: Tensor, activation: Activation): readonly [gate: Tensor, up: Tensor];
  /**
   * By the input of `slice`: adds dy to the columns of `gradient` that it was made of; of every run of `period` columns those
   * from `first` on, as many as dy has for a run.
   */
  sliceBackward(gradient: Tensor, dy: Tensor, first: number, period: number): void;
  /**
   * By the table of `embed`: adds row `t` of dy to row `ids[t] - firstRow` of `gradient`, if it has it; an id that comes
   * several times adds up in the order of the tokens.
   */
  embedBackward(gradient: Tensor, ids: Uint32Array, dy: Tensor, firstRow: number): void;
  /**
   * By a slice of the logits of a cross entropy, tokens x outputs, whose first output is the vocabulary's row `firstRow`;
   * `logits` are as `linear` gives them, `state` (tokens x 3) is what `crossEntropy` has made of all slices. A token's loss
   * counts `weights[t]` times: `weights[t] (softmax - onehot(target))`, times `1 - tanh²` where logits are capped.
   */
  crossEntropyBackward(
    state: Tensor,
    logits: Tensor,
    firstRow: number,
    targets: Uint32Array,
    weights: Float32Array,
    softCap?: number,
  ): Tensor;
  /** The sum over the columns of `x * y`, as F32 rows x 1: what a factor of each row has to do with the loss. */
  dotRows(x: Tensor, y: Tensor): Tensor;
}

/** Throws unless a gradient has the shape of the result. */
function expectResult(operation: string, dy: TensorShape, { rows, cols }: MaskShape): void {
  expectFloats(`${operation}: dy`, dy);
  expectShape(`${operation}: dy`, rows, cols, dy);
}

/** What each takes and costs. */
export const BACKWARD: Declarations<BackwardOperations> = {
  linearBackward: {
    check(dy, weight) {
      expectFloats("linearBackward: dy", dy);
      expect("linearBackward: columns of dy", weight.rows, dy.cols);
    },
    cost: (dy, weight) => ({
      flops: 2 * dy.rows * size(weight),
      bytes: bytesOf(dy, weight) + floats(dy.rows * weight.cols),
    }),
  },
  addWeightGradient: {
    check(gradient, dy, x, firstRow = 0) {
      expectFloats("addWeightGradient", gradient, dy, x);
      expect("addWeightGradient: rows of x", dy.rows, x.rows);
      expect("addWeightGradient: columns of the gradient", x.cols, gradient.cols);
      expectAtMost("addWeightGradient: end of its rows", gradient.rows, firstRow + dy.cols);
    },
    cost: (_gradient, dy, x) => ({
      flops: 2 * dy.rows * dy.cols * x.cols,
      bytes: 2 * floats(dy.cols * x.cols) + bytesOf(dy, x),
    }),
  },
  addColumnSums: {
    check(gradient, dy) {
      expectFloats("addColumnSums", gradient, dy);
      expectShape("addColumnSums: gradient", 1, dy.cols, gradient);
    },
    cost: (gradient, dy) => ({ flops: size(dy), bytes: 2 * bytesOf(gradient) + bytesOf(dy) }),
  },
  normBackward: {
    check(x, gain, dy, options, gradients = {}) {
      FORWARD.norm.check(x, gain, options);
      expectResult("normBackward", dy, x);
      for (const [what, gradient] of Object.entries(gradients)) {
        if (!gradient) continue;
        expectFloats(`normBackward: gradient of the ${what}`, gradient);
        expectShape(`normBackward: gradient of the ${what}`, gain.rows, gain.cols, gradient);
      }
    },
    cost: (x, gain, _dy, _options, { gain: byGain, bias } = {}) => ({
      flops: size(x) * (9 + (byGain ? 3 : 0) + (bias ? 1 : 0)),
      bytes: 3 * bytesOf(x) + bytesOf(gain) + 2 * bytesOf(byGain, bias),
    }),
  },
  attentionBackward: {
    check(q, k, v, dy, options) {
      FORWARD.attention.check(q, k, v, options);
      expectFloats("attentionBackward: k and v", k, v);
      expect("attentionBackward: spans", 0, options.spans?.length ?? 0);
      expectResult("attentionBackward", dy, q);
    },
    // Five products of a query and a key where the forward pass has two.
    cost: (q, k, v, _dy, options) => ({
      flops: 2.5 * FORWARD.attention.cost(q, k, v, options).flops,
      bytes: 3 * bytesOf(q) + 2 * bytesOf(k, v),
    }),
  },
  mapBackward: {
    check(x, dy, fn) {
      FORWARD.map.check(x, fn);
      expectResult("mapBackward", dy, x);
    },
    cost: (x) => ({ flops: 2 * size(x), bytes: 3 * bytesOf(x) }),
  },
  gateBackward: {
    check(gate, up, dy, activation) {
      FORWARD.gate.check(gate, up, activation);
      expectResult("gateBackward", dy, gate);
    },
    cost: (gate) => ({ flops: 5 * size(gate), bytes: 5 * bytesOf(gate) }),
  },
  sliceBackward: {
    check(gradient, dy, first, period) {
      expectMultiple("sliceBackward: columns of the gradient", period, gradient.cols);
      const runs = gradient.cols / period;
      expectMultiple("sliceBackward: columns of dy", runs, dy.cols);
      FORWARD.slice.check(gradient, first, dy.cols / runs, period);
      expectResult("sliceBackward", dy, { rows: gradient.rows, cols: dy.cols });
    },
    cost: (_gradient, dy) => ({ flops: size(dy), bytes: 3 * bytesOf(dy) }),
  },
  embedBackward: {
    check(gradient, ids, dy) {
      expectFloats("embedBackward: gradient", gradient);
      expectResult("embedBackward", dy, { rows: ids.length, cols: gradient.cols });
    },
    cost: (_gradient, ids, dy) => ({ flops: size(dy), bytes: 3 * bytesOf(dy) + ids.byteLength }),
  },
  crossEntropyBackward: {
    check(state, logits, _firstRow, targets, weights, softCap) {
      expectFloats("crossEntropyBackward", state, logits);
      expectShape("crossEntropyBackward: state", logits.rows, 3, state);
      expect("crossEntropyBackward: targets", logits.rows, targets.length);
      expect("crossEntropyBackward: weights", logits.rows, weights.length);
      if (softCap !== undefined) expectPositive("crossEntropyBackward: cap", softCap);
    },
    cost: (state, logits, _firstRow, targets, weights) => ({
      flops: 4 * size(logits),
      bytes: 2 * bytesOf(logits) + bytesOf(state) + targets.byteLength + weights.byteLength,
    }),
  },
  dotRows: {
    check(x, y) {
      expectFloats("dotRows", x, y);
      expectShape("dotRows: the second", x.rows, x.cols, y);
    },
    cost: (x, y) => ({ flops: 2 * size(x), bytes: bytesOf(x, y) + floats(x.rows) }),
  },
};
