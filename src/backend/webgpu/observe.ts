/**
 * The statistics of the WebGPU backend. A running sum is a matrix of two rows, which may even lie in two tiles; the
 * shaders see each row as a buffer of its own, copied out and back (a few kilobytes).
 */
import { type Device, THREADS, WORKGROUPS } from "./device.ts";
import { runsOf, TiledTensor } from "./tensor.ts";

/** Rows that one thread of add_squares.wgsl adds up. */
const BLOCK_ROWS = 64;

/** Passed to pairs.wgsl, which needs a zero that the shader compiler cannot know. */
export const OPAQUE_ZERO = 0;

/** One row of a matrix as a buffer of its own. */
function rowOf(device: Device, matrix: TiledTensor, row: number): GPUBuffer {
  const bytes = matrix.cols * 4;
  const buffer = device.take(bytes);
  device.copy(matrix.tileOf(row), matrix.placeOf(row) * bytes, buffer, 0, bytes);
  return buffer;
}

/** The copy back. */
function putRow(device: Device, matrix: TiledTensor, row: number, buffer: GPUBuffer): void {
  const bytes = matrix.cols * 4;
  device.copy(buffer, 0, matrix.tileOf(row), matrix.placeOf(row) * bytes, bytes);
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
    groups: [Math.ceil(cols / THREADS)],
    work: cols * count,
  });
}

/** See {@linkcode Backend.addSquares}. */
export function addSquares(device: Device, sums: TiledTensor, x: TiledTensor): void {
  const { cols } = x;
  const high = rowOf(device, sums, 0);
  const low = rowOf(device, sums, 1);
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
  putRow(device, sums, 0, high);
  putRow(device, sums, 1, low);
}

/** See {@linkcode Backend.merge}. */
export function merge(device: Device, sums: TiledTensor, other: TiledTensor): void {
  const high = rowOf(device, sums, 0);
  const low = rowOf(device, sums, 1);
  const otherHigh = rowOf(device, other, 0);
  const otherLow = rowOf(device, other, 1);
  mergeRows(device, [high, low], [otherHigh, otherLow], sums.cols, 1);
  device.give(otherHigh);
  device.give(otherLow);
  putRow(device, sums, 0, high);
  putRow(device, sums, 1, low);
}

/** See {@linkcode Backend.finish}. */
export function finish(device: Device, sums: TiledTensor, scale: number): TiledTensor {
  const out = new TiledTensor(device, 1, sums.cols, "F32");
  const high = rowOf(device, sums, 0);
  const low = rowOf(device, sums, 1);
  const upper = Math.fround(scale);
  device.dispatch({
    shader: "finish",
    params: [OPAQUE_ZERO, sums.cols, { f32: upper }, { f32: scale - upper }],
    buffers: [high, low, out.tiles[0]],
    groups: [Math.ceil(sums.cols / THREADS)],
    work: sums.cols,
  });
  device.give(high);
  device.give(low);
  return out;
}
