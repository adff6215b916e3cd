/**
 * Packed weights on the device: in tiles of whole rows, each part of a tile a buffer that one binding can hold. A shader is told
 * where every row's values begin, so a tile may begin with any row.
 */
import { PareError } from "../../errors.ts";
import {
  BYTES,
  expandedDtype,
  firstValue,
  type PackedData,
  type PackedPattern,
  type PackedWeight,
  SCALE_UNIT,
  SEGMENT,
  VALUE_BITS,
  type ValueType,
} from "../backend.ts";
import { DTYPE_CODES, VALUE_CODES } from "../codes.ts";
import { type Constants, type Device, line, rowsWithin, THREADS } from "./device.ts";
import { multiply, PACKED_BYTES } from "./linear.ts";
import { runsOf, TiledTensor } from "./tensor.ts";
import { wholeVectors } from "./vectors.ts";

/** Rows of x that a packed weight is multiplied with as it lies: the `MOST` of linear_packed.wgsl. For more it is expanded. */
const FEW = 8;

/** Neighbouring rows of a weight. */
interface PackedTile {
  readonly first: number;
  readonly rows: number;
  /** Values, mask, offsets, scales; of what there is none, the values again. */
  readonly buffers: readonly GPUBuffer[];
}

/** A packed weight in tiles. */
export class TiledPacked implements PackedWeight {
  readonly rows: number;
  readonly cols: number;
  readonly valueType: ValueType;
  readonly pattern: PackedPattern;
  readonly group?: number;
  readonly tiles: PackedTile[] = [];
  bytes = 0;
  #device: Device;
  #disposed = false;

  /** Puts a weight on the device. @throws PareError if a row is larger than a binding may be. */
  constructor(device: Device, data: PackedData) {
    this.#device = device;
    this.rows = data.rows;
    this.cols = data.cols;
    this.valueType = data.valueType;
    this.pattern = data.pattern;
    this.group = data.group;
    const parts = new Parts(data);
    for (let first = 0; first < this.rows;) {
      let rows = this.rows - first;
      while (rows > 1 && parts.largest(first, rows) > device.bindingLimit) rows = Math.ceil(rows / 2);
      const needed = parts.largest(first, rows);
      if (needed > device.bindingLimit) {
        throw new PareError(
          `a matrix of ${this.cols} columns: the GPU binds at most ${device.bindingLimit} bytes, and a row needs ${needed}`,
        );
      }
      const buffers = parts.of(first, rows).map((bytes) => {
        if (!bytes) return undefined;
        const buffer = device.take(bytes.length);
        device.write(buffer, bytes);
        this.bytes += bytes.length;
        return buffer;
      });
      this.tiles.push({ first, rows, buffers: buffers.map((buffer) => buffer ?? buffers[0]!) });
      first += rows;
    }
    device.live++;
  }

  /** What the shaders are told of it. */
  get constants(): Constants {
    const { valueType, pattern, group } = this;
    return {
      TYPE: VALUE_CODES[valueType],
      PATTERN: pattern === "dense" ? 0 : pattern === "bitmask" ? 2 : 1,
      ...typeof pattern === "object" ? { N: pattern.n, M: pattern.m } : {},
      ...group ? { SCALE_WORDS: group / SCALE_UNIT } : {},
    };
  }

  /** Gives the buffers back. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#device.live--;
    for (const { buffers } of this.tiles) for (const buffer of new Set(buffers)) this.#device.give(buffer);
  }

  /** Whether they were given back. */
  get disposed(): boolean {
    return this.#disposed;
  }
}

/** The parts of a weight, cut at rows. */
class Parts {
  readonly #data: PackedData;
  readonly #offsets?: Uint32Array;
  readonly #segments: number;

  constructor(data: PackedData) {
    this.#data = data;
    this.#segments = data.pattern === "bitmask" ? Math.ceil(data.cols / SEGMENT) : 1;
    if (data.offsets) this.#offsets = new Uint32Array(data.offsets.slice().buffer);
  }

  /** The number of the value that a row begins with; of the row behind the last one, how many there are. */
  #first(row: number): number {
    const { rows, values, valueType } = this.#data;
    if (!this.#offsets) return firstValue(this.#data, row);
    return row < rows ? this.#offsets[row * this.#segments] : values.length * 8 / VALUE_BITS[valueType];
  }

