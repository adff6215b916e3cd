/**
 * The forward operations of the WebGPU backend: how each is cut into dispatches along the tiles of its matrices. The
 * arithmetic is in the shaders.
 */
import { type Device, line, THREADS, WORKGROUPS } from "./device.ts";
import { multiply } from "./linear.ts";
import { runsOf, STORED, TiledTensor } from "./tensor.ts";
import { wholeVectors } from "./vectors.ts";

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
      constants: { GAIN: STORED[gain.dtype], THREADS: device.tuning.lanes },
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
        constants: { THREADS: device.tuning.lanes },
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
