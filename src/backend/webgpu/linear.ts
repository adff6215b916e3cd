/**
 * Products with a weight, cut into blocks: as many rows of the weight as one packed copy may hold (and, only where the
 * device's bindings are tiny, as many of its columns), times as many rows of x as one dispatch may take.
 */
import { type PackedShape, patternName, VALUE_BITS } from "../backend.ts";
import { DTYPE_CODES, NO_DTYPE, VALUE_CODES } from "../codes.ts";
import { type Constants, type Device, line, rowsWithin, WORK_PER_DISPATCH } from "./device.ts";
import type { ShaderName } from "./shaders.ts";
import { runsOf, TiledTensor } from "./tensor.ts";
import { pad, padded, VECTOR, wholeVectors } from "./vectors.ts";

/** Bytes of a packed copy of a weight at most. */
export const PACKED_BYTES = 2 ** 26;

/** Rows, and columns, that a workgroup of pack.wgsl copies. */
const PACKED_SIDE = 32;

/** Rows of x that a weight is multiplied with as it lies. */
export const FEW = 8;

/** Of those, what one dispatch of few.wgsl takes; and the bytes that linear_few.wgsl reads at once. */
const FEW_ROWS = 4, FEW_BYTES = 16;

/** See {@linkcode Backend.linear}, of a dense weight. */
export function linear(device: Device, x: TiledTensor, weight: TiledTensor, bias?: TiledTensor): TiledTensor {
  const out = new TiledTensor(device, x.rows, weight.rows, "F32");
  const reads = x.rows > FEW ? undefined : wholeReads({ cols: weight.cols, valueType: weight.dtype, pattern: "dense" });
  if (reads) {
    const parts = [...runsOf([weight])].map(({ first, rows }) => {
      const values = weight.tileOf(first);
      return { first, rows, row: weight.placeOf(first), buffers: [values, values, values] };
    });
    multiplyFew(device, x, { ...reads, parts }, out, bias);
  } else multiplyMany(device, x, weight, out, bias);
  return out;
}

/** Rows of a weight in one of its tiles. */
interface Part {
  readonly first: number;
  readonly rows: number;
  /** Where the first is in the buffers. */
  readonly row: number;
  /** What the shader binds of it. */
  readonly buffers: readonly GPUBuffer[];
}

/** A shader that builds on few.wgsl, and what it is told of a weight. */
interface Few {
  readonly shader: ShaderName;
  readonly constants: Constants;
}

/** Columns of a word of a mask. */
const MASKED = 32;

/** Columns that linear_few.wgsl reads at once: of all numbers, or of two of four within a word of their mask. */
function columnsRead({ valueType, pattern }: Pick<PackedShape, "valueType" | "pattern">): number | undefined {
  const values = FEW_BYTES * 8 / VALUE_BITS[valueType];
  if (pattern === "dense") return values;
  return patternName(pattern) === "2:4" && 2 * values <= MASKED ? 2 * values : undefined;
}

/**
 * How linear_few.wgsl reads a weight, if it can: its rows are whole reads, which follow each other without a gap then. It binds
 * values, mask and scales.
 */
export function wholeReads(weight: Pick<PackedShape, "cols" | "valueType" | "pattern" | "group">): Few | undefined {
  const { cols, valueType, pattern, group } = weight, columns = columnsRead(weight);
  if (columns === undefined || cols % columns) return undefined;
  return {
    shader: "linearFew",
    constants: {
      WEIGHT: VALUE_CODES[valueType],
      EACH: columns / VECTOR,
      SCALED: group === undefined ? 1 : group / columns,
      PAIRS: pattern === "dense" ? 0 : 1,
    },
  };
}

