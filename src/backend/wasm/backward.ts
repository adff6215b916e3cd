/** The backward pass: each operation makes its outputs and queues its kernels (`kernels/src/*_backward.rs` and others). */
import * as kernels from "../../../kernels/pkg/kernels.js";
import type { Activation, AttentionOptions, MapFunction, NormGradients, NormOptions } from "../backend.ts";
import { FUNCTION_CODES, functionFactor } from "../codes.ts";
import { groupTokens } from "../groups.ts";
import type { Engine } from "./engine.ts";
import { words } from "../words.ts";
import { slicesOf } from "./forward.ts";
import type { Owned, WasmTensor } from "./tensor.ts";

/** See `Backend.linearBackward`. */
export function linearBackward(engine: Engine, dy: WasmTensor, weight: WasmTensor): WasmTensor {
  return engine.filled(engine.tensor(dy.rows, weight.cols), (dx) => {
    engine.scratch(engine.workers * kernels.linear_scratch() * 4, (scratch) => {
      const { most, parts } = slicesOf(weight.cols, weight.rows);
      engine.scratch(most * weight.rows * 4, (panels) => {
        for (const { first, some } of parts) {
          // deno-fmt-ignore
          engine.run("linearBackward", "pack_columns", weight.offset, weight.code, weight.rows, weight.cols, first, some, panels);
          // deno-fmt-ignore
          engine.run("linearBackward", "linear", dy.offset, dy.rows, dy.cols, panels, first, some, 0, 0, dx.offset, dx.cols, scratch);
        }
      });
    });
  });
}

/** See `Backend.addWeightGradient`. */
export function addWeightGradient(
  engine: Engine,
  gradient: WasmTensor,
  dy: WasmTensor,
  x: WasmTensor,
  firstRow = 0,
): void {
  const to = gradient.offset + firstRow * gradient.cols * 4;
  const runs = Math.ceil(dy.rows / kernels.outer_run()), most = Math.ceil(dy.rows / runs);
  engine.scratch(kernels.outer_scratch(most, dy.cols, x.cols) * 4, (strips) => {
    for (let first = 0; first < dy.rows; first += most) {
      const tokens = Math.min(most, dy.rows - first);
      const [a, b] = [dy, x].map(({ offset, cols }) => offset + first * cols * 4);
      engine.run("addWeightGradient", "pack_outer", a, dy.cols, b, x.cols, tokens, strips);
      engine.run("addWeightGradient", "add_outer", strips, dy.cols, x.cols, tokens, to);
    }
  });
}

/** See `Backend.addColumnSums`. */
export function addColumnSums(engine: Engine, gradient: WasmTensor, dy: WasmTensor): void {
  engine.run("addColumnSums", "add_column_sums", dy.offset, dy.rows, dy.cols, gradient.offset);
}

/** See `Backend.normBackward`. */
export function normBackward(
  engine: Engine,
  x: WasmTensor,
  gain: WasmTensor,
  dy: WasmTensor,
  { kind, epsilon, unitOffset = false }: Owned<NormOptions>,
  gradients: Owned<NormGradients> = {},
): WasmTensor {
  const perRow = x.cols / gain.cols, runs = x.rows * perRow;
  return engine.filled(engine.tensor(x.rows, x.cols), (out) => {
    engine.scratch(runs * 16, (moments) => {
      // deno-fmt-ignore
      engine.run("normBackward", "norm_backward", x.offset, dy.offset, runs, gain.cols, perRow, gain.offset, gain.code, gain.rows,
        kind === "layer", unitOffset, epsilon, moments, out.offset);
      if (!gradients.gain && !gradients.bias) return;
      // deno-fmt-ignore
      engine.run("normBackward", "norm_gradients", x.offset, dy.offset, runs, gain.cols, perRow, gain.rows, moments,
        gradients.gain?.offset ?? 0, gradients.bias?.offset ?? 0);
    });
  });
}

