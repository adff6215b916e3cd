/** What operations are declared to cost, from shapes alone. */
import { assertEquals, assertThrows } from "@std/assert";
import type { Dtype } from "../../src/backend/backend.ts";
import { OPERATIONS } from "../../src/backend/operations/mod.ts";

const shape = (rows: number, cols: number, dtype: Dtype = "F32") => ({ rows, cols, dtype });

Deno.test("a linear costs two operations a weight and token, and reads and writes each number once", () => {
  const cost = OPERATIONS.linear.cost(shape(7, 30), shape(50, 30, "F16"), shape(1, 50, "BF16"));
  assertEquals(cost, { flops: 2 * 7 * 30 * 50, bytes: 7 * 30 * 4 + 50 * 30 * 2 + 50 * 2 + 7 * 50 * 4 });
});

Deno.test("attention costs four operations a dimension for every pair of tokens that see each other", () => {
  const options = { offsets: Uint32Array.of(0, 9, 10, 40), heads: 6, kvHeads: 2, scale: 1 };
  const cost = (window?: number) =>
    OPERATIONS.attention.cost(shape(40, 48), shape(40, 16), shape(40, 16), { ...options, window });
  const pairs = (window = Infinity) =>
    [9, 1, 30].flatMap((length) => Array.from({ length }, (_, t) => Math.min(t + 1, window))).reduce((a, b) => a + b);
  for (const window of [undefined, 1, 4, 9, 30, 99]) assertEquals(cost(window).flops, 4 * 48 * pairs(window));
  assertEquals(cost().bytes, 4 * (2 * 40 * 48 + 2 * 40 * 16));
});

Deno.test("every operation has a rule and a cost that is finite and no less than nothing", () => {
  const [x, sums, mask] = [shape(6, 8), shape(16, 8), { rows: 6, cols: 8 }], square = shape(8, 8);
  const ids = new Uint32Array(6), offsets = Uint32Array.of(0, 6), formula = { kind: "magnitude" } as const;
  const packedWeight = {
    rows: 5,
    cols: 8,
    valueType: "F16",
    pattern: "dense",
    bytes: 80,
    values: new Uint8Array(80),
  } as const;
  const calls: { [K in keyof typeof OPERATIONS]: Parameters<typeof OPERATIONS[K]["cost"]> } = {
    allocate: [6, 8],
    upload: [new Uint8Array(192), 6, 8, "F32"],
    read: [x, mask],
    copy: [x],
    embed: [x, ids, shape(9, 8, "F16"), 0],
    uploadPacked: [packedWeight],
    expand: [packedWeight],
    linear: [x, packedWeight],
    norm: [x, shape(2, 4), { kind: "layer", epsilon: 1e-5, bias: shape(2, 4) }],
    rotate: [x, shape(6, 2), { headDim: 4, layout: "half" }],
    attention: [x, shape(6, 4), shape(6, 4), { offsets, heads: 2, kvHeads: 1, scale: 1 }],
    map: [x, { kind: "gelu" }],
    gate: [x, x, "silu"],
    slice: [x, 1, 2, 4],
    add: [x, x],
    crossEntropy: [shape(6, 3), x, shape(9, 8), 0, ids],
    addRows: [shape(9, 8), x, Uint32Array.of(0, 1, 2, 3, 4, 5), new Float32Array(6)],
    setRows: [shape(9, 8), x, Uint32Array.of(0, 1, 2, 3, 4, 5)],
    linearBackward: [x, shape(8, 5, "F16")],
    addWeightGradient: [shape(8, 5), x, shape(6, 5)],
    addColumnSums: [shape(1, 8), x],
    normBackward: [x, shape(2, 4), x, { kind: "layer", epsilon: 1e-5 }, { gain: shape(2, 4), bias: shape(2, 4) }],
    attentionBackward: [x, shape(6, 4), shape(6, 4), x, { offsets, heads: 2, kvHeads: 1, scale: 1 }],
    mapBackward: [x, x, { kind: "gelu" }],
    gateBackward: [x, x, x, "silu"],
    sliceBackward: [x, shape(6, 4), 1, 4],
    embedBackward: [shape(9, 8), ids, x, 0],
    crossEntropyOfLogits: [shape(6, 3), x, 0, ids],
    crossEntropyBackward: [shape(6, 3), x, 0, ids, new Float32Array(6)],
    dotRows: [x, x],
    addSquares: [shape(2, 8), x],
    addGram: [sums, x],
    merge: [sums, sums],
    finish: [sums, 1],
    score: [x, { kind: "activation", statistic: shape(1, 8) }],
    selectSmallest: [x, { group: 1, sparsity: 0.5, rule: "count" }],
    selectGroups: [x, 2, 4],
    selectCumulative: [x, 0.5],
    apply: [x, mask],
    error: [x, x, square],
    countAbove: [x, 1],
    zeros: [x],
    density: [mask, 2, 3],
    extremes: [x, mask],
    histogram: [x, 128],
    inverseFactor: [square, 0.01],
    eliminate: [x, { upper: square, dead: shape(1, 8), damping: 0 }, { kind: "groups", formula, n: 2, m: 4 }, 4],
    equilibrate: [square, shape(1, 8)],
    combine: [[{ tensor: x, kept: 1 }, { tensor: shape(6, 8, "F16"), kept: 1, removed: 0 }], { mask }],
    combineInto: [[{ tensor: x, kept: 1 }, { tensor: shape(6, 8), kept: 1, unscaled: true }], { columns: shape(1, 8) }],
    maskRows: [mask, 2, 3],
    conjugate: [{ x: shape(6, 8), r: shape(6, 8), p: shape(6, 8) }, shape(6, 8), mask],
    assign: [shape(6, 8, "BF16"), x, { key: 7 }],
    adamw: [x, { first: x, second: x }, x, {
      rate: 1e-3,
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
      decay: 0,
      step: 1,
      mask,
    }],
    dropout: [x, { rate: 0.1, key: 7 }],
  };
  for (const name of Object.keys(OPERATIONS) as (keyof typeof OPERATIONS)[]) {
    const { check, cost } = OPERATIONS[name] as { check(...of: unknown[]): void; cost(...of: unknown[]): object };
    check(...calls[name]);
    for (const value of Object.values(cost(...calls[name]))) assertEquals(value >= 0 && value < Infinity, true, name);
  }
});

Deno.test("a rule needs no tensors either", () => {
  assertThrows(() => OPERATIONS.linear.check(shape(7, 30), shape(50, 31)), RangeError, "expected 31, found 30");
});
