/**
 * The parts of the iterative solvers on the WebGPU backend: an elementwise combination, a step of conjugate gradients with a
 * workgroup for each row, a scaled matrix, and the rounding into a weight.
 */
import type { AssignOptions, CombineOptions, Descent, Term } from "../backend.ts";
import { DTYPE_CODES, NO_DTYPE } from "../codes.ts";
import { type Device, line, rowsWithin, THREADS } from "./device.ts";
import { type Owned, runsOf, TiledMask, TiledTensor } from "./tensor.ts";

/** See {@linkcode Backend.combine}. */
export function combine(
  device: Device,
  terms: readonly Owned<Term>[],
  options?: Owned<CombineOptions>,
): TiledTensor {
  const [{ tensor: { rows, cols } }] = terms, out = new TiledTensor(device, rows, cols, "F32");
  sum(device, terms, out, options);
  return out;
}

/** See {@linkcode Backend.combineInto}. */
export function combineInto(device: Device, terms: readonly Owned<Term>[], options?: Owned<CombineOptions>): void {
  sum(device, terms, terms[0].tensor, options);
}

/** Writes a combination. No buffer is bound twice in one dispatch, once to be read and once to be written. */
function sum(
  device: Device,
  terms: readonly Owned<Term>[],
  out: TiledTensor,
  { mask, columns }: Owned<CombineOptions> = {},
): void {
  const { cols } = out, inPlace = terms[0].tensor === out, words = mask?.words;
  const three = Array.from({ length: 3 }, (_, at) => {
    const { tensor, kept = 0, removed = kept, unscaled } = terms.at(at) ?? {};
    return {
      tensor,
      stored: tensor ? DTYPE_CODES[tensor.dtype] : NO_DTYPE,
      scaled: columns && tensor && !unscaled ? 1 : 0,
      kept,
      removed,
    };
  });
  const read = three.flatMap(({ tensor }) => tensor && tensor !== out ? [tensor] : []);
  // What is not read is bound all the same, to something else.
  const spare = inPlace ? device.take(4) : undefined;
  for (const run of runsOf([out, ...read, ...words ? [words] : []])) {
    const nothing = spare ?? terms[0].tensor.tileOf(run.first), work = run.rows * cols;
    const matrices = three.map(({ tensor }) => tensor === out ? undefined : tensor);
    device.dispatch({
      shader: "combine",
      constants: {
        A: three[0].stored,
        B: three[1].stored,
        C: three[2].stored,
        MASKED: words ? 1 : 0,
        SCALED_A: three[0].scaled,
        SCALED_B: three[1].scaled,
        SCALED_C: three[2].scaled,
        IN_PLACE: inPlace ? 1 : 0,
      },
      params: [
        run.rows,
        cols,
        words?.cols ?? 0,
        ...matrices.map((matrix) => matrix?.placeOf(run.first) ?? 0),
        words?.placeOf(run.first) ?? 0,
        out.placeOf(run.first),
        ...three.flatMap(({ kept, removed }) => [{ f32: kept }, { f32: removed }]),
      ],
      buffers: [
        ...matrices.map((matrix) => matrix?.tileOf(run.first) ?? nothing),
        words?.tileOf(run.first) ?? nothing,
        columns?.tiles[0] ?? nothing,
        out.tileOf(run.first),
      ],
      groups: line(work, THREADS),
      work,
    });
  }
  if (spare) device.give(spare);
}

/** See {@linkcode Backend.conjugate}. */
export function conjugate(
  device: Device,
  { x, r, p }: Owned<Descent>,
  product: TiledTensor,
  { words }: TiledMask,
): void {
  const held = [x, r, p, product, words];
  for (const { first, rows } of runsOf(held, rowsWithin(6 * x.cols))) {
    device.dispatch({
      shader: "conjugate",
      constants: { THREADS: device.tuning.lanes },
      params: [x.cols, words.cols, ...held.map((matrix) => matrix.placeOf(first))],
      buffers: held.map((matrix) => matrix.tileOf(first)),
      groups: [rows],
      work: 6 * rows * x.cols,
    });
  }
}

/** See {@linkcode Backend.equilibrate}. */
export function equilibrate(device: Device, matrix: TiledTensor, scale: TiledTensor): TiledTensor {
  const out = new TiledTensor(device, matrix.rows, matrix.cols, "F32");
  for (const { first, rows } of runsOf([matrix, out])) {
    const work = rows * matrix.cols;
    device.dispatch({
      shader: "equilibrate",
      params: [rows, matrix.cols, first, matrix.placeOf(first), out.placeOf(first)],
      buffers: [matrix.tileOf(first), scale.tiles[0], out.tileOf(first)],
      groups: line(work, THREADS),
      work,
    });
  }
  return out;
}

/** See {@linkcode Backend.assign}. */
export function assign(device: Device, weight: TiledTensor, values: TiledTensor, { key }: AssignOptions = {}): void {
  for (const { first, rows } of runsOf([values, weight])) {
    const work = rows * weight.cols;
    device.dispatch({
      shader: "narrow",
      constants: { WEIGHT: DTYPE_CODES[weight.dtype], STOCHASTIC: key === undefined ? 0 : 1 },
      params: [rows, weight.cols, values.placeOf(first), weight.placeOf(first), first * weight.cols, key ?? 0],
      buffers: [values.tileOf(first), weight.tileOf(first)],
      groups: line(work, THREADS), // see apply
      work,
    });
  }
}

/** See {@linkcode Backend.maskRows}. */
export function maskRows(device: Device, { words, cols }: TiledMask, first: number, rows: number): TiledMask {
  const out = new TiledMask(device, rows, cols), rowBytes = words.cols * 4;
  for (let row = 0; row < rows;) {
    const left = Math.min(words.tileRows - words.placeOf(first + row), out.words.tileRows - out.words.placeOf(row));
    const count = Math.min(rows - row, left), [from, to] = [words.placeOf(first + row), out.words.placeOf(row)];
    device.copy(words.tileOf(first + row), from * rowBytes, out.words.tileOf(row), to * rowBytes, count * rowBytes);
    row += count;
  }
  return out;
}
