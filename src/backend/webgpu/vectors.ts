/**
 * Matrices whose rows are whole vectors, which is what the products read and write. Models are made of such; what is not
 * goes through a padded copy.
 */
import type { Dtype } from "../backend.ts";
import { DTYPE_CODES } from "../codes.ts";
import { type Device, line, THREADS } from "./device.ts";
import { runsOf, TiledTensor } from "./tensor.ts";

/** Numbers that a shader reads at once. */
export const VECTOR = 4;

/** The next multiple of a vector's length. */
export function padded(count: number): number {
  return Math.ceil(count / VECTOR) * VECTOR;
}

/** A copy of x whose rows are whole vectors, where they are not. */
export function wholeVectors(device: Device, x: TiledTensor): TiledTensor | undefined {
  return x.cols % VECTOR === 0 ? undefined : resize(device, x, x.cols, padded(x.cols));
}

/** An F32 copy whose runs of `from` numbers are of `to`: a longer run ends in zeros, a shorter one is cut. */
export function resize(device: Device, x: TiledTensor, from: number, to: number): TiledTensor {
  const runs = x.cols / from; // of a row
  const copy = new TiledTensor(device, x.rows, runs * to, "F32");
  for (const { first, rows } of runsOf([x, copy])) {
    pad(
      device,
      {
        source: x.tileOf(first),
        dtype: x.dtype,
        at: x.placeOf(first) * x.cols,
        stride: from,
        rows: rows * runs,
        cols: Math.min(from, to),
      },
      { out: copy.tileOf(first), at: copy.placeOf(first) * copy.cols, stride: to, cols: to },
    );
  }
  return copy;
}

/** Rows of numbers to be copied: `cols` numbers, `stride` numbers from row to row, from number `at` on. */
interface Source {
  readonly source: GPUBuffer;
  readonly dtype: Dtype;
  readonly at: number;
  readonly stride: number;
  readonly rows: number;
  readonly cols: number;
}

/** Where the copy goes; `cols` numbers are written of each row, zeros after the source's own. */
interface Layout {
  readonly out: GPUBuffer;
  readonly at: number;
  readonly stride: number;
  readonly cols: number;
}

/** Queues a copy of rows to rows of another length, as F32. */
export function pad(device: Device, from: Source, to: Layout): void {
  const work = from.rows * to.cols;
  device.dispatch({
    shader: "pad",
    constants: { SOURCE: DTYPE_CODES[from.dtype] },
    params: [from.rows, from.cols, from.at, from.stride, to.cols, to.at, to.stride],
    buffers: [from.source, to.out],
    groups: line(work, THREADS),
    work,
  });
}
