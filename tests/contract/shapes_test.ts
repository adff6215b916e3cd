/** Claims about wrong shapes: every operation refuses them at the call with what it expected and what it found. */
import { assertMatch, assertRejects, assertThrows } from "@std/assert";
import type {
  AttentionOptions,
  Backend,
  Choice,
  CrossEntropyOptions,
  Dtype,
  Mask,
  Tensor,
} from "../../src/backend/backend.ts";
import { assertHeld, contract } from "./contract.ts";

/** Makes a tensor of zeros that its test disposes of. */
type Zeros = (rows: number, cols: number, dtype?: Dtype) => Tensor;

/** What the message must have. */
const EXPECTED_AND_FOUND = /expected .+, found .*(\d|Infinity)/;

/** Token ids or targets, all 0. */
const ids = (count: number): Uint32Array => new Uint32Array(count);

/** Rows of q, k and v of two query heads and one kv head; their columns are right unless given. */
const attend =
  (q: number, k: number, v: number, offsets: readonly number[], [a, b, c]: readonly number[] = [8, 4, 4]) =>
  (backend: Backend, zeros: Zeros): Tensor =>
    backend.attention(zeros(q, a), zeros(k, b), zeros(v, c), {
      offsets: Uint32Array.from(offsets),
      heads: 2,
      kvHeads: 1,
      scale: 1,
    });

/** Attention of two sequences of three tokens with an option that is wrong. */
const attendWith = (option: Partial<AttentionOptions>) => (backend: Backend, zeros: Zeros): Tensor => {
  const offsets = Uint32Array.of(0, 3, 6);
  return backend.attention(zeros(6, 8), zeros(6, 4), zeros(6, 4), {
    offsets,
    heads: 2,
    kvHeads: 1,
    scale: 1,
    ...option,
  });
};

/** Adds two rows of three columns to others of five. */
const added = (rows: readonly number[], weights = 2, cols = 3) => (backend: Backend, zeros: Zeros): void =>
  backend.addRows(zeros(5, 3), zeros(2, cols), Uint32Array.from(rows), new Float32Array(weights));

/** A cross entropy of six tokens and eight features, with the parts that are wrong. */
const entropy = (
  state: readonly [number, number],
  head: readonly [number, number],
  targets: number,
  options?: CrossEntropyOptions,
) =>
(backend: Backend, zeros: Zeros): void =>
  backend.crossEntropy(zeros(...state), zeros(6, 8), zeros(...head), 0, ids(targets), options);

/** Counts zeros in cells that are none or too many. */
const counted = (down: number, across: number) => (backend: Backend, zeros: Zeros): Tensor => {
  using mask = backend.zeros(zeros(6, 8));
  return backend.density(mask, down, across);
};

/** Parts a weight of 6 x 8 by a mask of another shape. */
const parted = (rows: number, cols: number) => (backend: Backend, zeros: Zeros): Tensor => {
  using mask = backend.zeros(zeros(rows, cols));
  return backend.extremes(zeros(6, 8), mask);
};

/** Applies a mask of another shape to a weight of 6 x 8. */
const applied = (rows: number, cols: number) => (backend: Backend, zeros: Zeros): void => {
  using mask = backend.selectSmallest(zeros(rows, cols), { group: 1, sparsity: 0, rule: "count" });
  backend.apply(zeros(6, 8), mask);
};

/** Selects from 6 x 8 scores. */
const select = (group: number, sparsity: number) => (backend: Backend, zeros: Zeros): Mask =>
  backend.selectSmallest(zeros(6, 8), { group, sparsity, rule: "count" });

/** Eliminates from 6 x 8 with the factor, the choice or the block that is wrong. */
const eliminated = (
  { upper = [8, 8], dead = [1, 8], choice, block = 4 }: {
    upper?: readonly [number, number, Dtype?];
    dead?: readonly [number, number];
    choice?: (backend: Backend, zeros: Zeros) => Choice;
    block?: number;
  },
) =>
(backend: Backend, zeros: Zeros): void => {
  const factor = { upper: zeros(...upper), dead: zeros(...dead), damping: 0, [Symbol.dispose]() {} };
  using _ = backend.eliminate(zeros(6, 8), factor, choice?.(backend, zeros) ?? groups(2, 4), block);
};

