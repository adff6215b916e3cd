/**
 * The claim of determinism: the same calls give the same bytes, run again, on a fresh backend, and on every subject that
 * says it `agrees` (one worker or two). The program here calls every operation, at sizes that are worth splitting.
 */
import { type Backend, type Choice, type Mask, patternName, type Tensor } from "../../src/backend/backend.ts";
import { packByHand } from "../reference/packed.ts";
import { assertSameBytes, upload } from "./contract.ts";
import { type Draw, draw, NORMAL } from "./matrices.ts";
import { SUBJECTS } from "./subjects.ts";

/** A step of the optimiser. */
const ADAMW = { rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.1, step: 1, scale: 0.7 };

/** Results of every operation, by its name. */
async function everything(backend: Backend, headDim = 40): Promise<Map<string, Uint8Array>> {
  using scope = new DisposableStack();
  const results: [string, Tensor | Mask][] = [];
  const keep = <T extends Tensor | Mask>(operation: string, one: T): T => {
    results.push([operation, scope.use(one)]);
    return one;
  };
  const held = (
    seed: number,
    rows: number,
    cols: number,
    dtype: Tensor["dtype"] = "F32",
    each: Draw = NORMAL,
  ): Tensor => scope.use(upload(backend, draw(seed, rows, cols, dtype, each)));
  const tokens = 2 * 67,
    heads = 6,
    kvHeads = 2,
    width = heads * headDim,
    shape = { offsets: Uint32Array.of(0, 67, tokens), heads, kvHeads, scale: 1 / Math.sqrt(headDim) };
  const ids = Uint32Array.from({ length: tokens }, (_, t) => t * 31 % 301);

  const x = keep("embed", backend.allocate(tokens, width));
  const table = held(1, 301, width, "F16");
  backend.embed(x, ids, table, 0);
  const normed = keep("norm", backend.norm(x, held(2, 1, width, "BF16"), { kind: "rms", epsilon: 1e-5 }));
  const bias = held(11, heads, headDim, "F16");
  keep(
    "norm layer",
    backend.norm(x, held(12, heads, headDim), { kind: "layer", epsilon: 1e-5, bias, unitOffset: true }),
  );
  const q = keep(
    "linear",
    backend.linear(normed, held(3, width, width, "BF16"), held(4, 1, width)),
  );
  const kinds = [["F16", { n: 2, m: 4 }], ["I8", "bitmask", 32], ["I4", "dense", 32]] as const;
  for (const [valueType, pattern, group] of kinds) {
    const cols = width - width % 4, kind = { valueType, pattern, group };
    const keeps = (i: number, j: number) => (i + (j >> 2) + (j & 3)) % 4 < 2;
    const data = packByHand(301, cols, kind, (i, j) => (i * 7 + j) % 15 - 7, keeps);
    const weight = scope.use(backend.uploadPacked(data)), name = `${valueType} ${patternName(pattern)}`;
    keep(`expand ${name}`, backend.expand(weight));
    for (const tokens of [1, 3, 40]) keep(`linear ${name} ${tokens}`, backend.linear(held(20, tokens, cols), weight));
  }
  const k = keep("linear narrow", backend.linear(normed, held(5, kvHeads * headDim, width, "F16")));
  const v = keep("linear F32", backend.linear(normed, held(6, kvHeads * headDim, width)));
  const angles = held(7, tokens, headDim - 8), turn = { headDim, layout: "half" } as const;
  keep("rotate neighbours", backend.rotate(q, angles, { headDim, layout: "neighbours" }));
  const mixed = keep(
    "attention",
    backend.attention(
      keep("rotate", backend.rotate(q, angles, turn)),
      keep("rotate k", backend.rotate(k, angles, turn)),
      v,
      shape,
    ),
  );
  keep(
    "attention with every option",
    backend.attention(q, k, v, {
      ...shape,
      offsets: Uint32Array.of(0, 9, 100, tokens),
      window: 13,
      softCap: 2,
      slopes: Float32Array.from({ length: heads }, (_, head) => 2 ** -head),
    }),
  );
  // A few tokens take a way of their own, in every dtype, and so do a few queries, whatever they see.
  const few = held(14, 3, width),
    seen = [k, v].map((rows, at) => {
      const narrow = scope.use(backend.allocate(tokens, kvHeads * headDim, "F16"));
      backend.setRows(narrow, rows, Uint32Array.from({ length: tokens }, (_, t) => tokens - 1 - t));
      return keep(`rows in F16 ${at}`, narrow);
    });
  for (const dtype of ["F32", "F16", "BF16"] as const) {
    keep(`linear of few ${dtype}`, backend.linear(few, held(15, width, width, dtype), held(4, 1, width)));
  }
  const spans = [Uint32Array.of(3, 70, 80, tokens), Uint32Array.of(0, tokens)];
  for (const [dtype, [keys, values]] of [["F32", [k, v]], ["F16", seen]] as const) {
    keep(
      `attention of few ${dtype}`,
      backend.attention(few, keys, values, { ...shape, offsets: Uint32Array.of(0, 2, 3), spans }),
    );
    keep(`attention to spans ${dtype}`, backend.attention(q, keys, values, { ...shape, spans }));
  }
  const sum = keep("add", backend.add(x, mixed));
  const gated = keep("gate", backend.gate(sum, mixed, "silu"));
  for (const kind of ["gelu", "gelu_tanh", "relu"] as const) keep(`map ${kind}`, backend.map(sum, { kind }));
  keep("map scale", backend.map(sum, { kind: "scale", factor: 0.3 }));
  keep("map soft cap", backend.map(sum, { kind: "soft_cap", cap: 2 }));
  keep("slice", backend.slice(sum, 3, 5, headDim));
  const state = keep("crossEntropy", backend.allocate(tokens, 3));
  backend.crossEntropy(state, gated, table, 0, ids, { start: true });
  const capped = keep("crossEntropy capped", backend.allocate(tokens, 3));
  backend.crossEntropy(capped, gated, table, 0, ids, { start: true, softCap: 2 });
  const rows = Uint32Array.from({ length: tokens }, (_, t) => tokens - 1 - t);
  backend.addRows(keep("addRows", backend.copy(gated)), mixed, rows, new Float32Array(tokens).fill(0.3));
  backend.setRows(keep("setRows", backend.allocate(tokens, width, "F16")), mixed, rows);
  keep("rotate back", backend.rotate(q, angles, { ...turn, inverse: true }));
  keep("linearBackward", backend.linearBackward(sum, held(3, width, width, "BF16")));
  backend.addWeightGradient(keep("addWeightGradient", held(13, width, width)), sum, mixed);
  backend.addColumnSums(keep("addColumnSums", held(14, 1, width)), sum);
  const gradients = { gain: keep("gain", held(15, heads, headDim)), bias: keep("bias", held(16, heads, headDim)) };
  const layer = { kind: "layer", epsilon: 1e-5 } as const;
  keep("normBackward", backend.normBackward(x, held(12, heads, headDim), sum, layer, gradients));
  backend.attentionBackward(q, k, v, sum, shape).forEach((one, i) => keep(`attentionBackward ${i}`, one));
  keep("mapBackward", backend.mapBackward(sum, mixed, { kind: "gelu" }));
  backend.gateBackward(sum, mixed, x, "silu").forEach((one, i) => keep(`gateBackward ${i}`, one));
  const columns = held(17, tokens, heads * 5);
  backend.sliceBackward(keep("sliceBackward", held(18, tokens, width)), columns, 3, headDim);
  backend.embedBackward(keep("embedBackward", held(19, 301, width)), ids, sum, 0);
  const shares = new Float32Array(tokens).fill(1 / tokens), logits = keep("logits", backend.linear(gated, table));
  keep("crossEntropyBackward", backend.crossEntropyBackward(state, logits, 0, ids, shares));
  backend.crossEntropyOfLogits(keep("crossEntropyOfLogits", backend.allocate(tokens, 3)), logits, 0, ids, {
    start: true,
  });
  keep("dotRows", backend.dotRows(sum, mixed));
  const sums = keep("addSquares", backend.allocate(2, width)), other = keep("merge", backend.allocate(2, width));
  for (const each of [sum, mixed, gated]) backend.addSquares(sums, each);
  backend.merge(other, sums);
  backend.merge(other, sums);
  const statistic = keep("finish", backend.finish(sums, 1 / 3));
  const weight = keep("apply", held(8, 131, width, "F16"));
  const scores = keep("score", backend.score(weight, { kind: "activation", statistic }));
  keep("selectSmallest row", backend.selectSmallest(scores, { group: 1, sparsity: 0.5, rule: "count" }));
  keep("selectSmallest column", backend.selectSmallest(scores, { group: "column", sparsity: 0.5, rule: "count" }));
  keep("selectSmallest layer", backend.selectSmallest(scores, { group: 131, sparsity: 0.5, rule: "threshold" }));
  keep("selectCumulative", backend.selectCumulative(scores, 0.5));
  backend.apply(weight, keep("selectGroups", backend.selectGroups(scores, 2, 4)));

  const gram = keep("addGram", backend.allocate(2 * width, width));
  for (const each of [x, mixed, gated]) backend.addGram(gram, each);
  const hessian = keep("finish a second moment", backend.finish(gram, 2));
  const factor = scope.use((await backend.inverseFactor(hessian, 0.01))!);
  results.push(["inverseFactor", factor.upper], ["inverseFactor's dead columns", factor.dead]);
  keep("score relative", backend.score(weight, { kind: "relative", statistic }));
  keep("countAbove", backend.countAbove(scores, 0.5));
  const zeros = keep("zeros", backend.zeros(weight));
  keep("density", backend.density(zeros, 64, 7));
  for (const each of [weight, scores]) {
    keep(`extremes ${each.dtype}`, backend.extremes(each, zeros));
    keep(`histogram ${each.dtype}`, backend.histogram(each, 128));
  }
  const curvature = { kind: "curvature" } as const, activation = { kind: "activation", statistic } as const;
  const choices: Choice[] = [
    { kind: "mask", mask: scope.use(backend.selectSmallest(scores, { group: 1, sparsity: 0.5, rule: "count" })) },
    { kind: "threshold", formula: curvature, sparsity: 0.5 },
    { kind: "groups", formula: activation, n: 2, m: 4 },
  ];
  for (const choice of choices) {
    for (const before of [weight, held(9, 131, width), held(10, 131, width, "BF16")]) {
      const after = keep(`eliminate ${choice.kind} ${before.dtype}`, backend.copy(before));
      keep(`eliminate's mask ${choice.kind} ${before.dtype}`, backend.eliminate(after, factor, choice, 128));
      keep(`error ${choice.kind} ${before.dtype}`, backend.error(before, after, hessian));
    }
  }
  const unit = keep("equilibrate", backend.equilibrate(hessian, statistic)), mask = keep("mask", backend.zeros(weight));
  const r = keep("combine", backend.combine([{ tensor: weight, kept: 1, removed: -1 }], { mask, columns: statistic }));
  backend.combineInto([{ tensor: r, kept: 2, unscaled: true }, { tensor: weight, kept: 1, removed: 0 }], {
    mask,
    columns: statistic,
  });
  keep("maskRows", backend.maskRows(mask, 3, 60));
  backend.apply(r, mask);
  const best = keep("conjugate", backend.allocate(131, width)), p = keep("direction", backend.copy(r));
  for (let step = 0; step < 2; step++) {
    backend.conjugate({ x: best, r, p }, keep(`product ${step}`, backend.linear(p, unit)), mask);
  }
  backend.assign(keep("assign", backend.copy(weight)), best);
  backend.assign(keep("assign, stochastically", backend.allocate(131, width, "BF16")), best, { key: 2 ** 31 + 7 });
  const moments = {
    first: keep("first moment", backend.allocate(131, width)),
    second: keep("second moment", backend.allocate(131, width)),
  };
  const trained = keep("adamw", held(13, 131, width)), sparse = { ...ADAMW, mask };
  for (const step of [1, 2]) backend.adamw(trained, moments, best, step === 1 ? ADAMW : { ...sparse, step });
  keep("dropout", backend.dropout(sum, { rate: 0.05, key: 2 ** 31 + 7 }));
  const bytes = await backend.read(...results.map(([, one]) => one));
  return new Map(results.map(([operation], i) => [operation, bytes[i]]));
}

/** What the first of the subjects that agree has given. */
const agreed = new Map<string, { readonly name: string; readonly bytes: Map<string, Uint8Array> }>();

for (const { name, ignore, open, agrees, headDim } of SUBJECTS) {
  Deno.test({
    name: `the same calls give the same bytes on ${name}`,
    ignore,
    async fn() {
      await using backend = await open();
      const first = await everything(backend, headDim);
      const assertSame = (found: Map<string, Uint8Array>, where: string): void =>
        first.forEach((bytes, operation) => assertSameBytes(found.get(operation)!, bytes, `${operation}, ${where}`));
      assertSame(await everything(backend, headDim), "run again");
      const other = agrees && agreed.get(agrees);
      if (other) assertSame(other.bytes, `${name} and ${other.name}`);
      else if (agrees) agreed.set(agrees, { name, bytes: first });
      await using fresh = await open();
      assertSame(await everything(fresh, headDim), "fresh");
    },
  });
}
