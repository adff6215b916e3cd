/**
 * Second moments on the WebGPU backend: xᵀ x of some tokens at a time, a product of which only strips on and above the
 * diagonal are computed, then added to the running sums.
 */
import { type Device, line, THREADS } from "./device.ts";
import { multiply } from "./linear.ts";
import { halves, OPAQUE_ZERO, putRows, rowsOf } from "./observe.ts";
import { type Run, runsOf, TiledTensor } from "./tensor.ts";
import { transpose } from "./transpose.ts";
import { wholeVectors } from "./vectors.ts";

/** Tokens whose products are added up in f32: `Backend.addGram` allows some hundred, and fewer passes over the sums pay. */
const TOKENS = 512;

/** Columns of a strip: those of one workgroup of linear.wgsl, in every tuning. */
const STRIP = 128;

/** See {@linkcode Backend.addGram}. */
export function addGram(device: Device, sums: TiledTensor, x: TiledTensor): void {
  for (const run of runsOf([x], TOKENS)) {
    using turned = turn(device, x, run);
    using gram = upperGram(device, turned);
    addUpper(device, sums, gram);
  }
}

/** The transpose of rows that lie in one tile. */
function turn(device: Device, x: TiledTensor, { first, rows }: Run): TiledTensor {
  using part = new TiledTensor(device, rows, x.cols, "F32");
  const bytes = x.cols * 4;
  for (const run of runsOf([part])) {
    const from = x.placeOf(first + run.first) * bytes;
    device.copy(x.tileOf(first), from, part.tileOf(run.first), 0, run.rows * bytes);
  }
  return transpose(device, part);
}

/** x xᵀ on and above the diagonal; what is below is partly unknown. */
function upperGram(device: Device, x: TiledTensor): TiledTensor {
  const gram = new TiledTensor(device, x.rows, x.rows, "F32");
  using copy = wholeVectors(device, x);
  const vectors = copy ?? x;
  for (const strip of runsOf([vectors], STRIP)) {
    for (const run of runsOf([vectors, gram], Infinity, 0, strip.first + strip.rows)) {
      multiply(
        device,
        { x: vectors, first: run.first, rows: run.rows },
        { weight: vectors, first: strip.first, outputs: strip.rows },
        { out: gram.tileOf(run.first), row: gram.placeOf(run.first), cols: gram.cols, col: strip.first },
      );
    }
  }
  return gram;
}

/** Adds a symmetric matrix, known on and above its diagonal, to running sums. */
function addUpper(device: Device, sums: TiledTensor, gram: TiledTensor): void {
  const { cols } = sums;
  for (const { first, rows } of halves(sums)) {
    const high = rowsOf(device, sums, first, rows);
    const low = rowsOf(device, sums, cols + first, rows);
    for (const known of runsOf([gram], Infinity, 0, first + rows)) {
      device.dispatch({
        shader: "addGram",
        params: [OPAQUE_ZERO, rows, cols, first, known.first, known.rows],
        buffers: [gram.tileOf(known.first), high, low],
        groups: line(rows * cols, THREADS),
        work: rows * cols,
      });
    }
    putRows(device, sums, first, high, rows);
    putRows(device, sums, cols + first, low, rows);
  }
}
