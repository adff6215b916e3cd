/**
 * The parts of the iterative solvers on the WebGPU backend: an elementwise combination, a step of conjugate gradients with a
 * workgroup for each row, a scaled matrix, and the rounding into a weight.
 */
import type { CombineOptions, Descent, Term } from "../backend.ts";
import { DTYPE_CODES, NO_DTYPE } from "../codes.ts";
import { type Device, line, rowsWithin, THREADS } from "./device.ts";
import { type Owned, runsOf, type TiledMask, TiledTensor } from "./tensor.ts";

/** See {@linkcode Backend.combine}. */
export function combine(
  device: Device,
  terms: readonly Owned<Term>[],
  { mask, columns }: Owned<CombineOptions> = {},
): TiledTensor {
  const [{ tensor: { rows, cols } }] = terms, out = new TiledTensor(device, rows, cols, "F32");
  const three = Array.from({ length: 3 }, (_, at) => {
    const { tensor, kept = 0, removed = kept } = terms.at(at) ?? {};
    return { tensor: tensor ?? terms[0].tensor, stored: tensor ? DTYPE_CODES[tensor.dtype] : NO_DTYPE, kept, removed };
  });
  const matrices = three.map(({ tensor }) => tensor), words = mask?.words;
  for (const run of runsOf([...matrices, out, ...words ? [words] : []])) {
    const work = run.rows * cols;
    device.dispatch({
      shader: "combine",
      constants: {
        A: three[0].stored,
        B: three[1].stored,
        C: three[2].stored,
        MASKED: words ? 1 : 0,
        SCALED: columns ? 1 : 0,
      },
      params: [
        run.rows,
        cols,
        words?.cols ?? 0,
        ...matrices.map((matrix) => matrix.placeOf(run.first)),
        words?.placeOf(run.first) ?? 0,
        out.placeOf(run.first),
        ...three.flatMap(({ kept, removed }) => [{ f32: kept }, { f32: removed }]),
      ],
      buffers: [
        ...matrices.map((matrix) => matrix.tileOf(run.first)),
        (words ?? matrices[0]).tileOf(run.first),
        (columns ?? matrices[0]).tiles[0],
        out.tileOf(run.first),
      ],
      groups: line(work, THREADS),
      work,
    });
  }
  return out;
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
export function assign(device: Device, weight: TiledTensor, values: TiledTensor): void {
  for (const { first, rows } of runsOf([values, weight])) {
    const work = rows * weight.cols;
    device.dispatch({
      shader: "narrow",
      constants: { WEIGHT: DTYPE_CODES[weight.dtype] },
      params: [rows, weight.cols, values.placeOf(first), weight.placeOf(first)],
      buffers: [values.tileOf(first), weight.tileOf(first)],
      groups: line(work, THREADS), // see apply
      work,
    });
  }
}