/** Eliminates with a mask of another shape. */
const eliminatedBy = (rows: number, cols: number) => (backend: Backend, zeros: Zeros): void => {
  using mask = backend.selectSmallest(zeros(rows, cols), { group: 1, sparsity: 0, rule: "count" });
  eliminated({ choice: () => ({ kind: "mask", mask }) })(backend, zeros);
};

/** Takes a step of conjugate gradients with a part that is wrong. */
const stepped = ({ r = [6, 8], product = [6, 8], mask = [6, 8] }: {
  r?: readonly [number, number, Dtype?];
  product?: readonly [number, number];
  mask?: readonly [number, number];
}) =>
(backend: Backend, zeros: Zeros): void => {
  using removed = backend.zeros(zeros(...mask));
  backend.conjugate({ x: zeros(6, 8), r: zeros(...r), p: zeros(6, 8) }, zeros(...product), removed);
};

/** Takes rows of a mask of 6 x 8. */
const rowsOfMask = (first: number, rows: number) => (backend: Backend, zeros: Zeros): Mask => {
  using mask = backend.zeros(zeros(6, 8));
  return backend.maskRows(mask, first, rows);
};

/** Takes a step of the optimiser on 6 x 8 with what is wrong. */
const optimised = ({ second = [6, 8], gradient = [6, 8], mask, ...option }: {
  second?: readonly [number, number, Dtype?];
  gradient?: readonly [number, number];
  mask?: readonly [number, number];
  rate?: number;
  beta2?: number;
  epsilon?: number;
  step?: number;
}) =>
(backend: Backend, zeros: Zeros): void => {
  using removed = mask && backend.zeros(zeros(...mask));
  const options = { rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0, step: 1, ...option, mask: removed };
  backend.adamw(zeros(6, 8), { first: zeros(6, 8), second: zeros(...second) }, zeros(...gradient), options);
};

/** A term of a combination. */
const term = (tensor: Tensor) => ({ tensor, kept: 1 });

/** n:m by size. */
const groups = (n: number, m: number): Choice => ({ kind: "groups", formula: { kind: "magnitude" }, n, m });

/** A threshold by a formula of the kind that has a statistic, or none. */
const threshold = (sparsity: number, statistic?: readonly [number, number]) => (_: Backend, zeros: Zeros): Choice => ({
  kind: "threshold",
  formula: statistic ? { kind: "activation", statistic: zeros(...statistic) } : { kind: "curvature" },
  sparsity,
});

/** A norm that is right. */
const RMS = { kind: "rms", epsilon: 1e-5 } as const;

/** Two sequences of three tokens, two heads that share keys. */
const TWO: AttentionOptions = { offsets: Uint32Array.of(0, 3, 6), heads: 2, kvHeads: 1, scale: 1 };

