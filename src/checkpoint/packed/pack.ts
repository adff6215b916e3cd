/**
 * From a dense matrix to a packed one (`src/backend/packed.ts`): which of its numbers are zero, by which pattern that is told
 * in the fewest bytes, and the rest as it is, or as integers by rounding. A number is removed only if all its bits are 0: a
 * negative zero is stored as any other, so that what is expanded has the bytes of what was packed.
 */
import {
  alignValues,
  type Dtype,
  firstValue,
  GROUP_WIDTHS,
  isQuantized,
  type PackedData,
  type PackedPattern,
  type PackedShape,
  partBytes,
  ROW_BLOCK,
  SEGMENT,
  VALUE_BITS,
  valueBytes,
  type ValueType,
} from "../../backend/backend.ts";
import { bitPatterns } from "../bits.ts";

/** How numbers are stored: as they are, or as integers that share a scale for so many columns. */
export type PackedValues = "kept" | { readonly valueType: "I8" | "I4"; readonly group: number };

/** Values that are integers. */
export type QuantizedValues = Exclude<PackedValues, "kept">;

/** A dense matrix by its bytes. */
export interface DenseMatrix {
  /** Row-major. */
  readonly bytes: Uint8Array;
  /** As in the file. */
  readonly rows: number;
  /** As in the file. */
  readonly cols: number;
  /** How its numbers are stored. */
  readonly dtype: Dtype;
}

/** A mask as words, by rows. */
interface Mask {
  readonly words: Uint32Array;
  /** Numbers that are not zero. */
  readonly kept: number;
  /** Of groups of each width that divides the columns, the most that are not zero in one. */
  readonly largest: ReadonlyMap<number, number>;
}

