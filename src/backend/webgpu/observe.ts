/**
 * The statistics of the WebGPU backend. The high parts of running sums are the upper half of a matrix and the low parts its
 * lower half, which may lie in the same tile or in two; the shaders see both as buffers of their own, copied out and back.
 */
import { type Device, line, THREADS, WORKGROUPS } from "./device.ts";
import { type Run, runsOf, TiledTensor } from "./tensor.ts";

/** Rows that one thread of add_squares.wgsl adds up. */
const BLOCK_ROWS = 64;

/** Passed to pairs.wgsl, which needs a zero that the shader compiler cannot know. */
export const OPAQUE_ZERO = 0;

/** Rows of a matrix, in one of its tiles, as a buffer of their own. */
export function rowsOf(device: Device, matrix: TiledTensor, row: number, rows = 1): GPUBuffer {
  const bytes = matrix.cols * 4;
  const buffer = device.take(rows * bytes);
  device.copy(matrix.tileOf(row), matrix.placeOf(row) * bytes, buffer, 0, rows * bytes);
  return buffer;
}

/** The copy back; the buffer is given back too. */
export function putRows(device: Device, matrix: TiledTensor, row: number, buffer: GPUBuffer, rows = 1): void {
  const bytes = matrix.cols * 4;
  device.copy(buffer, 0, matrix.tileOf(row), matrix.placeOf(row) * bytes, rows * bytes);
  device.give(buffer);
}

/** Adds `count` rows of pairs to a row of pairs. */
function mergeRows(
  device: Device,
  sums: readonly [GPUBuffer, GPUBuffer],
  other: readonly [GPUBuffer, GPUBuffer],
  cols: number,
  count: number,
): void {
  device.dispatch({
    shader: "merge",
    params: [OPAQUE_ZERO, cols, count],
    buffers: [...sums, ...other],
    groups: line(cols, THREADS),
    work: cols * count,
  });
}

/** See {@linkcode Backend.addSquares}. */
export function addSquares(device: Device, sums: TiledTensor, x: TiledTensor): void {
  const { cols } = x;
  const high = rowsOf(device, sums, 0);
  const low = rowsOf(device, sums, 1);
  const blocks = Math.min(WORKGROUPS, x.tileRows, Math.ceil(x.rows / BLOCK_ROWS));
  const highs = device.take(blocks * cols * 4);
  const lows = device.take(blocks * cols * 4);
  for (const { first, rows } of runsOf([x], blocks * BLOCK_ROWS)) {
    const count = Math.ceil(rows / BLOCK_ROWS);
    const place = x.placeOf(first);
    device.dispatch({
      shader: "addSquares",
      constants: { ROWS: BLOCK_ROWS },
      params: [OPAQUE_ZERO, cols, place, place + rows],
      buffers: [x.tileOf(first), highs, lows],
      groups: [Math.ceil(cols / THREADS), count],
      work: rows * cols,
    });
    mergeRows(device, [high, low], [highs, lows], cols, count);
  }
  device.give(highs);
  device.give(lows);
  putRows(device, sums, 0, high);
  putRows(device, sums, 1, low);
}

/**
 * The rows of running sums in runs: each in one tile of all sums, in the upper half and in the lower, and in one tile of the
 * values, which have no lower half.
 */
export function* halves(
  sums: TiledTensor,
  others: readonly TiledTensor[] = [],
  values: readonly TiledTensor[] = [],
): Generator<Run> {
  const half = sums.rows / 2;
  for (const { first, rows } of runsOf([sums, ...others, ...values], Infinity, 0, half)) {
    for (const run of runsOf([sums, ...others], Infinity, half + first, half + first + rows)) {
      yield { first: run.first - half, rows: run.rows };
    }
  }
}

/** See {@linkcode Backend.merge}. */
export function merge(device: Device, sums: TiledTensor, other: TiledTensor): void {
  const half = sums.rows / 2;
  for (const { first, rows } of halves(sums, [other])) {
    const high = rowsOf(device, sums, first, rows);
    const low = rowsOf(device, sums, half + first, rows);
    const otherHigh = rowsOf(device, other, first, rows);
    const otherLow = rowsOf(device, other, half + first, rows);
    mergeRows(device, [high, low], [otherHigh, otherLow], rows * sums.cols, 1);
    device.give(otherHigh);
    device.give(otherLow);
    putRows(device, sums, first, high, rows);
    putRows(device, sums, half + first, low, rows);
  }
}

/** See {@linkcode Backend.finish}. */
export function finish(device: Device, sums: TiledTensor, scale: number): TiledTensor {
  const half = sums.rows / 2;
  const out = new TiledTensor(device, half, sums.cols, "F32");
  const upper = Math.fround(scale);
  for (const { first, rows } of halves(sums, [], [out])) {
    const high = rowsOf(device, sums, first, rows);
    const low = rowsOf(device, sums, half + first, rows);
    const work = rows * sums.cols;
    const result = device.take(work * 4);
    device.dispatch({
      shader: "finish",
      params: [OPAQUE_ZERO, work, { f32: upper }, { f32: scale - upper }],
      buffers: [high, low, result],
      groups: line(work, THREADS),
      work,
    });
    device.give(high);
    device.give(low);
    putRows(device, out, first, result, rows);
  }
  return out;
}
