/** Zeros, densities, extremes and histograms on the WebGPU backend. */
import { DTYPE_CODES } from "../codes.ts";
import { type Device, line, rowsWithin, THREADS, WORK_PER_DISPATCH } from "./device.ts";
import { runsOf, TiledMask, TiledTensor } from "./tensor.ts";

/** Rows that one thread of density.wgsl goes over: Mesa's llvmpipe ends any loop after 65535 rounds. */
const DENSITY_ROWS = 2 ** 15;

/** Numbers that a workgroup of histogram.wgsl goes over. */
const BLOCK_NUMBERS = 2 ** 14;

/** See {@linkcode Backend.zeros}. */
export function zeros(device: Device, weight: TiledTensor): TiledMask {
  const { rows, cols, dtype } = weight, mask = new TiledMask(device, rows, cols), { words } = mask;
  for (const { first, rows } of runsOf([weight, words], rowsWithin(cols))) {
    device.dispatch({
      shader: "zeros",
      constants: { WEIGHT: DTYPE_CODES[dtype] },
      params: [rows, cols, words.cols, weight.placeOf(first), words.placeOf(first)],
      buffers: [weight.tileOf(first), words.tileOf(first)],
      groups: line(rows * words.cols, THREADS),
      work: rows * cols,
    });
  }
  return mask;
}

/** See {@linkcode Backend.density}. */
export function density(device: Device, { words, rows, cols }: TiledMask, down: number, across: number): TiledTensor {
  const out = new TiledTensor(device, down, across, "F32");
  for (const tile of out.tiles) device.clear(tile);
  for (const { first, rows: some } of runsOf([words], DENSITY_ROWS)) {
    for (const run of runsOf([out])) {
      device.dispatch({
        shader: "density",
        params: [rows, cols, down, across, words.cols, first, first + some, words.placeOf(first), run.first, run.rows],
        buffers: [words.tileOf(first), out.tileOf(run.first)],
        groups: line(run.rows * across, THREADS),
        work: some * words.cols,
      });
    }
  }
  return out;
}

/** See {@linkcode Backend.extremes}. */
export function extremes(device: Device, values: TiledTensor, { words }: TiledMask): TiledTensor {
  const { rows, cols, dtype } = values, out = new TiledTensor(device, rows, 3, "F32");
  for (const { first, rows } of runsOf([values, words, out], rowsWithin(cols))) {
    device.dispatch({
      shader: "extremes",
      constants: { VALUES: DTYPE_CODES[dtype], THREADS: device.tuning.lanes },
      params: [cols, words.cols, values.placeOf(first), words.placeOf(first), out.placeOf(first)],
      buffers: [values.tileOf(first), words.tileOf(first), out.tileOf(first)],
      groups: [rows],
      work: rows * cols,
    });
  }
  return out;
}

/** See {@linkcode Backend.histogram}. */
export function histogram(device: Device, values: TiledTensor, bins: number): TiledTensor {
  const { cols, dtype } = values, out = new TiledTensor(device, 2, bins, "F32");
  // The bits of the greatest magnitude, then a count for each bin.
  const state = device.take((1 + bins) * 4);
  device.clear(state);
  for (const counts of [false, true]) {
    for (const { first, rows } of runsOf([values], Math.max(1, Math.floor(WORK_PER_DISPATCH / cols)))) {
      const work = rows * cols;
      device.dispatch({
        shader: "histogram",
        constants: { VALUES: DTYPE_CODES[dtype], THREADS: device.tuning.lanes, COUNTS: Number(counts) },
        params: [values.placeOf(first) * cols, work, BLOCK_NUMBERS, bins],
        buffers: [values.tileOf(first), state],
        groups: line(work, BLOCK_NUMBERS),
        work,
      });
    }
  }
  for (const { first, rows } of runsOf([out])) {
    device.dispatch({
      shader: "histogramTotal",
      params: [bins, first, rows],
      buffers: [state, out.tileOf(first)],
      groups: [Math.ceil(bins / THREADS)],
      work: bins,
    });
  }
  device.give(state);
  return out;
}
