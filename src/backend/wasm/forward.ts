/** The forward pass: each operation makes its output and queues its kernels (`kernels/src/`); shapes are checked by `bind.ts`. */
import * as kernels from "../../../kernels/pkg/kernels.js";
import type { Activation, CrossEntropyOptions, MapFunction, NormOptions, RotateOptions } from "../backend.ts";
import { DTYPE_CODES, FUNCTION_CODES, functionFactor } from "../codes.ts";
import { words } from "../words.ts";
import type { Engine } from "./engine.ts";
import { expandedRows } from "./packed.ts";
import type { Kernel, KernelArguments, Uses } from "./team.ts";
import { type Held, type Owned, WasmPacked, type WasmTensor } from "./tensor.ts";

/** Bytes of a weight that are packed at a time: with the activations of a block they fit a shared last-level cache. */
const SLICE = 8 * 2 ** 20;
/** Tokens that are multiplied with a weight as it lies: packing it for fewer costs more than it gives. */
const FEW = 8;
/** Columns of a tile (`kernels/src/tile.rs`): a slice is whole panels. */
const PANEL = 8;

/** Numbers of a result that each worker computes for itself: as many as a chunk of these kernels has, some microseconds. */
const SHORT = 16384;

/** What a kernel reads and writes, as `Team.runSoon` asks. */
export function usesOf(reads: readonly (Held | undefined)[], out: Held): Uses {
  return { reads: reads.flatMap((held) => held?.offset ?? []), writes: [out.offset] };
}

/**
 * Queues a kernel that computes each number of its result from those that it reads, and writes it once: of a short one each
 * worker does all.
 */
function runShort<K extends Kernel>(
  engine: Engine,
  operation: string,
  reads: readonly (WasmTensor | undefined)[],
  out: WasmTensor,
  kernel: K,
  ...args: KernelArguments<K>
): void {
  // Of rows that are written into a larger tensor, those count.
  const { rows, cols } = kernel === "set_rows" ? reads[0]! : out;
  if (rows * cols > SHORT) engine.run(operation, kernel, ...args);
  else engine.runSoon(operation, { ...usesOf(reads, out), alone: true }, kernel, ...args);
}

/** See `Backend.embed`. */
export function embed(engine: Engine, out: WasmTensor, ids: Uint32Array, table: WasmTensor, firstRow: number): void {
  const [o, t] = [out, table];
  engine.withNumbers(ids, (numbers) => {
    engine.run("embed", "embed", numbers, ids.length, t.offset, t.code, firstRow, t.rows, t.cols, o.offset);
  });
}

/** See `Backend.linear`. */
export function linear(
  engine: Engine,
  x: WasmTensor,
  weight: WasmTensor | WasmPacked,
  bias?: WasmTensor,
): WasmTensor {
  if (weight instanceof WasmPacked) return packedLinear(engine, x, weight, bias);
  const [a, w, b] = [x, weight, bias];
  return engine.filled(engine.tensor(a.rows, w.rows), (y) => {
    if (a.rows <= FEW) {
      engine.scratch(engine.workers * kernels.few_scratch(a.rows, a.cols) * 4, (scratch) => {
        // deno-fmt-ignore
        engine.runSoon("linear", usesOf([a, w, b], y), "linear_few", a.offset, a.rows, a.cols, w.offset, w.code, w.rows,
          b?.offset ?? 0, b?.code ?? 0, y.offset, scratch);
      });
      return;
    }
    engine.scratch(engine.workers * kernels.linear_scratch() * 4, (scratch) => {
      slices(engine, "linear", w, (panels, first, rows) => {
        // deno-fmt-ignore
        engine.run("linear", "linear", a.offset, a.rows, a.cols, panels, first, rows,
          b?.offset ?? 0, b?.code ?? 0, y.offset, y.cols, scratch);
      });
    });
  });
}

/** Rows of a weight that is packed slice by slice, or columns: whole panels, but for the last slice. */
export interface Slices {
  /** The most of a slice. */
  readonly most: number;
  readonly parts: readonly { readonly first: number; readonly some: number }[];
}