  /** The whole words of the values of some rows, as bytes of the values. */
  #range(first: number, rows: number): [begin: number, end: number] {
    const bits = VALUE_BITS[this.#data.valueType];
    return [Math.floor(this.#first(first) * bits / 32) * 4, Math.ceil(this.#first(first + rows) * bits / 32) * 4];
  }

  /** Bytes of the largest part of some rows. */
  largest(first: number, rows: number): number {
    const [begin, end] = this.#range(first, rows), { cols, mask } = this.#data;
    const maskBytes = mask ? rows * Math.ceil(cols / 32) * 4 : 0;
    return Math.max(end - begin, maskBytes, rows * this.#segments * 4); // scales are fewer than the mask's words would be
  }

  /** Values, mask, offsets and scales of some rows. */
  of(first: number, rows: number): (Uint8Array<ArrayBuffer> | undefined)[] {
    const { values, mask, scales, cols, group = cols, valueType } = this.#data;
    const [begin, end] = this.#range(first, rows), before = begin * 8 / VALUE_BITS[valueType];
    const cut = (part: Uint8Array<ArrayBuffer> | undefined, rowBytes: number) =>
      part?.subarray(first * rowBytes, (first + rows) * rowBytes);
    const offsets = new Uint32Array(rows * this.#segments);
    for (let i = 0; i < offsets.length; i++) {
      offsets[i] = (this.#offsets ? this.#offsets[first * this.#segments + i] : this.#first(first + i)) - before;
    }
    return [
      values.subarray(begin, Math.max(end, begin + 4)),
      cut(mask, Math.ceil(cols / 32) * 4),
      new Uint8Array(offsets.buffer),
      cut(scales, Math.ceil(cols / group) * BYTES.BF16),
    ];
  }
}

/** See {@linkcode Backend.uploadPacked}. */
export function uploadPacked(device: Device, data: PackedData): TiledPacked {
  return new TiledPacked(device, data);
}

/** See {@linkcode Backend.expand}. */
export function expand(device: Device, weight: TiledPacked): TiledTensor {
  const out = new TiledTensor(device, weight.rows, weight.cols, expandedDtype(weight));
  expandRows(device, weight, 0, out);
  return out;
}

/** Fills a matrix with rows of a weight, from `from` on: in F32, or in the dtype of its values. */
function expandRows(device: Device, weight: TiledPacked, from: number, out: TiledTensor): void {
  const { cols } = weight, perWord = BYTES.F32 / BYTES[out.dtype];
  // Two rows of odd length in two bytes a number end on a whole word.
  const together = cols % perWord === 0 ? 1 : perWord;
  const most = Math.max(1, Math.floor(rowsWithin(cols) / together)) * together;
  for (const tile of weight.tiles) {
    const begin = Math.max(tile.first, from), end = Math.min(tile.first + tile.rows, from + out.rows);
    for (let row = begin; row < end;) {
      const place = out.placeOf(row - from);
      const rows = Math.min(most, end - row, out.tileRows - place);
      device.dispatch({
        shader: "expand",
        constants: { ...weight.constants, SHORT: perWord - 1 },
        params: [rows * cols, cols, row - tile.first, place * cols / perWord],
        buffers: [...tile.buffers, out.tileOf(row - from)],
        groups: line(Math.ceil(rows * cols / perWord), THREADS),
        work: rows * cols,
      });
      row += rows;
    }
  }
}

/** See {@linkcode Backend.linear}, of a packed weight. */
export function packedLinear(device: Device, x: TiledTensor, weight: TiledPacked, bias?: TiledTensor): TiledTensor {
  const out = new TiledTensor(device, x.rows, weight.rows, "F32");
  if (x.rows > FEW) expandAndMultiply(device, x, weight, out, bias);
  else multiplyFew(device, x, weight, out, bias);
  return out;
}

/** Multiplies a few rows with a weight as it lies. */
function multiplyFew(device: Device, x: TiledTensor, weight: TiledPacked, out: TiledTensor, bias?: TiledTensor): void {
  for (const tile of weight.tiles) {
    for (const run of runsOf([x, out])) {
      device.dispatch({
        shader: "linearPacked",
        constants: {
          ...weight.constants,
          BIAS: bias ? DTYPE_CODES[bias.dtype] : 3,
          THREADS: device.tuning.lanes,
        },
        params: [tile.rows, x.cols, tile.first, x.placeOf(run.first), run.rows, out.placeOf(run.first), out.cols],
        buffers: [
          ...tile.buffers,
          x.tileOf(run.first),
          bias?.tiles[0] ?? tile.buffers[0],
          out.tileOf(run.first),
        ],
        groups: line(tile.rows, 1),
        work: tile.rows * x.cols * run.rows,
      });
    }
  }
}

/** Expands as many rows of a weight as one packed copy may hold, and multiplies with them. */
function expandAndMultiply(
  device: Device,
  x: TiledTensor,
  weight: TiledPacked,
  out: TiledTensor,
  bias?: TiledTensor,
): void {
  using copy = wholeVectors(device, x);
  const vectors = copy ?? x, each = Math.max(1, Math.floor(PACKED_BYTES / (weight.cols * BYTES.F32)));
  for (let from = 0; from < weight.rows; from += each) {
    using dense = new TiledTensor(device, Math.min(each, weight.rows - from), weight.cols, "F32");
    expandRows(device, weight, from, dense);
    for (const part of runsOf([dense])) {
      for (const run of runsOf([vectors, out])) {
        multiply(
          device,
          { x: vectors, first: run.first, rows: run.rows },
          { weight: dense, first: part.first, outputs: part.rows, bias, biasAt: from + part.first },
          { out: out.tileOf(run.first), row: out.placeOf(run.first), cols: out.cols, col: from + part.first },
        );
      }
    }
  }
}
