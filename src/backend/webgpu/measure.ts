/**
 * What is measured about a prune on the WebGPU backend: the error of a change, and how many scores stand out.
 */
import { DTYPE_CODES } from "../codes.ts";
import { type Device, line, THREADS, WORKGROUPS } from "./device.ts";
import { linear } from "./linear.ts";
import { OPAQUE_ZERO } from "./observe.ts";
import { runsOf, TiledTensor } from "./tensor.ts";
import { resize } from "./vectors.ts";

/** Numbers that the one thread of total.wgsl adds up: Mesa's llvmpipe ends any loop after 65535 rounds. */
const TOTAL_NUMBERS = 2 ** 15;

/** See {@linkcode Backend.error}. */
export function error(device: Device, before: TiledTensor, after: TiledTensor, moment: TiledTensor): TiledTensor {
  const out = new TiledTensor(device, 1, 2, "F32");
  device.clear(out.tiles[0]);
  using change = difference(device, before, after);
  trace(device, change, moment, out, 0);
  using whole = resize(device, before, before.cols, before.cols);
  trace(device, whole, moment, out, 1);
  return out;
}

/** before - after, as F32. */
function difference(device: Device, before: TiledTensor, after: TiledTensor): TiledTensor {
  const { cols } = before;
  const out = new TiledTensor(device, before.rows, cols, "F32");
  for (const { first, rows } of runsOf([before, after, out])) {
    const work = rows * cols;
    device.dispatch({
      shader: "difference",
      constants: { BEFORE: DTYPE_CODES[before.dtype], AFTER: DTYPE_CODES[after.dtype] },
      params: [work, before.placeOf(first) * cols, after.placeOf(first) * cols, out.placeOf(first) * cols],
      buffers: [before.tileOf(first), after.tileOf(first), out.tileOf(first)],
      groups: line(work, THREADS),
      work,
    });
  }
  return out;
}

/** Adds tr(M S Mᵀ) to a number of `out`. */
function trace(device: Device, matrix: TiledTensor, moment: TiledTensor, out: TiledTensor, to: number): void {
  const diagonal = moment.rows === 1;
  using product = diagonal ? undefined : linear(device, matrix, moment); // S is symmetric
  using byRow = new TiledTensor(device, matrix.rows, 1, "F32");
  const y = product ?? moment;
  for (const { first, rows } of runsOf(product ? [matrix, byRow, product] : [matrix, byRow], WORKGROUPS)) {
    device.dispatch({
      shader: "dotRows",
      constants: { DIAGONAL: diagonal ? 1 : 0, THREADS: device.tuning.lanes },
      params: [
        OPAQUE_ZERO,
        matrix.cols,
        matrix.placeOf(first),
        diagonal ? 0 : y.placeOf(first),
        byRow.placeOf(first),
      ],
      buffers: [matrix.tileOf(first), diagonal ? y.tiles[0] : y.tileOf(first), byRow.tileOf(first)],
      groups: [rows],
      work: rows * matrix.cols,
    });
  }
  for (const { first, rows } of runsOf([byRow], TOTAL_NUMBERS)) {
    device.dispatch({
      shader: "total",
      params: [OPAQUE_ZERO, rows, byRow.placeOf(first), to],
      buffers: [byRow.tileOf(first), out.tiles[0]],
      groups: [1],
      work: rows,
    });
  }
}

/** See {@linkcode Backend.countAbove}. */
export function countAbove(device: Device, scores: TiledTensor, limit: number): TiledTensor {
  const out = new TiledTensor(device, scores.rows, 1, "F32");
  for (const { first, rows } of runsOf([scores, out], WORKGROUPS)) {
    device.dispatch({
      shader: "countAbove",
      constants: { THREADS: device.tuning.lanes },
      params: [scores.cols, scores.placeOf(first), out.placeOf(first), bitsBelow(limit)],
      buffers: [scores.tileOf(first), out.tileOf(first)],
      groups: [rows],
      work: rows * scores.cols,
    });
  }
  return out;
}

/** The bits of the largest F32 that is not above a limit: a score is above both or above neither. -1 below zero. */
function bitsBelow(limit: number): number {
  if (limit < 0) return -1;
  const rounded = new Float32Array([limit]);
  const [bits] = new Int32Array(rounded.buffer);
  return rounded[0] > limit ? bits - 1 : bits;
}