/** The slices of `count` rows (or columns) of `depth` numbers. */
export function slicesOf(count: number, depth: number): Slices {
  const slices = Math.ceil(count * depth * 4 / SLICE), most = Math.ceil(count / slices / PANEL) * PANEL;
  const parts = [];
  for (let first = 0; first < count; first += most) parts.push({ first, some: Math.min(most, count - first) });
  return { most, parts };
}

/** A packed weight is multiplied as it lies with a few tokens, and expanded for many. */
function packedLinear(engine: Engine, x: WasmTensor, weight: WasmPacked, bias?: WasmTensor): WasmTensor {
  const [a, w, b] = [x, weight, bias];
  return engine.filled(engine.tensor(a.rows, w.rows), (y) => {
    if (a.rows <= FEW) {
      engine.scratch(engine.workers * kernels.packed_few_scratch(a.rows, a.cols) * 4, (scratch) => {
        // deno-fmt-ignore
        engine.runSoon("linear", usesOf([a, w, b], y), "packed_few", a.offset, a.rows, w.offset, b?.offset ?? 0, b?.code ?? 0, y.offset, scratch);
      });
      return;
    }
    engine.scratch(engine.workers * kernels.linear_scratch() * 4, (scratch) => {
      expandedRows(engine, "linear", w, SLICE, (wide, first, rows) => {
        engine.scratch(Math.ceil(rows / PANEL) * PANEL * w.cols * 4, (panels) => {
          engine.run("linear", "pack_slice", wide, DTYPE_CODES.F32, w.cols, 0, rows, panels);
          // deno-fmt-ignore
          engine.run("linear", "linear", a.offset, a.rows, a.cols, panels, first, rows,
            b?.offset ?? 0, b?.code ?? 0, y.offset, y.cols, scratch);
        });
      });
    });
  });
}

/** Packs a weight slice by slice of its rows; `use` queues what is done with each packed slice. */
function slices(
  engine: Engine,
  operation: string,
  { offset, code, rows, cols }: WasmTensor,
  use: (panels: number, first: number, rows: number) => void,
): void {
  const { most, parts } = slicesOf(rows, cols);
  engine.scratch(most * cols * 4, (panels) => {
    for (const { first, some } of parts) {
      engine.run(operation, "pack_slice", offset, code, cols, first, some, panels);
      use(panels, first, some);
    }
  });
}

/** See `Backend.norm`. */
export function norm(engine: Engine, x: WasmTensor, gain: WasmTensor, options: Owned<NormOptions>): WasmTensor {
  const { kind, epsilon, unitOffset = false } = options;
  const [a, g, b] = [x, gain, options.bias];
  const out = engine.tensor(a.rows, a.cols);
  const perRow = a.cols / g.cols;
  const args = [
    ...[a.offset, a.rows * perRow, g.cols, perRow, g.offset, g.code, g.rows, b?.offset ?? 0, b?.code ?? 0] as const,
    ...[kind === "layer", unitOffset, epsilon, out.offset] as const,
  ] as const;
  if (kind === "rms" && !b) runShort(engine, "norm", [a, g], out, "norm", ...args);
  // What is centred is read again where it was written, and so is what takes a bias: workers may not both do that.
  else engine.runSoon("norm", usesOf([a, g, b], out), "norm", ...args);
  return out;
}

/** See `Backend.rotate`. */
export function rotate(engine: Engine, x: WasmTensor, angles: WasmTensor, options: RotateOptions): WasmTensor {
  const { headDim, layout, inverse = false } = options;
  const [a, turn] = [x, angles];
  const out = engine.tensor(a.rows, a.cols);
  // deno-fmt-ignore
  runShort(engine, "rotate", [a, turn], out, "rotate", a.offset, a.rows, a.cols / headDim, headDim, turn.offset, turn.cols,
    layout === "neighbours", inverse, out.offset);
  return out;
}

