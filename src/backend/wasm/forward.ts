/** The forward pass: each operation checks its shapes, makes its output and queues its kernels (`kernels/src/`). */
import * as kernels from "../../../kernels/pkg/kernels.js";
import type { AttentionShape, Tensor } from "../backend.ts";
import { type Engine, expect, expectShape, own } from "./engine.ts";
import type { WasmTensor } from "./tensor.ts";

/** Bytes of a weight that are packed at a time: with the activations of a block they fit a shared last-level cache. */
const SLICE = 8 * 2 ** 20;
/** Bytes of packed keys and values that attention holds at a time (or one sequence's, if that is more). */
const PACKED = 16 * 2 ** 20;
/** Columns of a tile (`kernels/src/tile.rs`): a slice is whole panels. */
const PANEL = 8;

export function embed(engine: Engine, out: Tensor, ids: Uint32Array, table: Tensor, firstRow: number): void {
  const [o, t] = [own("embed", "out", out, "F32"), own("embed", "table", table)];
  expectShape("embed", "out", o, ids.length, t.cols);
  engine.withNumbers(ids, (numbers) => {
    engine.run("embed", "embed", numbers, ids.length, t.offset, t.code, firstRow, t.rows, t.cols, o.offset);
  });
}

export function linear(engine: Engine, x: Tensor, weight: Tensor, bias?: Tensor): WasmTensor {
  const [a, w] = [own("linear", "x", x, "F32"), own("linear", "weight", weight)];
  const b = bias && own("linear", "bias", bias);
  expect(w.cols === a.cols, "linear", `weight with ${a.cols} columns, as x`, w.cols);
  if (b) expectShape("linear", "bias", b, 1, w.rows);
  const y = engine.tensor(a.rows, w.rows);
  engine.scratch(engine.workers * kernels.linear_scratch() * 4, (scratch) => {
    slices(engine, "linear", w, (panels, first, rows) => {
      // deno-fmt-ignore
      engine.run("linear", "linear", a.offset, a.rows, a.cols, panels, first, rows,
        b?.offset ?? 0, b?.code ?? 0, y.offset, y.cols, scratch);
    });
  });
  return y;
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

export function rmsNorm(engine: Engine, x: Tensor, gain: Tensor, epsilon: number): WasmTensor {
  const [a, g] = [own("rmsNorm", "x", x, "F32"), own("rmsNorm", "gain", gain)];
  expect(g.rows === 1, "rmsNorm", "gain with 1 row", g.rows);
  expect(a.cols % g.cols === 0, "rmsNorm", `gain with a divisor of ${a.cols} columns`, g.cols);
  const out = engine.tensor(a.rows, a.cols);
  const runs = a.rows * (a.cols / g.cols);
  engine.run("rmsNorm", "rms_norm", a.offset, runs, g.cols, g.offset, g.code, epsilon, out.offset);
  return out;
}

export function rotate(engine: Engine, x: Tensor, angles: Tensor): WasmTensor {
  const [a, turn] = [own("rotate", "x", x, "F32"), own("rotate", "angles", angles, "F32")];
  expect(turn.cols % 2 === 0, "rotate", "angles with an even number of columns", turn.cols);
  expect(a.cols % turn.cols === 0, "rotate", `x with a multiple of ${turn.cols} columns`, a.cols);
  const out = engine.tensor(a.rows, a.cols);
  const heads = a.cols / turn.cols;
  engine.run("rotate", "rotate", a.offset, a.rows, heads, turn.cols, turn.offset, turn.rows, out.offset);
  return out;
}

export function attention(engine: Engine, q: Tensor, k: Tensor, v: Tensor, shape: AttentionShape): WasmTensor {
  const { length, heads, kvHeads } = shape;
  const [a, b, c] = [own("attention", "q", q, "F32"), own("attention", "k", k, "F32"), own("attention", "v", v, "F32")];
  expect(a.rows % length === 0, "attention", `q with a multiple of ${length} rows`, a.rows);
  expect(a.cols % heads === 0, "attention", `q with a multiple of ${heads} columns`, a.cols);
  expect(heads % kvHeads === 0, "attention", `kvHeads to divide ${heads}`, kvHeads);
  const dim = a.cols / heads;
  expectShape("attention", "k", b, a.rows, kvHeads * dim);
  expectShape("attention", "v", c, a.rows, kvHeads * dim);
  const out = engine.tensor(a.rows, a.cols);
  const sequenceBytes = kvHeads * kernels.packed_floats(length, dim) * 4;
  const total = a.rows / length;
  const most = Math.min(total, Math.max(1, Math.floor(PACKED / sequenceBytes)));
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
  return out;
}

export function swiglu(engine: Engine, gate: Tensor, up: Tensor): WasmTensor {
  return zip(engine, "swiglu", own("swiglu", "gate", gate, "F32"), own("swiglu", "up", up, "F32"));
}

export function add(engine: Engine, x: Tensor, y: Tensor): WasmTensor {
  return zip(engine, "add", own("add", "x", x, "F32"), own("add", "y", y, "F32"));
}

function zip(engine: Engine, kernel: "add" | "swiglu", x: WasmTensor, y: WasmTensor): WasmTensor {
  expectShape(kernel, "the second tensor", y, x.rows, x.cols);
  const out = engine.tensor(x.rows, x.cols);
  engine.run(kernel, kernel, x.offset, y.offset, x.rows * x.cols, out.offset);
  return out;
}

export function crossEntropy(
  engine: Engine,
  state: Tensor,
  hidden: Tensor,
  head: Tensor,
  firstRow: number,
  targets: Uint32Array,
  start: boolean,
): void {
  const name = "crossEntropy";
  const [s, h, w] = [own(name, "state", state, "F32"), own(name, "hidden", hidden, "F32"), own(name, "head", head)];
  expectShape(name, "state", s, h.rows, 3);
  expect(w.cols === h.cols, name, `head with ${h.cols} columns, as hidden`, w.cols);
  expect(targets.length === h.rows, name, `${h.rows} targets`, targets.length);
  engine.withNumbers(targets, (numbers) => {
    engine.scratch(engine.workers * kernels.cross_entropy_scratch() * 4, (scratch) => {
      slices(engine, name, w, (panels, first, rows) => {
        // deno-fmt-ignore
        engine.run(name, "cross_entropy", h.offset, h.rows, h.cols, panels, firstRow + first, rows,
          numbers, s.offset, start && first === 0, scratch);
      });
    });
  });
}