/** Every wrong call, by what is wrong. */
const WRONG: Readonly<Record<string, (backend: Backend, zeros: Zeros) => Disposable | void>> = {
  "upload: too few bytes": (backend) => backend.upload(new Uint8Array(20), 2, 3, "F32"),
  "upload: too many bytes": (backend) => backend.upload(new Uint8Array(24), 2, 3, "F16"),
  "embed: ids": (backend, zeros) => backend.embed(zeros(6, 8), ids(5), zeros(9, 8), 0),
  "embed: columns of the table": (backend, zeros) => backend.embed(zeros(6, 8), ids(6), zeros(9, 7), 0),
  "linear: columns": (backend, zeros) => backend.linear(zeros(6, 8), zeros(3, 7)),
  "linear: dtype of x": (backend, zeros) => backend.linear(zeros(6, 8, "F16"), zeros(3, 8)),
  "linear: columns of the bias": (backend, zeros) => backend.linear(zeros(6, 8), zeros(3, 8), zeros(1, 4)),
  "linear: rows of the bias": (backend, zeros) => backend.linear(zeros(6, 8), zeros(3, 8), zeros(3, 3)),
  "norm: length of the gain": (backend, zeros) => backend.norm(zeros(6, 8), zeros(1, 3), RMS),
  "norm: rows of the gain": (backend, zeros) => backend.norm(zeros(6, 8), zeros(3, 4), RMS),
  "norm: dtype of x": (backend, zeros) => backend.norm(zeros(6, 8, "F16"), zeros(1, 8), RMS),
  "norm: rows of the bias": (backend, zeros) => backend.norm(zeros(6, 8), zeros(2, 4), { ...RMS, bias: zeros(1, 4) }),
  "norm: columns of the bias": (backend, zeros) =>
    backend.norm(zeros(6, 8), zeros(1, 4), { ...RMS, bias: zeros(1, 8) }),
  "rotate: columns": (backend, zeros) => backend.rotate(zeros(6, 8), zeros(6, 6), { headDim: 6, layout: "half" }),
  "rotate: odd columns of the angles": (backend, zeros) =>
    backend.rotate(zeros(6, 9), zeros(6, 3), { headDim: 9, layout: "half" }),
  "rotate: more angles than a head has": (backend, zeros) =>
    backend.rotate(zeros(6, 8), zeros(6, 6), { headDim: 4, layout: "half" }),
  "rotate: fewer rows of angles": (backend, zeros) =>
    backend.rotate(zeros(6, 8), zeros(5, 8), { headDim: 8, layout: "half" }),
  "attention: rows of q": attend(7, 6, 6, [0, 3, 6]),
  "attention: rows of k": attend(6, 5, 6, [0, 3, 6]),
  "attention: rows of v": attend(6, 6, 12, [0, 3, 6]),
  "attention: columns of k": attend(6, 6, 6, [0, 3, 6], [8, 8, 4]),
  "attention: columns of v": attend(6, 6, 6, [0, 3, 6], [8, 4, 3]),
  "attention: offsets that leave rows": attend(6, 6, 6, [0, 3, 5]),
  "attention: offsets that begin late": attend(6, 6, 6, [1, 3, 6]),
  "attention: a sequence of no token": attend(6, 6, 6, [0, 3, 3, 6]),
  "attention: offsets that go back": attend(6, 6, 6, [0, 4, 3, 6]),
  "attention: heads": (backend, zeros) =>
    backend.attention(zeros(3, 12), zeros(3, 8), zeros(3, 8), {
      offsets: Uint32Array.of(0, 3),
      heads: 3,
      kvHeads: 2,
      scale: 1,
    }),
  "attention: a window of nothing": attendWith({ window: 0 }),
  "attention: a window of 1.5 tokens": attendWith({ window: 1.5 }),
  "attention: a cap below 0": attendWith({ softCap: -1 }),
  "attention: slopes": attendWith({ slopes: new Float32Array(1) }),
  "attention: spans of one sequence": attendWith({ spans: [Uint32Array.of(0, 3)] }),
  "attention: a span with no end": attendWith({ spans: [Uint32Array.of(0, 3), Uint32Array.of(0, 3, 5)] }),
  "attention: a span past the keys": attendWith({ spans: [Uint32Array.of(0, 3), Uint32Array.of(3, 7)] }),
  "attention: a range that goes back": attendWith({ spans: [Uint32Array.of(0, 3), Uint32Array.of(0, 6, 3, 2)] }),
  "attention: a range of nothing": attendWith({ spans: [Uint32Array.of(0, 3), Uint32Array.of(0, 6, 3, 3)] }),
  "attention: fewer keys than queries": attendWith({ spans: [Uint32Array.of(0, 3), Uint32Array.of(0, 2)] }),
  "linearBackward: columns of dy": (backend, zeros) => backend.linearBackward(zeros(6, 8), zeros(7, 8)),
  "linearBackward: dtype of dy": (backend, zeros) => backend.linearBackward(zeros(6, 8, "F16"), zeros(8, 3)),
  "addWeightGradient: rows of x": (backend, zeros) => backend.addWeightGradient(zeros(8, 3), zeros(6, 8), zeros(5, 3)),
  "addWeightGradient: columns": (backend, zeros) => backend.addWeightGradient(zeros(8, 4), zeros(6, 8), zeros(6, 3)),
  "addWeightGradient: a row too far": (backend, zeros) =>
    backend.addWeightGradient(zeros(9, 3), zeros(6, 8), zeros(6, 3), 2),
  "addWeightGradient: dtype": (backend, zeros) =>
    backend.addWeightGradient(zeros(8, 3, "BF16"), zeros(6, 8), zeros(6, 3)),
  "addColumnSums: columns": (backend, zeros) => backend.addColumnSums(zeros(1, 7), zeros(6, 8)),
  "normBackward: dy": (backend, zeros) => backend.normBackward(zeros(6, 8), zeros(1, 8), zeros(5, 8), RMS),
  "normBackward: gain's gradient": (backend, zeros) =>
    backend.normBackward(zeros(6, 8), zeros(1, 8), zeros(6, 8), RMS, { gain: zeros(1, 4) }),
  "attentionBackward: dy": (backend, zeros) =>
    backend.attentionBackward(zeros(6, 8), zeros(6, 4), zeros(6, 4), zeros(6, 4), TWO)[0],
  "attentionBackward: keys of 16 bits": (backend, zeros) =>
    backend.attentionBackward(zeros(6, 8), zeros(6, 4, "F16"), zeros(6, 4, "F16"), zeros(6, 8), TWO)[0],
  "attentionBackward: spans": (backend, zeros) => {
    const options = { ...TWO, spans: [Uint32Array.of(0, 3), Uint32Array.of(3, 6)] };
    return backend.attentionBackward(zeros(6, 8), zeros(6, 4), zeros(6, 4), zeros(6, 8), options)[0];
  },
  "mapBackward: dy": (backend, zeros) => backend.mapBackward(zeros(6, 8), zeros(6, 7), { kind: "silu" }),
  "gateBackward: dy": (backend, zeros) => backend.gateBackward(zeros(6, 8), zeros(6, 8), zeros(5, 8), "silu")[0],
  "gateBackward: up": (backend, zeros) => backend.gateBackward(zeros(6, 8), zeros(5, 8), zeros(6, 8), "silu")[0],
  "sliceBackward: period": (backend, zeros) => backend.sliceBackward(zeros(6, 8), zeros(6, 4), 0, 3),
  "sliceBackward: end": (backend, zeros) => backend.sliceBackward(zeros(6, 8), zeros(6, 4), 3, 4),
  "embedBackward: ids": (backend, zeros) => backend.embedBackward(zeros(9, 8), ids(5), zeros(6, 8), 0),
  "embedBackward: columns": (backend, zeros) => backend.embedBackward(zeros(9, 7), ids(6), zeros(6, 8), 0),
  "crossEntropyOfLogits: state": (backend, zeros) =>
    void backend.crossEntropyOfLogits(zeros(6, 2), zeros(6, 9), 0, ids(6), { start: true }),
  "crossEntropyOfLogits: targets": (backend, zeros) =>
    void backend.crossEntropyOfLogits(zeros(6, 3), zeros(6, 9), 0, ids(5), { start: true }),
  "crossEntropyBackward: state": (backend, zeros) =>
    backend.crossEntropyBackward(zeros(6, 2), zeros(6, 9), 0, ids(6), new Float32Array(6)),
  "crossEntropyBackward: weights": (backend, zeros) =>
    backend.crossEntropyBackward(zeros(6, 3), zeros(6, 9), 0, ids(6), new Float32Array(5)),
  "crossEntropyBackward: a cap of 0": (backend, zeros) =>
    backend.crossEntropyBackward(zeros(6, 3), zeros(6, 9), 0, ids(6), new Float32Array(6), 0),
  "dotRows: rows": (backend, zeros) => backend.dotRows(zeros(6, 8), zeros(5, 8)),
  "addRows: rows": added([0, 1, 2]),
  "addRows: weights": added([0, 1], 3),
  "addRows: columns": added([0, 1], 2, 4),
  "addRows: a row that is not there": added([0, 5]),
  "addRows: a row twice": added([3, 3]),
  "setRows: dtype": (backend, zeros) => backend.setRows(zeros(5, 4), zeros(2, 4, "F16"), Uint32Array.of(0, 1)),
  "setRows: rows": (backend, zeros) => backend.setRows(zeros(5, 4), zeros(2, 4), Uint32Array.of(0)),
  "setRows: columns": (backend, zeros) => backend.setRows(zeros(5, 4), zeros(2, 3), Uint32Array.of(0, 1)),
  "setRows: three columns of 16 bits": (backend, zeros) =>
    backend.setRows(zeros(5, 3, "F16"), zeros(2, 3), Uint32Array.of(0, 1)),
  "setRows: a row twice": (backend, zeros) => backend.setRows(zeros(5, 4), zeros(2, 4), Uint32Array.of(3, 3)),
  "map: dtype": (backend, zeros) => backend.map(zeros(6, 8, "F16"), { kind: "relu" }),
  "map: a cap of 0": (backend, zeros) => backend.map(zeros(6, 8), { kind: "soft_cap", cap: 0 }),
  "gate: rows": (backend, zeros) => backend.gate(zeros(6, 8), zeros(5, 8), "silu"),
  "gate: columns": (backend, zeros) => backend.gate(zeros(6, 8), zeros(6, 7), "silu"),
  "slice: columns": (backend, zeros) => backend.slice(zeros(6, 8), 0, 1, 3),
  "slice: a column before the first": (backend, zeros) => backend.slice(zeros(6, 8), -1, 2, 4),
  "slice: no columns": (backend, zeros) => backend.slice(zeros(6, 8), 0, 0, 4),
  "slice: columns of the next run": (backend, zeros) => backend.slice(zeros(6, 8), 2, 3, 4),
  "add: rows": (backend, zeros) => backend.add(zeros(6, 8), zeros(7, 8)),
  "add: columns": (backend, zeros) => backend.add(zeros(6, 8), zeros(6, 6)),
  "crossEntropy: rows of the state": entropy([5, 3], [9, 8], 6),
  "crossEntropy: columns of the state": entropy([6, 2], [9, 8], 6),
  "crossEntropy: columns of the head": entropy([6, 3], [8, 9], 6),
  "crossEntropy: targets": entropy([6, 3], [9, 8], 7),
  "crossEntropy: a cap of 0": entropy([6, 3], [9, 8], 6, { softCap: 0 }),
  "addSquares: columns": (backend, zeros) => backend.addSquares(zeros(2, 7), zeros(6, 8)),
  "addSquares: rows of the sums": (backend, zeros) => backend.addSquares(zeros(1, 8), zeros(6, 8)),
  "merge: columns": (backend, zeros) => backend.merge(zeros(2, 8), zeros(2, 7)),
  "merge: rows": (backend, zeros) => backend.merge(zeros(2, 8), zeros(3, 8)),
  "merge: an odd number of rows": (backend, zeros) => backend.merge(zeros(3, 8), zeros(3, 8)),
  "addGram: columns": (backend, zeros) => backend.addGram(zeros(16, 7), zeros(6, 8)),
  "addGram: rows of the sums": (backend, zeros) => backend.addGram(zeros(8, 8), zeros(6, 8)),
  "addGram: dtype of x": (backend, zeros) => backend.addGram(zeros(16, 8), zeros(6, 8, "F16")),
  "finish: rows": (backend, zeros) => backend.finish(zeros(1, 8), 1),
  "score: statistic": (backend, zeros) => backend.score(zeros(6, 8), { kind: "activation", statistic: zeros(1, 7) }),
  "score: rows of the statistic": (backend, zeros) =>
    backend.score(zeros(6, 8), { kind: "activation", statistic: zeros(2, 8) }),
  "selectSmallest: sparsity above 1": select(1, 1.5),
  "selectSmallest: sparsity below 0": select(1, -0.5),
  "selectSmallest: group of 1.5 rows": select(1.5, 0.5),
  "selectSmallest: group of no rows": select(0, 0.5),
  "selectCumulative: sparsity": (backend, zeros) => backend.selectCumulative(zeros(6, 8), 1),
  "selectGroups: columns": (backend, zeros) => backend.selectGroups(zeros(6, 8), 1, 3),
  "selectGroups: n": (backend, zeros) => backend.selectGroups(zeros(6, 8), 5, 4),
  "score: statistic of a relative score": (backend, zeros) =>
    backend.score(zeros(6, 8), { kind: "relative", statistic: zeros(1, 7) }),
  "error: rows": (backend, zeros) => backend.error(zeros(6, 8), zeros(5, 8), zeros(8, 8)),
  "error: columns": (backend, zeros) => backend.error(zeros(6, 8), zeros(6, 7), zeros(8, 8)),
  "error: rows of the moment": (backend, zeros) => backend.error(zeros(6, 8), zeros(6, 8), zeros(6, 8)),
  "error: columns of the moment": (backend, zeros) => backend.error(zeros(6, 8), zeros(6, 8), zeros(1, 6)),
  "error: dtype of the moment": (backend, zeros) => backend.error(zeros(6, 8), zeros(6, 8), zeros(8, 8, "F16")),
  "density: no cells": counted(0, 2),
  "density: more cells than rows": counted(7, 2),
  "density: more cells than columns": counted(2, 9),
  "extremes: rows of the mask": parted(5, 8),
  "extremes: columns of the mask": parted(6, 7),
  "histogram: no bins": (backend, zeros) => backend.histogram(zeros(6, 8), 0),
  "histogram: more bins than there can be": (backend, zeros) => backend.histogram(zeros(6, 8), 257),
  "countAbove: dtype": (backend, zeros) => backend.countAbove(zeros(6, 8, "F16"), 1),
  "eliminate: columns of the factor": eliminated({ upper: [7, 7] }),
  "eliminate: dtype of the factor": eliminated({ upper: [8, 8, "F16"] }),
  "eliminate: dead columns": eliminated({ dead: [1, 7] }),
  "eliminate: no columns in a block": eliminated({ block: 0 }),
  "eliminate: 1.5 columns in a block": eliminated({ block: 1.5 }),
  "eliminate: sparsity": eliminated({ choice: threshold(1) }),
  "eliminate: statistic": eliminated({ choice: threshold(0.5, [1, 7]) }),
  "eliminate: columns that are no groups": eliminated({ choice: () => groups(1, 3) }),
  "eliminate: n": eliminated({ choice: () => groups(5, 4) }),
  "eliminate: rows of the mask": eliminatedBy(5, 8),
  "eliminate: columns of the mask": eliminatedBy(6, 7),
  "equilibrate: rows": (backend, zeros) => backend.equilibrate(zeros(7, 8), zeros(1, 8)),
  "equilibrate: scale": (backend, zeros) => backend.equilibrate(zeros(8, 8), zeros(1, 7)),
  "combine: no terms": (backend) => backend.combine([]),
  "combine: four terms": (backend, zeros) => backend.combine(Array.from({ length: 4 }, () => term(zeros(6, 8)))),
  "combine: rows": (backend, zeros) => backend.combine([term(zeros(6, 8)), term(zeros(5, 8))]),
  "combine: columns": (backend, zeros) => backend.combine([term(zeros(6, 8))], { columns: zeros(1, 7) }),
  "combine: columns of the mask": (backend, zeros) => {
    using mask = backend.zeros(zeros(6, 7));
    return backend.combine([term(zeros(6, 8))], { mask });
  },
  "combineInto: dtype of the first": (backend, zeros) => backend.combineInto([term(zeros(6, 8, "F16"))]),
  "combineInto: the first again": (backend, zeros) => {
    const first = zeros(6, 8);
    return backend.combineInto([term(first), term(first)]);
  },
  "combineInto: rows": (backend, zeros) => backend.combineInto([term(zeros(6, 8)), term(zeros(5, 8))]),
  "maskRows: none": rowsOfMask(0, 0),
  "maskRows: before the first": rowsOfMask(-1, 2),
  "maskRows: after the last": rowsOfMask(5, 2),
  "conjugate: rows of the residual": stepped({ r: [5, 8] }),
  "conjugate: dtype of the residual": stepped({ r: [6, 8, "F16"] }),
  "conjugate: columns of the product": stepped({ product: [6, 7] }),
  "conjugate: rows of the mask": stepped({ mask: [5, 8] }),
  "adamw: rows of the gradient": optimised({ gradient: [5, 8] }),
  "adamw: columns of a moment": optimised({ second: [6, 7] }),
  "adamw: dtype of a moment": optimised({ second: [6, 8, "F16"] }),
  "adamw: rows of the mask": optimised({ mask: [5, 8] }),
  "adamw: a rate below 0": optimised({ rate: -1 }),
  "adamw: beta2 of 1": optimised({ beta2: 1 }),
  "adamw: an epsilon of 0": optimised({ epsilon: 0 }),
  "adamw: step 0": optimised({ step: 0 }),
  "dropout: a rate of 1": (backend, zeros) => backend.dropout(zeros(6, 8), { rate: 1, key: 0 }),
  "dropout: a key of 33 bits": (backend, zeros) => backend.dropout(zeros(6, 8), { rate: 0.5, key: 2 ** 32 }),
  "dropout: dtype": (backend, zeros) => backend.dropout(zeros(6, 8, "F16"), { rate: 0.5, key: 0 }),
  "assign: rows": (backend, zeros) => backend.assign(zeros(6, 8, "F16"), zeros(5, 8)),
  "assign: to itself": (backend, zeros) => {
    const weight = zeros(6, 8);
    backend.assign(weight, weight);
  },
  "addRows: to itself": (backend, zeros) => {
    const x = zeros(2, 3);
    backend.addRows(x, x, Uint32Array.of(1, 0), new Float32Array(2));
  },
  "setRows: in itself": (backend, zeros) => {
    const x = zeros(2, 4);
    backend.setRows(x, x, Uint32Array.of(1, 0));
  },
  "conjugate: a direction that is the residual": (backend, zeros) => {
    const [x, r] = [zeros(6, 8), zeros(6, 8)];
    using mask = backend.zeros(x);
    backend.conjugate({ x, r, p: r }, zeros(6, 8), mask);
  },
  "conjugate: a product that is the direction": (backend, zeros) => {
    const [x, r, p] = [zeros(6, 8), zeros(6, 8), zeros(6, 8)];
    using mask = backend.zeros(x);
    backend.conjugate({ x, r, p }, p, mask);
  },
  "assign: dtype of the numbers": (backend, zeros) => backend.assign(zeros(6, 8), zeros(6, 8, "F16")),
  "assign: a key below 0": (backend, zeros) => backend.assign(zeros(6, 8, "BF16"), zeros(6, 8), { key: -1 }),
  "assign: F16 by a key": (backend, zeros) => backend.assign(zeros(6, 8, "F16"), zeros(6, 8), { key: 1 }),
  "apply: columns": applied(6, 7),
  "apply: rows": applied(5, 8),
};

