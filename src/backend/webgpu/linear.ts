/**
 * Products with a weight, cut into blocks: as many rows of the weight as one packed copy may hold (and, only where the
 * device's bindings are tiny, as many of its columns), times as many rows of x as one dispatch may take.
 */
import type { Dtype } from "../backend.ts";
import { type Device, line, THREADS, WORK_PER_DISPATCH } from "./device.ts";
import { runsOf, STORED, TiledTensor } from "./tensor.ts";

/** Bytes of a packed copy of a weight at most. */
const PACKED_BYTES = 2 ** 26;

/** Numbers that a shader reads at once. */
export const VECTOR = 4;

/** The next multiple of a vector's length. */
export function padded(count: number): number {
  return Math.ceil(count / VECTOR) * VECTOR;
}

/** See {@linkcode Backend.linear}. */
export function linear(device: Device, x: TiledTensor, weight: TiledTensor, bias?: TiledTensor): TiledTensor {
  const out = new TiledTensor(device, x.rows, weight.rows, "F32");
  using copy = wholeVectors(device, x);
  const vectors = copy ?? x;
  for (const part of runsOf([weight])) {
    for (const run of runsOf([vectors, out])) {
      multiply(
        device,
        { x: vectors, first: run.first, rows: run.rows },
        { weight, first: part.first, outputs: part.rows, bias },
        { out: out.tileOf(run.first), row: out.placeOf(run.first), cols: out.cols, col: part.first },
      );
    }
  }
  return out;
}

/** A copy of x whose rows are whole vectors, where they are not. */
export function wholeVectors(device: Device, x: TiledTensor): TiledTensor | undefined {
  const cols = padded(x.cols);
  if (cols === x.cols) return undefined;
  const copy = new TiledTensor(device, x.rows, cols, "F32");
  for (const { first, rows } of runsOf([x, copy])) {
    const from = { source: x.tileOf(first), dtype: x.dtype, stride: x.cols, row: x.placeOf(first), rows, cols: x.cols };
    const at = copy.placeOf(first) * cols;
    pack(device, from, { out: copy.tileOf(first), at, rowStride: cols, colStride: 1, cols });
  }
  return copy;
}

/** Rows of x in one of its tiles, which are whole vectors. */
interface Rows {
  readonly x: TiledTensor;
  readonly first: number;
  readonly rows: number;
}

/** Rows of a weight in one of its tiles, each an output. */
interface Outputs {
  readonly weight: TiledTensor;
  readonly first: number;
  readonly outputs: number;
  readonly bias?: TiledTensor;
}

/** Where a product goes: a buffer of rows of `cols` numbers, from (row, col) on. */
interface Target {
  readonly out: GPUBuffer;
  readonly row: number;
  readonly cols: number;
  readonly col: number;
}

/** Queues a product of rows with outputs: as many outputs at a time as one packed copy may hold. */
export function multiply(device: Device, rows: Rows, block: Outputs, target: Target): void {
  const { weight, outputs, first, bias } = block;
  const inputs = padded(weight.cols);
  const fit = Math.min(PACKED_BYTES, device.bindingLimit) / 4 / inputs;
  const width = Math.min(padded(outputs), Math.max(VECTOR, Math.floor(fit / VECTOR) * VECTOR));
  const packed = device.take(width * inputs * 4);
  const packedBias = bias && device.take(width * 4);
  for (let from = 0; from < outputs; from += width) {
    const count = Math.min(width, outputs - from);
    const place = weight.placeOf(first + from);
    pack(
      device,
      {
        source: weight.tileOf(first),
        dtype: weight.dtype,
        stride: weight.cols,
        row: place,
        rows: count,
        cols: weight.cols,
      },
      { out: packed, at: 0, rowStride: 1, colStride: padded(count), cols: inputs },
    );
    if (bias && packedBias) {
      pack(
        device,
        { source: bias.tiles[0], dtype: bias.dtype, stride: 1, row: first + from, rows: count, cols: 1 },
        { out: packedBias, at: 0, rowStride: 1, colStride: 1, cols: 1 },
      );
    }
    multiplyPacked(device, rows, { packed, packedBias, inputs, count }, { ...target, col: target.col + from });
  }
  device.give(packed);
  if (packedBias) device.give(packedBias);
}

/** Outputs packed as linear.wgsl reads them. */
interface Packed {
  readonly packed: GPUBuffer;
  readonly packedBias?: GPUBuffer;
  readonly inputs: number;
  readonly count: number;
}

/** The product itself: as many rows at a time as one dispatch may take. */
function multiplyPacked(device: Device, { x, first, rows }: Rows, outputs: Packed, target: Target): void {
  const { rows: ROWS, cols: COLS, threadRows: THREAD_ROWS, threadCols: THREAD_COLS } = device.tuning;
  const { packed, packedBias, inputs, count } = outputs;
  const tileRows = ROWS * THREAD_ROWS * VECTOR;
  const width = padded(count);
  // Whole vectors can be written straight into whole vectors; others go by a copy.
  const straight = target.cols % VECTOR === 0 && target.col % VECTOR === 0 && count === width;
  const most = Math.max(1, Math.floor(WORK_PER_DISPATCH / (inputs * width * tileRows))) * tileRows;
  const product = straight ? target.out : device.take(Math.min(most, rows) * width * 4);
  for (let row = 0; row < rows; row += most) {
    const taken = Math.min(most, rows - row);
    const work = taken * width * inputs;
    device.dispatch({
      shader: "linear",
      constants: { ROWS, COLS, THREAD_ROWS, THREAD_COLS },
      params: [
        taken,
        inputs / VECTOR,
        width / VECTOR,
        x.placeOf(first) + row,
        straight ? target.row + row : 0,
        (straight ? target.cols : width) / VECTOR,
        straight ? target.col / VECTOR : 0,
        packedBias ? 1 : 0,
      ],
      buffers: [x.tileOf(first), packed, packedBias ?? packed, product],
      groups: [Math.ceil(taken / tileRows), Math.ceil(width / (COLS * THREAD_COLS * VECTOR))],
      work,
    });
    if (!straight) {
      const at = (target.row + row) * target.cols + target.col;
      pack(
        device,
        { source: product, dtype: "F32", stride: width, row: 0, rows: taken, cols: count },
        { out: target.out, at, rowStride: target.cols, colStride: 1, cols: count },
      );
    }
  }
  if (!straight) device.give(product);
}

/** Rows of numbers to be copied. */
interface Source {
  readonly source: GPUBuffer;
  readonly dtype: Dtype;
  /** Numbers between two rows. */
  readonly stride: number;
  readonly row: number;
  readonly rows: number;
  readonly cols: number;
}

/** How the copy lies: number (row, col) at `at + row * rowStride + col * colStride`, zeros after the source's columns. */
interface Layout {
  readonly out: GPUBuffer;
  readonly at: number;
  readonly rowStride: number;
  readonly colStride: number;
  readonly cols: number;
}

/** Queues a copy in another layout, as F32. */
export function pack(device: Device, from: Source, to: Layout): void {
  const work = from.rows * to.cols;
  device.dispatch({
    shader: "pack",
    constants: { SOURCE: STORED[from.dtype] },
    params: [from.rows, from.cols, from.row, from.stride, to.cols, to.at, to.rowStride, to.colStride],
    buffers: [from.source, to.out],
    groups: line(work, THREADS),
    work,
  });
}
