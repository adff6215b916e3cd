/** The forward pass: each operation checks its shapes, makes its output and queues its kernels (`kernels/src/`). */
import * as kernels from "../../../kernels/pkg/kernels.js";
import type { AttentionShape, Tensor } from "../backend.ts";
import * as shapes from "../shapes.ts";
import { type Engine, own } from "./engine.ts";
import type { WasmTensor } from "./tensor.ts";

/** Bytes of a weight that are packed at a time: with the activations of a block they fit a shared last-level cache. */
const SLICE = 8 * 2 ** 20;
/** Bytes of packed keys and values that attention holds at a time (or one sequence's, if that is more). */
const PACKED = 16 * 2 ** 20;
/** Columns of a tile (`kernels/src/tile.rs`): a slice is whole panels. */
const PANEL = 8;

/** See `Backend.embed`. */
export function embed(engine: Engine, out: Tensor, ids: Uint32Array, table: Tensor, firstRow: number): void {
  shapes.embed(out, ids, table);
  const [o, t] = [own(out), own(table)];
  engine.withNumbers(ids, (numbers) => {
    engine.run("embed", "embed", numbers, ids.length, t.offset, t.code, firstRow, t.rows, t.cols, o.offset);
  });
}

/** See `Backend.linear`. */
export function linear(engine: Engine, x: Tensor, weight: Tensor, bias?: Tensor): WasmTensor {
  shapes.linear(x, weight, bias);
  const [a, w, b] = [own(x), own(weight), bias && own(bias)];
  return engine.filled(engine.tensor(a.rows, w.rows), (y) => {
    engine.scratch(engine.workers * kernels.linear_scratch() * 4, (scratch) => {
      slices(engine, "linear", w, (panels, first, rows) => {
        // deno-fmt-ignore
        engine.run("linear", "linear", a.offset, a.rows, a.cols, panels, first, rows,
          b?.offset ?? 0, b?.code ?? 0, y.offset, y.cols, scratch);
      });
    });
  });
}

/** Packs a weight slice by slice of its rows; `use` queues what is done with each packed slice. */
function slices(
  engine: Engine,
  operation: string,
  weight: WasmTensor,
  use: (panels: number, first: number, rows: number) => void,
): void {
  const { rows, cols } = weight;
  const count = Math.ceil(rows * cols * 4 / SLICE);
  const most = Math.ceil(rows / count / PANEL) * PANEL;
  engine.scratch(most * cols * 4, (panels) => {
    for (let first = 0; first < rows; first += most) {
      const some = Math.min(most, rows - first);
      engine.run(operation, "pack_slice", weight.offset, weight.code, cols, first, some, panels);
      use(panels, first, some);
    }
  });
}

/** See `Backend.rmsNorm`. */
export function rmsNorm(engine: Engine, x: Tensor, gain: Tensor, epsilon: number): WasmTensor {
  shapes.rmsNorm(x, gain);
  const [a, g] = [own(x), own(gain)];
  const out = engine.tensor(a.rows, a.cols);
  const runs = a.rows * (a.cols / g.cols);
  engine.run("rmsNorm", "rms_norm", a.offset, runs, g.cols, g.offset, g.code, epsilon, out.offset);
  return out;
}

/** See `Backend.rotate`. */
export function rotate(engine: Engine, x: Tensor, angles: Tensor): WasmTensor {
  shapes.rotate(x, angles);
  const [a, turn] = [own(x), own(angles)];
  const out = engine.tensor(a.rows, a.cols);
  const heads = a.cols / turn.cols;
  engine.run("rotate", "rotate", a.offset, a.rows, heads, turn.cols, turn.offset, turn.rows, out.offset);
  return out;
}

/** See `Backend.attention`. */
export function attention(engine: Engine, q: Tensor, k: Tensor, v: Tensor, shape: AttentionShape): WasmTensor {
  shapes.attention(q, k, v, shape);
  const { length, heads, kvHeads } = shape;
  const [a, b, c] = [own(q), own(k), own(v)];
  const dim = a.cols / heads;
  const sequenceBytes = kvHeads * kernels.packed_floats(length, dim) * 4;
  const total = a.rows / length;
  const most = Math.min(total, Math.max(1, Math.floor(PACKED / sequenceBytes)));
  return engine.filled(engine.tensor(a.rows, a.cols), (out) => {
    engine.scratch(engine.workers * kernels.attention_scratch(length, dim) * 4, (scratch) => {
      engine.scratch(most * sequenceBytes, (packed) => {
        for (let first = 0; first < total; first += most) {
          const count = Math.min(most, total - first);
          const at = ({ offset, cols }: WasmTensor) => offset + first * length * cols * 4;
          engine.run("attention", "pack_keys_values", at(b), at(c), count, length, kvHeads, dim, packed);
          // deno-fmt-ignore
          engine.run("attention", "attention", at(a), packed, count, length, heads, kvHeads, dim, at(out), scratch);
        }
      });
    });
  });
}

/** See `Backend.swiglu`. */
export function swiglu(engine: Engine, gate: Tensor, up: Tensor): WasmTensor {
  return elementwise(engine, "swiglu", gate, up);
}

/** See `Backend.add`. */
export function add(engine: Engine, x: Tensor, y: Tensor): WasmTensor {
  return elementwise(engine, "add", x, y);
}

function elementwise(engine: Engine, kernel: "add" | "swiglu", x: Tensor, y: Tensor): WasmTensor {
  shapes.elementwise(kernel, x, y);
  const [a, b] = [own(x), own(y)];
  const out = engine.tensor(x.rows, x.cols);
  engine.run(kernel, kernel, a.offset, b.offset, x.rows * x.cols, out.offset);
  return out;
}

/** See `Backend.crossEntropy`. */
export function crossEntropy(
  engine: Engine,
  state: Tensor,
  hidden: Tensor,
  head: Tensor,
  firstRow: number,
  targets: Uint32Array,
  start: boolean,
): void {
  shapes.crossEntropy(state, hidden, head, targets);
  const [s, h, w] = [own(state), own(hidden), own(head)];
  engine.withNumbers(targets, (numbers) => {
    engine.scratch(engine.workers * kernels.cross_entropy_scratch() * 4, (scratch) => {
      slices(engine, "crossEntropy", w, (panels, first, rows) => {
        // deno-fmt-ignore
        engine.run("crossEntropy", "cross_entropy", h.offset, h.rows, h.cols, panels, firstRow + first, rows,
          numbers, s.offset, start && first === 0, scratch);
      });
    });
  });
}
