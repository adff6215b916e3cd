/**
 * The forward operations of the WebGPU backend: how each is cut into dispatches along the tiles of its matrices. The
 * arithmetic is in the shaders.
 */
import {
  type Activation,
  BYTES,
  type CrossEntropyOptions,
  type MapFunction,
  type NormOptions,
  type RotateOptions,
} from "../backend.ts";
import { DTYPE_CODES, FUNCTION_CODES, functionFactor, NO_DTYPE } from "../codes.ts";
import { words } from "../words.ts";
import { type Device, line, THREADS, WORKGROUPS } from "./device.ts";
import { multiply } from "./linear.ts";
import { type Owned, runsOf, TiledTensor } from "./tensor.ts";
import { pad, wholeVectors } from "./vectors.ts";

/** Bytes of logits that exist at once, and of how many tokens: enough that packing the head costs little. */
const LOGITS_BYTES = 2 ** 25;
const LOGITS_TOKENS = 2 ** 10;

/** See {@linkcode Backend.embed}. */
export function embed(device: Device, out: TiledTensor, ids: Uint32Array, table: TiledTensor, firstRow: number): void {
  using held = uploadNumbers(device, ids);
  for (const { first, rows } of runsOf([out, held])) {
    for (const part of runsOf([table])) {
      const work = rows * out.cols;
      device.dispatch({
        shader: "embed",
        constants: { TABLE: DTYPE_CODES[table.dtype] },
        params: [rows, out.cols, out.placeOf(first), held.placeOf(first), firstRow + part.first, part.rows],
        buffers: [held.tileOf(first), table.tileOf(part.first), out.tileOf(first)],
        groups: line(work, THREADS),
        work,
      });
    }
  }
}

