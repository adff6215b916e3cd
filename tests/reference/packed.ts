/**
 * Packed weights, plainly: a packer that the tests are put together with, and what a packed weight stands for, number by number.
 * Both follow the description in `src/backend/packed.ts` and use none of its arithmetic.
 */
import type { PackedData, PackedPattern, ValueType } from "../../src/backend/backend.ts";
import { fromFloats, toFloats } from "./floats.ts";

/** A kind of packed weight. */
export interface Kind {
  readonly valueType: ValueType;
  readonly pattern: PackedPattern;
  readonly group?: number;
}

const BITS: Readonly<Record<ValueType, number>> = { F32: 32, F16: 16, BF16: 16, I8: 8, I4: 4 };

/** Bytes of values: floats as their dtype has them, integers as they are. */
function encodeValues(values: readonly number[], valueType: ValueType): Uint8Array<ArrayBuffer> {
  if (valueType === "I8") return new Uint8Array(Int8Array.from(values).buffer);
  if (valueType !== "I4") return fromFloats(Float32Array.from(values), valueType);
  const bytes = new Uint8Array(Math.ceil(values.length / 2));
  values.forEach((value, i) => bytes[i >> 1] |= (value + 8) << (i % 2 * 4));
  return bytes;
}

/**
 * A packed weight by hand.
 * @param value Of a row and column: the number itself, or the integer that its group's scale is multiplied with.
 * @param keeps Whether it is stored; a pattern's `n` of `m`, if there is one.
 * @param scale Of a row and a group: a number that BF16 holds.
 */
export function packByHand(
  rows: number,
  cols: number,
  { valueType, pattern, group }: Kind,
  value: (row: number, col: number) => number,
  keeps: (row: number, col: number) => boolean,
  scale: (row: number, group: number) => number = () => 1,
): PackedData {
  const words = Math.ceil(cols / 32), mask = new Uint32Array(rows * words);
  const values: number[] = [], offsets: number[] = [], scales: number[] = [], zero = valueType === "I4" ? -8 : 0;
  for (let row = 0; row < rows; row++) {
    if (row % 8 === 0) { while (values.length * BITS[valueType] % 128) values.push(zero); }
    for (let col = 0; col < cols; col++) {
      if (col % 256 === 0) offsets.push(values.length);
      if (group && col % group === 0) scales.push(scale(row, col / group));
      if (pattern !== "dense" && !keeps(row, col)) continue;
      mask[row * words + (col >> 5)] |= 1 << (col & 31);
      values.push(value(row, col));
    }
  }
  while (values.length * BITS[valueType] % 128) values.push(zero);
  return {
    rows,
    cols,
    valueType,
    pattern,
    group,
    values: encodeValues(values, valueType),
    mask: pattern === "dense" ? undefined : new Uint8Array(mask.buffer),
    offsets: pattern === "bitmask" ? new Uint8Array(Uint32Array.from(offsets).buffer) : undefined,
    scales: group ? fromFloats(Float32Array.from(scales), "BF16") : undefined,
  };
}

/** The numbers that a packed weight stands for, row-major. */
export function expandByHand(data: PackedData): Float32Array {
  const { rows, cols, valueType, pattern, group, values } = data;
  const stored = valueType === "I8"
    ? Float32Array.from(new Int8Array(values.slice().buffer))
    : valueType === "I4"
    ? Float32Array.from({ length: values.length * 2 }, (_, i) => (values[i >> 1] >> (i % 2 * 4) & 15) - 8)
    : toFloats(values, valueType);
  const mask = data.mask && new Uint32Array(data.mask.slice().buffer), words = Math.ceil(cols / 32);
  const scales = data.scales && toFloats(data.scales, "BF16"), out = new Float32Array(rows * cols);
  let at = 0;
  for (let row = 0; row < rows; row++) {
    if (row % 8 === 0) at = Math.ceil(at * BITS[valueType] / 128) * 128 / BITS[valueType];
    for (let col = 0; col < cols; col++) {
      if (pattern !== "dense" && !(mask![row * words + (col >> 5)] >>> (col & 31) & 1)) continue;
      out[row * cols + col] = stored[at++] *
        (group ? scales![row * Math.ceil(cols / group) + Math.floor(col / group)] : 1);
    }
  }
  return out;
}