/** Bits that are 1. */
export function countBits(word: number): number {
  word -= word >>> 1 & 0x55555555;
  word = (word & 0x33333333) + (word >>> 2 & 0x33333333);
  return Math.imul(word + (word >>> 4) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

function maskOf(numbers: Uint32Array | Uint16Array, rows: number, cols: number): Mask {
  const perRow = Math.ceil(cols / 32), words = new Uint32Array(rows * perRow);
  const widths = GROUP_WIDTHS.filter((width) => cols % width === 0), largest = widths.map(() => 0);
  let kept = 0;
  for (let row = 0, at = 0; row < rows; row++) {
    for (let word = 0; word < perRow; word++) {
      const end = Math.min(32, cols - word * 32);
      let bits = 0;
      for (let bit = 0; bit < end; bit++, at++) if (numbers[at] !== 0) bits |= 1 << bit;
      words[row * perRow + word] = bits;
      kept += countBits(bits);
      for (let w = 0; w < widths.length; w++) largest[w] = Math.max(largest[w], largestGroup(bits, widths[w]));
    }
  }
  return { words, kept, largest: new Map(widths.map((width, i) => [width, largest[i]])) };
}

/** The most bits of a word that are 1 in one of its groups. */
function largestGroup(bits: number, width: number): number {
  // Counts of ever wider groups, side by side.
  let counts = (bits & 0x55555555) + (bits >>> 1 & 0x55555555);
  counts = (counts & 0x33333333) + (counts >>> 2 & 0x33333333);
  let field = 4;
  if (width > field) counts = counts + (counts >>> 4) & 0x0f0f0f0f, field = 8;
  if (width > field) counts = counts + (counts >>> 8) & 0x00ff00ff, field = 16;
  if (width > field) counts = counts + (counts >>> 16) & 0x0000ffff, field = 32;
  let most = 0;
  for (let shift = 0; shift < 32; shift += field) {
    most = Math.max(most, counts >>> shift & (field === 32 ? 63 : (1 << field) - 1));
  }
  return most;
}

/** Bytes of a weight of this shape and so many numbers that are not zero. */
export function packedBytes(shape: PackedShape, kept: number): number {
  const { mask = 0, offsets = 0, scales = 0, values = valueBytes(kept, shape.valueType) } = partBytes(shape);
  return values + mask + offsets + scales;
}

/** The shape that takes the fewest bytes; of two that take as many, the one that is told in fewer words. */
function choose(mask: Mask, shape: Omit<PackedShape, "pattern">): PackedShape {
  const patterns: PackedPattern[] = [
    "dense",
    ...GROUP_WIDTHS.flatMap((m) => {
      const n = mask.largest.get(m);
      return n === undefined || n === m ? [] : [{ n: Math.max(1, n), m }];
    }),
    "bitmask",
  ];
  const sized = patterns.map((pattern) => ({ ...shape, pattern }))
    .map((each) => ({ shape: each, bytes: packedBytes(each, mask.kept) }));
  return sized.reduce((best, each) => each.bytes < best.bytes ? each : best).shape;
}

/** The words of a mask of which every group has `n` bits: where it has fewer, the lowest that are 0 are set. */
function fill(words: Uint32Array, cols: number, n: number, m: number): void {
  const perRow = Math.ceil(cols / 32), group = m === 32 ? -1 : (1 << m) - 1;
  for (let i = 0; i < words.length; i++) {
    const end = Math.min(32, cols - i % perRow * 32);
    let bits = words[i];
    for (let shift = 0; shift < end; shift += m) {
      for (let missing = n - countBits(bits >>> shift & group); missing > 0; missing--) {
        const free = ~bits >>> shift & group;
        bits |= (free & -free) << shift;
      }
    }
    words[i] = bits;
  }
}

/** What 1 of each group stands for, as the bits of a BF16: rounded up, so that the largest number is no more than `most`. */
function scaleBits(largest: number, most: number): number {
  const [bits] = new Uint32Array(Float32Array.of(largest / most).buffer);
  return bits + 0xffff >>> 16;
}

/** Numbers as F32. */
function widen({ bytes, dtype }: DenseMatrix): Float32Array | Float16Array {
  const patterns = bitPatterns(bytes, dtype), { buffer, byteOffset, length } = patterns;
  if (dtype === "F32") return new Float32Array(buffer as ArrayBuffer, byteOffset, length);
  if (dtype === "F16") return new Float16Array(buffer as ArrayBuffer, byteOffset, length);
  const wide = new Uint32Array(length);
  for (let i = 0; i < length; i++) wide[i] = patterns[i] << 16;
  return new Float32Array(wide.buffer);
}

/** Integers in place of numbers, and their scales. */
function quantize(matrix: DenseMatrix, valueType: "I8" | "I4", group: number) {
  const { rows, cols } = matrix, numbers = widen(matrix), most = valueType === "I8" ? 127 : 7;
  const perRow = Math.ceil(cols / group),
    scales = new Uint16Array(rows * perRow),
    integers = new Int8Array(rows * cols);
  const bits = new Uint32Array(1), value = new Float32Array(bits.buffer);
  for (let row = 0; row < rows; row++) {
    for (let g = 0; g < perRow; g++) {
      const begin = row * cols + g * group, end = row * cols + Math.min(cols, (g + 1) * group);
      let largest = 0;
      for (let i = begin; i < end; i++) largest = Math.max(largest, Math.abs(numbers[i]));
      const scale = scaleBits(largest, most);
      scales[row * perRow + g] = scale;
      bits[0] = scale << 16;
      const inverse = scale ? 1 / value[0] : 0;
      for (let i = begin; i < end; i++) integers[i] = Math.round(numbers[i] * inverse);
    }
  }
  return { integers, scales: new Uint8Array(scales.buffer) };
}

/** Values on their way into the bytes of their type. */
interface Sink {
  readonly bytes: Uint8Array<ArrayBuffer>;
  put(at: number, from: number): void;
}

/** Room for so many values, taken from numbers by their places. */
function sinkOf(count: number, valueType: ValueType, numbers: Uint32Array | Uint16Array | Int8Array): Sink {
  const bytes = new Uint8Array(valueBytes(count, valueType));
  if (valueType === "I4") return { bytes, put: (at, from) => bytes[at >> 1] |= numbers[from] + 8 << (at & 1) * 4 };
  const Words = { 32: Uint32Array, 16: Uint16Array, 8: Int8Array }[VALUE_BITS[valueType] as 32 | 16 | 8];
  const words = new Words(bytes.buffer);
  return { bytes, put: (at, from) => words[at] = numbers[from] };
}

/**
 * Packs a matrix in the way that takes the fewest bytes.
 * @returns Nothing where that is the matrix as it is: numbers as they are, all of them stored.
 */
export function packMatrix(matrix: DenseMatrix, values: PackedValues): PackedData | undefined {
  const { bytes, rows, cols, dtype } = matrix, numbers = bitPatterns(bytes, dtype), mask = maskOf(numbers, rows, cols);
  const { valueType, group } = values === "kept" ? { valueType: dtype, group: undefined } : values;
  const shape = choose(mask, { rows, cols, valueType, group }), { pattern } = shape;
  if (pattern === "dense" && values === "kept") return undefined;
  const { words } = mask;
  if (pattern === "dense") words.fill(-1);
  else if (typeof pattern === "object") fill(words, cols, pattern.n, pattern.m);
  const integers = isQuantized(valueType) ? quantize(matrix, valueType, group!) : undefined;
  const most = pattern === "bitmask"
    ? mask.kept + Math.ceil(rows / ROW_BLOCK) * (alignValues(1, valueType) - 1) + alignValues(1, valueType)
    : firstValue(shape, rows);
  const sink = sinkOf(alignValues(most, valueType), valueType, integers?.integers ?? numbers);
  const perRow = Math.ceil(cols / 32),
    offsets = pattern === "bitmask" ? new Uint32Array(rows * Math.ceil(cols / SEGMENT)) : undefined;
  let at = 0, segment = 0;
  for (let row = 0; row < rows; row++) {
    if (row % ROW_BLOCK === 0) at = alignValues(at, valueType);
    for (let word = 0; word < perRow; word++) {
      if (offsets && word % (SEGMENT / 32) === 0) offsets[segment++] = at;
      const first = row * cols + word * 32, end = Math.min(32, cols - word * 32);
      let bits = words[row * perRow + word];
      if (end < 32) bits &= (1 << end) - 1;
      for (; bits !== 0; bits &= bits - 1) sink.put(at++, first + 31 - Math.clz32(bits & -bits));
    }
  }
  const used = valueBytes(alignValues(at, valueType), valueType);
  return {
    ...shape,
    values: sink.bytes.length === used ? sink.bytes : sink.bytes.slice(0, used),
    mask: pattern === "dense" ? undefined : new Uint8Array(words.buffer as ArrayBuffer),
    offsets: offsets && new Uint8Array(offsets.buffer),
    scales: integers?.scales,
  };
}

/** What {@linkcode packMatrix} would make of a matrix: its shape, and bytes of its values. */
export function packedSize(
  matrix: DenseMatrix,
  values: PackedValues,
): PackedShape & { readonly valueBytes: number } | undefined {
  const { bytes, rows, cols, dtype } = matrix, mask = maskOf(bitPatterns(bytes, dtype), rows, cols);
  const { valueType, group } = values === "kept" ? { valueType: dtype, group: undefined } : values;
  const shape = choose(mask, { rows, cols, valueType, group });
  if (shape.pattern === "dense" && values === "kept") return undefined;
  if (shape.pattern !== "bitmask") return { ...shape, valueBytes: partBytes(shape).values! };
  const perRow = Math.ceil(cols / 32);
  let at = 0;
  for (let row = 0; row < rows; row++) {
    if (row % ROW_BLOCK === 0) at = alignValues(at, valueType);
    for (let word = 0; word < perRow; word++) at += countBits(mask.words[row * perRow + word]);
  }
  return { ...shape, valueBytes: valueBytes(alignValues(at, valueType), valueType) };
}

/** Bytes of the parts of a matrix whose values take so many. */
export function packedBytesOf(shape: PackedShape & { readonly valueBytes: number }): number {
  const { mask = 0, offsets = 0, scales = 0 } = partBytes(shape);
  return shape.valueBytes + mask + offsets + scales;
}