/** See `Backend.map`. */
export function map(engine: Engine, x: WasmTensor, fn: MapFunction): WasmTensor {
  const by = functionFactor(fn);
  const a = x;
  const out = engine.tensor(a.rows, a.cols);
  runShort(engine, "map", [a], out, "activate", FUNCTION_CODES[fn.kind], a.offset, 0, a.rows * a.cols, by, out.offset);
  return out;
}

/** See `Backend.gate`. */
export function gate(engine: Engine, gate: WasmTensor, up: WasmTensor, activation: Activation): WasmTensor {
  const [a, b] = [gate, up];
  const out = engine.tensor(a.rows, a.cols);
  // deno-fmt-ignore
  runShort(engine, "gate", [a, b], out, "activate", FUNCTION_CODES[activation], a.offset, b.offset, a.rows * a.cols, 0,
    out.offset);
  return out;
}

/** See `Backend.slice`. */
export function slice(engine: Engine, x: WasmTensor, first: number, width: number, period: number): WasmTensor {
  const a = x;
  const runs = a.cols / period;
  const out = engine.tensor(a.rows, runs * width);
  runShort(engine, "slice", [a], out, "slice", a.offset, a.rows * runs, period, first, width, out.offset);
  return out;
}

/** See `Backend.add`. */
export function add(engine: Engine, x: WasmTensor, y: WasmTensor): WasmTensor {
  const [a, b] = [x, y];
  const out = engine.tensor(a.rows, a.cols);
  runShort(engine, "add", [a, b], out, "add", a.offset, b.offset, a.rows * a.cols, out.offset);
  return out;
}

/** See `Backend.crossEntropy`. */
export function crossEntropy(
  engine: Engine,
  state: WasmTensor,
  hidden: WasmTensor,
  head: WasmTensor,
  firstRow: number,
  targets: Uint32Array,
  options: CrossEntropyOptions = {},
): void {
  const { start = false, softCap = 0 } = options;
  const [s, h, w] = [state, hidden, head];
  engine.withNumbers(targets, (numbers) => {
    engine.scratch(engine.workers * kernels.cross_entropy_scratch() * 4, (scratch) => {
      slices(engine, "crossEntropy", w, (panels, first, rows) => {
        // deno-fmt-ignore
        engine.run("crossEntropy", "cross_entropy", h.offset, h.rows, h.cols, panels, firstRow + first, rows,
          numbers, s.offset, start && first === 0, softCap, scratch);
      });
    });
  });
}

/** See `Backend.crossEntropyOfLogits`. */
export function crossEntropyOfLogits(
  engine: Engine,
  state: WasmTensor,
  logits: WasmTensor,
  firstRow: number,
  targets: Uint32Array,
  { start = false, softCap = 0 }: CrossEntropyOptions = {},
): void {
  engine.withNumbers(targets, (numbers) => {
    // deno-fmt-ignore
    engine.run("crossEntropyOfLogits", "cross_entropy_of_logits", logits.offset, logits.rows, logits.cols, firstRow, numbers,
      state.offset, start, softCap);
  });
}

/** See `Backend.addRows`. */
export function addRows(
  engine: Engine,
  out: WasmTensor,
  x: WasmTensor,
  rows: Uint32Array,
  weights: Float32Array,
): void {
  const [o, a] = [out, x];
  engine.withNumbers(rows, (rowsAt) => {
    engine.withNumbers(words(weights), (weightsAt) => {
      engine.run("addRows", "add_rows", a.offset, a.rows, a.cols, rowsAt, weightsAt, o.offset);
    });
  });
}

/** See `Backend.setRows`. */
export function setRows(engine: Engine, out: WasmTensor, x: WasmTensor, rows: Uint32Array): void {
  const [o, a] = [out, x];
  engine.withNumbers(rows, (rowsAt) => {
    runShort(engine, "setRows", [a], o, "set_rows", a.offset, a.rows, a.cols, rowsAt, o.offset, o.code);
  });
}
