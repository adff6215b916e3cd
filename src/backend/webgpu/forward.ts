/**
 * The forward operations of the WebGPU backend: how each is cut into dispatches along the tiles of its matrices. The
 * arithmetic is in the shaders.
 */
import type { AttentionShape } from "../backend.ts";
import { type Device, line, WORKGROUPS } from "./device.ts";
import { multiply, STORED, THREADS, wholeVectors, WORK_PER_DISPATCH } from "./linear.ts";
import { runsOf, TiledTensor } from "./tensor.ts";

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
        constants: { TABLE: STORED[table.dtype] },
        params: [rows, out.cols, out.placeOf(first), held.placeOf(first), firstRow + part.first, part.rows],
        buffers: [held.tileOf(first), table.tileOf(part.first), out.tileOf(first)],
        groups: line(work, THREADS),
        work,
      });
    }
  }
}

/** A column of u32, uploaded. */
function uploadNumbers(device: Device, numbers: Uint32Array): TiledTensor {
  const held = new TiledTensor(device, numbers.length, 1, "F32");
  held.tiles.forEach((tile, i) => {
    const part = numbers.subarray(i * held.tileRows, (i + 1) * held.tileRows);
    device.write(tile, new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  });
  return held;
}

/** See {@linkcode Backend.rmsNorm}. */
export function rmsNorm(device: Device, x: TiledTensor, gain: TiledTensor, epsilon: number): TiledTensor {
  const out = new TiledTensor(device, x.rows, x.cols, "F32");
  const perRow = x.cols / gain.cols;
  for (const { first, rows } of runsOf([x, out], Math.max(1, Math.floor(WORKGROUPS / perRow)))) {
    device.dispatch({
      shader: "rmsNorm",
      constants: { GAIN: STORED[gain.dtype] },
      params: [gain.cols, x.placeOf(first) * perRow, { f32: epsilon }],
      buffers: [x.tileOf(first), gain.tiles[0], out.tileOf(first)],
      groups: [rows * perRow],
      work: rows * x.cols,
    });
  }
  return out;
}

/** See {@linkcode Backend.rotate}. */
export function rotate(device: Device, x: TiledTensor, angles: TiledTensor): TiledTensor {
  const out = new TiledTensor(device, x.rows, x.cols, "F32");
  x.tiles.forEach((tile, i) => {
    const first = i * x.tileRows;
    const rows = Math.min(x.tileRows, x.rows - first);
    for (const part of runsOf([angles])) {
      const work = rows * x.cols / 2;
      device.dispatch({
        shader: "rotate",
        params: [rows, x.cols, angles.cols, angles.rows, first, part.first, part.rows],
        buffers: [tile, angles.tileOf(part.first), out.tiles[i]],
        groups: line(work, THREADS),
        work,
      });
    }
  });
  return out;
}

/** See {@linkcode Backend.attention}. */
export function attention(
  device: Device,
  q: TiledTensor,
  k: TiledTensor,
  v: TiledTensor,
  { length, heads, kvHeads }: AttentionShape,
): TiledTensor {
  const out = new TiledTensor(device, q.rows, q.cols, "F32");
  using state = new TiledTensor(device, q.rows, 2 * heads, "F32");
  const headDim = q.cols / heads;
  const perPair = 2 * heads * headDim; // multiply-adds of a query row and a key
  const most = Math.max(THREADS, Math.floor(WORK_PER_DISPATCH / (perPair * length)));
  const mostKeys = most > THREADS ? Infinity : Math.max(THREADS, Math.floor(WORK_PER_DISPATCH / (perPair * THREADS)));
  for (const run of runsOf([q, out, state], most)) {
    const firstSequence = Math.floor(run.first / length);
    const sequences = Math.ceil((run.first + run.rows) / length) - firstSequence;
    const keys = runsOf([k, v], mostKeys, firstSequence * length, run.first + run.rows);
    for (const part of keys) {
      device.dispatch({
        shader: "attention",
        constants: { HEAD_DIM: headDim },
        params: [
          length,
          heads,
          kvHeads,
          firstSequence,
          run.first,
          run.first + run.rows,
          run.first - q.placeOf(run.first),
          run.first - state.placeOf(run.first),
          part.first - k.placeOf(part.first),
          part.first,
          part.first + part.rows,
          { f32: 1 / Math.sqrt(headDim) },
        ],
        buffers: [q, k, v, state, out].map((each, i) => each.tileOf(i === 1 || i === 2 ? part.first : run.first)),
        groups: [Math.ceil(length / THREADS), heads, sequences],
        work: run.rows * Math.min(part.rows, length) * perPair,
      });
    }
  }
  return out;
}

/** See {@linkcode Backend.swiglu} and {@linkcode Backend.add}. */
export function elementwise(device: Device, shader: "add" | "swiglu", x: TiledTensor, y: TiledTensor): TiledTensor {
  const out = new TiledTensor(device, x.rows, x.cols, "F32");
  x.tiles.forEach((tile, i) => {
    const count = x.tileBytes(i) / 4;
    device.dispatch({
      shader,
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
  start: boolean,
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
      device.dispatch({
        shader: "crossEntropy",
        params: [
          part.rows,
          held.placeOf(run.first),
          state.placeOf(run.first),
          firstRow + part.first,
          start && part.first === 0 ? 1 : 0,
        ],
        buffers: [logits, held.tileOf(run.first), state.tileOf(run.first)],
        groups: [run.rows],
        work: run.rows * part.rows,
      });
    }
  }
  device.give(logits);
}