/** A column of u32, uploaded. */
export function uploadNumbers(device: Device, numbers: Uint32Array): TiledTensor {
  const held = new TiledTensor(device, numbers.length, 1, "F32");
  held.tiles.forEach((tile, i) => {
    const part = numbers.subarray(i * held.tileRows, (i + 1) * held.tileRows);
    device.write(tile, new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  });
  return held;
}

/** See {@linkcode Backend.norm}. */
export function norm(
  device: Device,
  x: TiledTensor,
  gain: TiledTensor,
  { kind, epsilon, unitOffset, bias }: Owned<NormOptions>,
): TiledTensor {
  const out = new TiledTensor(device, x.rows, x.cols, "F32");
  const perRow = x.cols / gain.cols;
  for (const { first, rows } of runsOf([x, out], Math.max(1, Math.floor(WORKGROUPS / perRow)))) {
    device.dispatch({
      shader: "norm",
      constants: {
        GAIN: DTYPE_CODES[gain.dtype],
        BIAS: bias ? DTYPE_CODES[bias.dtype] : NO_DTYPE,
        LAYER: kind === "layer" ? 1 : 0,
        UNIT: unitOffset ? 1 : 0,
        THREADS: device.tuning.lanes,
      },
      params: [gain.cols, x.placeOf(first) * perRow, { f32: epsilon }, perRow, gain.rows],
      // The gain is no larger than a row of x, and lies in one tile as that does.
      buffers: [x.tileOf(first), gain.tiles[0], (bias ?? gain).tiles[0], out.tileOf(first)],
      groups: [rows * perRow],
      work: rows * x.cols,
    });
  }
  return out;
}

/** See {@linkcode Backend.rotate}. */
export function rotate(
  device: Device,
  x: TiledTensor,
  angles: TiledTensor,
  { headDim, layout, inverse }: RotateOptions,
): TiledTensor {
  const out = new TiledTensor(device, x.rows, x.cols, "F32");
  for (const { first, rows } of runsOf([x, out, angles], Infinity, 0, x.rows)) {
    const work = rows * (x.cols / headDim) * (headDim - angles.cols / 2);
    device.dispatch({
      shader: "rotate",
      constants: { NEIGHBOURS: layout === "neighbours" ? 1 : 0, INVERSE: inverse ? 1 : 0 },
      params: [rows, x.cols, headDim, angles.cols, x.placeOf(first), angles.placeOf(first)],
      buffers: [x.tileOf(first), angles.tileOf(first), out.tileOf(first)],
      groups: line(work, THREADS),
      work,
    });
  }
  return out;
}

/** See {@linkcode Backend.map}. */
export function map(device: Device, x: TiledTensor, fn: MapFunction): TiledTensor {
  return activate(device, x, fn);
}

/** See {@linkcode Backend.gate}. */
export function gate(device: Device, gate: TiledTensor, up: TiledTensor, kind: Activation): TiledTensor {
  return activate(device, gate, { kind }, up);
}

/** A function of x, times `up` if there is one. */
function activate(device: Device, x: TiledTensor, fn: MapFunction, up?: TiledTensor): TiledTensor {
  const out = new TiledTensor(device, x.rows, x.cols, "F32");
  x.tiles.forEach((tile, i) => {
    const count = x.tileBytes(i) / 4;
    device.dispatch({
      shader: "activate",
      constants: { FUNCTION: FUNCTION_CODES[fn.kind], GATED: up ? 1 : 0 },
      params: [count, { f32: functionFactor(fn) }],
      buffers: [tile, up?.tiles[i] ?? tile, out.tiles[i]],
      groups: line(count, THREADS),
      work: count,
    });
  });
  return out;
}

/** See {@linkcode Backend.slice}. */
export function slice(device: Device, x: TiledTensor, first: number, width: number, period: number): TiledTensor {
  const runs = x.cols / period;
  const out = new TiledTensor(device, x.rows, runs * width, "F32");
  for (const run of runsOf([x, out])) {
    pad(
      device,
      {
        source: x.tileOf(run.first),
        dtype: x.dtype,
        at: x.placeOf(run.first) * x.cols + first,
        stride: period,
        rows: run.rows * runs,
        cols: width,
      },
      { out: out.tileOf(run.first), at: out.placeOf(run.first) * out.cols, stride: width, cols: width },
    );
  }
  return out;
}

/** See {@linkcode Backend.add}. */
export function add(device: Device, x: TiledTensor, y: TiledTensor): TiledTensor {
  const out = new TiledTensor(device, x.rows, x.cols, "F32");
  x.tiles.forEach((tile, i) => {
    const count = x.tileBytes(i) / 4;
    device.dispatch({
      shader: "add",
      params: [count],
      buffers: [tile, y.tiles[i], out.tiles[i]],
      groups: line(count, THREADS),
      work: count,
    });
  });
  return out;
}

/** See {@linkcode Backend.crossEntropy}. */
export function crossEntropy(
  device: Device,
  state: TiledTensor,
  hidden: TiledTensor,
  head: TiledTensor,
  firstRow: number,
  targets: Uint32Array,
  { start, softCap }: CrossEntropyOptions = {},
): void {
  using held = uploadNumbers(device, targets);
  using copy = wholeVectors(device, hidden);
  const vectors = copy ?? hidden;
  const numbers = Math.min(LOGITS_BYTES, device.bindingLimit) / 4;
  const tokens = Math.min(hidden.rows, LOGITS_TOKENS, numbers);
  const outputs = Math.min(head.rows, Math.floor(numbers / tokens));
  const logits = device.take(tokens * outputs * 4);
  for (const part of runsOf([head], outputs)) {
    for (const run of runsOf([vectors, state, held], tokens)) {
      multiply(
        device,
        { x: vectors, first: run.first, rows: run.rows },
        { weight: head, first: part.first, outputs: part.rows },
        { out: logits, row: 0, cols: part.rows, col: 0 },
      );
      foldLogits(device, state, held, run, {
        ...{ logits, row: 0, cols: part.rows, firstRow: firstRow + part.first },
        ...{ start: start && part.first === 0, softCap },
      });
    }
  }
  device.give(logits);
}

/** Takes logits of some tokens into their state. */
function foldLogits(
  device: Device,
  state: TiledTensor,
  targets: TiledTensor,
  { first, rows }: { readonly first: number; readonly rows: number },
  { logits, row, cols, firstRow, start, softCap }: CrossEntropyOptions & {
    readonly logits: GPUBuffer;
    /** Where their rows begin in the buffer. */
    readonly row: number;
    readonly cols: number;
    readonly firstRow: number;
  },
): void {
  device.dispatch({
    shader: "crossEntropy",
    constants: { CAPPED: softCap ? 1 : 0, THREADS: device.tuning.lanes },
    params: [
      cols,
      row,
      targets.placeOf(first),
      state.placeOf(first),
      firstRow,
      start ? 1 : 0,
      { f32: softCap ?? 0 },
    ],
    buffers: [logits, targets.tileOf(first), state.tileOf(first)],
    groups: [rows],
    work: rows * cols,
  });
}

/** See {@linkcode Backend.crossEntropyOfLogits}. */
export function crossEntropyOfLogits(
  device: Device,
  state: TiledTensor,
  logits: TiledTensor,
  firstRow: number,
  targets: Uint32Array,
  { start, softCap }: CrossEntropyOptions = {},
): void {
  using held = uploadNumbers(device, targets);
  // As many groups as a dispatch may have in a line.
  for (const run of runsOf([logits, state, held], LOGITS_TOKENS)) {
    foldLogits(device, state, held, run, {
      ...{
        logits: logits.tileOf(run.first),
        row: logits.placeOf(run.first),
        cols: logits.cols,
        firstRow,
        start,
        softCap,
      },
    });
  }
}

/** See {@linkcode Backend.addRows}. */
export function addRows(
  device: Device,
  out: TiledTensor,
  x: TiledTensor,
  rows: Uint32Array,
  weights: Float32Array,
): void {
  using places = uploadNumbers(device, rows);
  using factors = uploadNumbers(device, words(weights));
  for (const run of runsOf([x, places])) {
    for (const part of runsOf([out])) {
      const work = run.rows * x.cols;
      device.dispatch({
        shader: "addRows",
        params: [run.rows, x.cols, x.placeOf(run.first), places.placeOf(run.first), part.first, part.rows],
        buffers: [
          x.tileOf(run.first),
          places.tileOf(run.first),
          factors.tileOf(run.first),
          out.tileOf(part.first),
        ],
        groups: line(work, THREADS),
        work,
      });
    }
  }
}

/** See {@linkcode Backend.setRows}. */
export function setRows(device: Device, out: TiledTensor, x: TiledTensor, rows: Uint32Array): void {
  using places = uploadNumbers(device, rows);
  for (const run of runsOf([x, places])) {
    for (const part of runsOf([out])) {
      const work = run.rows * x.cols * BYTES[out.dtype] / BYTES.F32;
      device.dispatch({
        shader: "setRows",
        constants: { OUT: DTYPE_CODES[out.dtype] },
        params: [run.rows, x.cols, x.placeOf(run.first), places.placeOf(run.first), part.first, part.rows],
        buffers: [x.tileOf(run.first), places.tileOf(run.first), out.tileOf(part.first)],
        groups: line(work, THREADS),
        work,
      });
    }
  }
}