/** See `Backend.attentionBackward`. */
export function attentionBackward(
  engine: Engine,
  q: WasmTensor,
  k: WasmTensor,
  v: WasmTensor,
  dy: WasmTensor,
  { offsets, heads, kvHeads, scale, window = Infinity, softCap = 0, slopes }: AttentionOptions,
): [WasmTensor, WasmTensor, WasmTensor] {
  const dim = q.cols / heads, shared = heads / kvHeads, count = offsets.length - 1;
  const most = offsets.reduce((most, end, i) => Math.max(most, i > 0 ? end - offsets[i - 1] : 0), 0);
  using made = new DisposableStack();
  const [dq, dk, dv] = [q, k, v].map(({ rows, cols }) => made.use(engine.tensor(rows, cols)));
  const queue = (slopesAt: number) => {
    engine.withNumbers(offsets, (offsetsAt) => {
      engine.scratch(engine.workers * kernels.attention_backward_scratch(most, dim) * 4, (scratch) => {
        const compute = (byKeys: number, byValues: number) =>
          // deno-fmt-ignore
          engine.run("attentionBackward", "attention_backward", q.offset, k.offset, v.offset, dy.offset, offsetsAt, count, most,
            heads, kvHeads, dim, scale, window < most ? window : 0, softCap, slopesAt, dq.offset, byKeys, byValues, scratch);
        if (shared === 1) return compute(dk.offset, dv.offset);
        // Heads that share keys each leave their own sums.
        engine.scratch(2 * q.bytes, (wide) => {
          compute(wide, wide + q.bytes);
          [dk, dv].forEach(({ offset }, i) => {
            engine.run("attentionBackward", "sum_heads", wide + i * q.bytes, q.rows, kvHeads, shared, dim, offset);
          });
        });
      });
    });
  };
  if (slopes) engine.withNumbers(words(slopes), queue);
  else queue(0);
  made.move(); // they are the caller's
  return [dq, dk, dv];
}

/** See `Backend.mapBackward`. */
export function mapBackward(engine: Engine, x: WasmTensor, dy: WasmTensor, fn: MapFunction): WasmTensor {
  const out = engine.tensor(x.rows, x.cols);
  // deno-fmt-ignore
  engine.run("mapBackward", "activate_backward", FUNCTION_CODES[fn.kind], x.offset, 0, dy.offset, x.rows * x.cols,
    functionFactor(fn), out.offset, 0);
  return out;
}

/** See `Backend.gateBackward`. */
export function gateBackward(
  engine: Engine,
  gate: WasmTensor,
  up: WasmTensor,
  dy: WasmTensor,
  activation: Activation,
): [WasmTensor, WasmTensor] {
  using made = new DisposableStack();
  const [byGate, byUp] = [gate, up].map(({ rows, cols }) => made.use(engine.tensor(rows, cols)));
  // deno-fmt-ignore
  engine.run("gateBackward", "activate_backward", FUNCTION_CODES[activation], gate.offset, up.offset, dy.offset,
    gate.rows * gate.cols, 0, byGate.offset, byUp.offset);
  made.move(); // they are the caller's
  return [byGate, byUp];
}

/** See `Backend.sliceBackward`. */
export function sliceBackward(
  engine: Engine,
  gradient: WasmTensor,
  dy: WasmTensor,
  first: number,
  period: number,
): void {
  const runs = gradient.cols / period;
  engine.run(
    "sliceBackward",
    "add_slice",
    dy.offset,
    dy.rows * runs,
    period,
    first,
    dy.cols / runs,
    gradient.offset,
  );
}

/** See `Backend.embedBackward`. */
export function embedBackward(
  engine: Engine,
  gradient: WasmTensor,
  ids: Uint32Array,
  dy: WasmTensor,
  firstRow: number,
): void {
  const { rows, starts, tokens } = groupTokens(ids, firstRow, gradient.rows);
  if (!rows.length) return;
  engine.withNumbers(Uint32Array.from([...rows, ...starts, ...tokens]), (at) => {
    const startsAt = at + rows.byteLength, tokensAt = startsAt + starts.byteLength;
    // deno-fmt-ignore
    engine.run("embedBackward", "embed_backward", dy.offset, dy.cols, at, rows.length, startsAt, tokensAt, gradient.offset);
  });
}

/** See `Backend.crossEntropyBackward`. */
export function crossEntropyBackward(
  engine: Engine,
  state: WasmTensor,
  logits: WasmTensor,
  firstRow: number,
  targets: Uint32Array,
  weights: Float32Array,
  softCap = 0,
): WasmTensor {
  return engine.filled(engine.tensor(logits.rows, logits.cols), (out) => {
    engine.withNumbers(targets, (targetsAt) => {
      engine.withNumbers(words(weights), (weightsAt) => {
        // deno-fmt-ignore
        engine.run("crossEntropyBackward", "cross_entropy_backward", logits.offset, logits.rows, logits.cols, firstRow, targetsAt,
          weightsAt, state.offset, softCap, out.offset);
      });
    });
  });
}

/** See `Backend.dotRows`. */
export function dotRows(engine: Engine, x: WasmTensor, y: WasmTensor): WasmTensor {
  const out = engine.tensor(x.rows, 1);
  engine.run("dotRows", "dot_rows", x.offset, y.offset, x.rows, x.cols, out.offset);
  return out;
}
