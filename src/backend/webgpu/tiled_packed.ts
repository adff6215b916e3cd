/**
 * Packed weights on the device: in tiles of whole rows, each part of a tile a buffer that one binding can hold. A shader is told
 * where every row's values begin, so a tile may begin with any row.
 */
import { PareError } from "../../errors.ts";
import {
  BYTES,
  firstValue,
  type PackedData,
  type PackedPattern,
  type PackedWeight,
  SCALE_UNIT,
  SEGMENT,
  VALUE_BITS,
  type ValueType,
} from "../backend.ts";
import { VALUE_CODES } from "../codes.ts";
import type { Constants, Device } from "./device.ts";

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