/** The one operation that waits: what is wrong with the shape of its Hessian, or with its damping. */
const WRONG_HESSIANS = [
  ["rows", [7, 8], 0.01],
  ["columns", [8, 7], 0.01],
  ["damping below 0", [8, 8], -0.5],
  ["infinite damping", [8, 8], Infinity],
] as const;

contract("shapes", (claim) => {
  for (const [what, call] of Object.entries(WRONG)) {
    claim(`refuse at the call, with what was expected and found: ${what}`, ({ backend, keep }) => {
      const zeros: Zeros = (rows, cols, dtype) => keep(backend.allocate(rows, cols, dtype));
      const attempt = (): void => {
        const result = call(backend, zeros);
        if (result) keep(result);
      };
      assertMatch(assertThrows(attempt, RangeError).message, EXPECTED_AND_FOUND);
      return Promise.resolve();
    });
  }

  for (const [what, [rows, cols], damping] of WRONG_HESSIANS) {
    claim(`refuse at the call, with what was expected and found: inverseFactor: ${what}`, async ({ backend, keep }) => {
      const hessian = keep(backend.allocate(rows, cols));
      const { message } = await assertRejects(async () => await backend.inverseFactor(hessian, damping), RangeError);
      assertMatch(message, EXPECTED_AND_FOUND);
    });
  }

  claim("that were refused do no harm to what follows", async ({ backend, keep }) => {
    const one = keep(backend.allocate(2, 3));
    const sum = keep(backend.add(one, one));
    await assertHeld(backend, [{ what: "zeros", held: sum, values: new Float64Array(6) }]);
  });
});