/** Multiplies a few rows with a weight as it lies: a packed copy would cost more than it saves. */
export function multiplyFew(
  device: Device,
  x: TiledTensor,
  { shader, constants, parts }: Few & { readonly parts: readonly Part[] },
  out: TiledTensor,
  bias?: TiledTensor,
): void {
  const { lanes: THREADS, fewLanes: LANES, fewRows: ROWS } = device.tuning, most = rowsWithin(FEW_ROWS * x.cols);
  using copy = wholeVectors(device, x);
  const vectors = copy ?? x;
  for (const { first, rows, row, buffers } of parts) {
    for (let from = 0; from < rows; from += most) {
      const taken = Math.min(most, rows - from);
      for (const run of runsOf([vectors, out], FEW_ROWS)) {
        device.dispatch({
          shader,
          constants: {
            ...constants,
            BIAS: bias ? DTYPE_CODES[bias.dtype] : NO_DTYPE,
            TOKENS: run.rows,
            THREADS,
            LANES,
            ROWS,
          },
          params: [
            taken,
            x.cols,
            row + from,
            first + from,
            vectors.placeOf(run.first),
            out.placeOf(run.first),
            out.cols,
          ],
          buffers: [...buffers, vectors.tileOf(run.first), bias?.tiles[0] ?? buffers[0], out.tileOf(run.first)],
          groups: line(taken, THREADS / LANES * ROWS),
          work: taken * x.cols * run.rows,
        });
      }
    }
  }
}

/** Multiplies rows with packed copies of a weight's blocks. */
function multiplyMany(
  device: Device,
  x: TiledTensor,
  weight: TiledTensor,
  out: TiledTensor,
  bias?: TiledTensor,
): void {
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
  /** The number of the bias that the first has; that of the row, if not said. */
  readonly biasAt?: number;
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
  const { weight, outputs, first, bias, biasAt = first } = block;
  const inputs = padded(weight.cols);
  const fit = Math.min(PACKED_BYTES, device.bindingLimit) / 4 / inputs;
  const width = Math.min(padded(outputs), Math.max(VECTOR, Math.floor(fit / VECTOR) * VECTOR));
  const packed = device.take(width * inputs * 4);
  const packedBias = bias && device.take(width * 4);
  for (let from = 0; from < outputs; from += width) {
    const count = Math.min(width, outputs - from);
    packWeight(device, weight, first + from, count, packed);
    if (bias && packedBias) {
      pad(
        device,
        { source: bias.tiles[0], dtype: bias.dtype, at: biasAt + from, stride: count, rows: 1, cols: count },
        { out: packedBias, at: 0, stride: count, cols: count },
      );
    }
    multiplyPacked(device, rows, { packed, packedBias, inputs, count }, { ...target, col: target.col + from });
  }
  device.give(packed);
  if (packedBias) device.give(packedBias);
}

/** Queues a column-major copy of rows of a weight. */
function packWeight(device: Device, weight: TiledTensor, first: number, rows: number, packed: GPUBuffer): void {
  const width = padded(rows);
  device.dispatch({
    shader: "pack",
    constants: { WEIGHT: DTYPE_CODES[weight.dtype] },
    params: [rows, weight.cols, weight.placeOf(first), width / VECTOR],
    buffers: [weight.tileOf(first), packed],
    groups: [Math.ceil(weight.cols / PACKED_SIDE), Math.ceil(width / PACKED_SIDE)],
    work: width * weight.cols,
  });
}

/** Outputs packed as linear.wgsl reads them. */
interface Packed {
  readonly packed: GPUBuffer;
  readonly packedBias?: GPUBuffer;
  readonly inputs: number;
  readonly count: number;
}

/** The product itself: as many rows at a time as one dispatch may take. */
export function multiplyPacked(device: Device, { x, first, rows }: Rows, outputs: Packed, target: Target): void {
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
      pad(
        device,
        { source: product, dtype: "F32", at: 0, stride: width, rows: taken, cols: count },
        { out: target.out, at: (target.row + row) * target.cols + target.col, stride: target.cols, cols: count },
      );
    }
  }
  if (!straight) device.give(product);
}
