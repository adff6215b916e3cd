/**
 * Weights that are not dense: the numbers that are zero are not stored, or the numbers are integers of eight or four bits that
 * share a scale, or both. Here is how they lie, byte by byte: in the file of `deno task pack`, and as a backend is given them.
 *
 *  - **mask**: a bit for each number, rows of whole 32-bit words, the lowest bit first; 1 = its value is stored, and the bits
 *    after a row's end are 0. Without a mask all are stored.
 *  - **values**: those numbers, row after row, without gaps but for one: every block of {@linkcode ROW_BLOCK} rows begins at
 *    a multiple of {@linkcode BLOCK_BYTES} bytes, behind zeros, and so would the one behind the last. Of integers of four bits the first of two is in the lower half
 *    of their byte, and each is 8 more than it stands for (padding is 0).
 *  - **offsets**: of a mask without a pattern, for each row and each {@linkcode SEGMENT} of its columns the number of the value
 *    that they begin with, U32. With a pattern every row has as many values, and all is known.
 *  - **scales**: of integers, for each row and each group of its columns what 1 stands for, BF16.
 */
import { BYTES, type Dtype, type Tensor } from "./tensor.ts";

/** Rows whose values follow each other without a gap. */
export const ROW_BLOCK = 8;
/** A block of rows begins at a multiple of so many bytes: a SIMD register's. */
export const BLOCK_BYTES = 16;
/** Columns of a row that share an offset. */
export const SEGMENT = 256;
/** The widths of the groups of an n:m pattern: words of a mask are whole groups. */
export const GROUP_WIDTHS: readonly number[] = [4, 8, 16, 32];
/** Columns that share a scale are a multiple of this: whole words of a mask. */
export const SCALE_UNIT = 32;
/** And no more than this: sums of 2 x 8 products of 8 and 16 bits in 32 (`packed_few.rs`) hold up to some 2000. */
export const LARGEST_SCALE_GROUP = 1024;

/** How the numbers of a packed weight are stored. */
export type ValueType = Dtype | "I8" | "I4";

/** Bits of a value. */
export const VALUE_BITS: Readonly<Record<ValueType, number>> = { F32: 32, F16: 16, BF16: 16, I8: 8, I4: 4 };

/**
 * Which numbers are stored: all; those whose bit is set in a mask; or those of a mask by a pattern, of every `m` neighbouring
 * columns `n`.
 */
export type PackedPattern = "dense" | "bitmask" | { readonly n: number; readonly m: number };

/** What a packed weight is, its numbers apart. */
export interface PackedShape {
  /** Outputs. */
  readonly rows: number;
  /** Inputs. */
  readonly cols: number;
  /** How its numbers are stored. */
  readonly valueType: ValueType;
  /** Which are. */
  readonly pattern: PackedPattern;
  /** Of integers: columns that share a scale. */
  readonly group?: number;
}

/** A packed weight as bytes; see the file's head. */
export interface PackedData extends PackedShape {
  /** The values. */
  readonly values: Uint8Array<ArrayBuffer>;
  /** The mask, unless all are stored. */
  readonly mask?: Uint8Array<ArrayBuffer>;
  /** The offsets, of a mask without a pattern. */
  readonly offsets?: Uint8Array<ArrayBuffer>;
  /** The scales, of integers. */
  readonly scales?: Uint8Array<ArrayBuffer>;
}

/** A packed weight that a backend owns. Disposing it frees it. */
export interface PackedWeight extends PackedShape, Disposable {
  /** Bytes that it takes on the backend. */
  readonly bytes: number;
}

/**
 * What {@linkcode Backend.linear} multiplies with: a dense matrix of any dtype, or a packed one (a bitmask, n:m, quantised
 * numbers). A backend realises the kinds that pay, and expands the rest.
 */
export type Weight = Tensor | PackedWeight;

/** Whether values are integers that share scales. */
export function isQuantized(valueType: ValueType): valueType is "I8" | "I4" {
  return valueType === "I8" || valueType === "I4";
}

/** The dtype of its numbers where they are expanded, exactly: integers times a scale are F32. */
export function expandedDtype({ valueType }: Pick<PackedShape, "valueType">): Dtype {
  return isQuantized(valueType) ? "F32" : valueType;
}

/** Values of a row, where every row has as many. */
export function rowValues({ cols, pattern }: PackedShape): number | undefined {
  return pattern === "bitmask" ? undefined : pattern === "dense" ? cols : cols / pattern.m * pattern.n;
}

/** Values up to the next block of rows, if so many come before it. */
export function alignValues(count: number, valueType: ValueType): number {
  const unit = BLOCK_BYTES * 8 / VALUE_BITS[valueType];
  return Math.ceil(count / unit) * unit;
}

/** Bytes of so many values. */
export function valueBytes(count: number, valueType: ValueType): number {
  return Math.ceil(count * VALUE_BITS[valueType] / 8);
}

/** The number of the value that a row begins with, where every row has as many; of the row behind the last, how many there are. */
export function firstValue(shape: PackedShape, row: number): number {
  const each = rowValues(shape)!, block = Math.floor(row / ROW_BLOCK);
  return block * alignValues(ROW_BLOCK * each, shape.valueType) + (row - block * ROW_BLOCK) * each;
}

/** Bytes of each part; `undefined` where there is none, or (values of a bitmask) where they depend on the mask. */
export function partBytes(shape: PackedShape): { readonly [K in "values" | "mask" | "offsets" | "scales"]?: number } {
  const { rows, cols, pattern, valueType, group = 1 } = shape;
  return {
    values: pattern === "bitmask" ? undefined : valueBytes(alignValues(firstValue(shape, rows), valueType), valueType),
    mask: pattern === "dense" ? undefined : rows * Math.ceil(cols / 32) * BYTES.F32,
    offsets: pattern === "bitmask" ? rows * Math.ceil(cols / SEGMENT) * BYTES.F32 : undefined,
    scales: isQuantized(valueType) ? rows * Math.ceil(cols / group) * BYTES.BF16 : undefined,
  };
}

/** What is wrong with a shape, in words that follow "expected"; undefined if nothing is. */
export function refusePackedShape({ cols, valueType, pattern, group }: PackedShape): string | undefined {
  if (typeof pattern === "object") {
    const { n, m } = pattern;
    if (!GROUP_WIDTHS.includes(m)) return `a pattern in groups of ${GROUP_WIDTHS.join(", ")}, found ${n}:${m}`;
    if (!(Number.isInteger(n) && n >= 1 && n <= m)) return `a pattern that keeps 1 to ${m} of ${m}, found ${n}:${m}`;
    if (cols % m) return `columns in groups of ${m}, found ${cols}`;
  }
  if (!isQuantized(valueType)) {
    return group === undefined ? undefined : `no scales of ${valueType}, found groups of ${group}`;
  }
  if (!(group! > 0 && group! % SCALE_UNIT === 0 && group! <= LARGEST_SCALE_GROUP)) {
    return `a scale for a multiple of ${SCALE_UNIT} columns up to ${LARGEST_SCALE_GROUP}, found ${group}`;
  }
}

/** A pattern as people write it: `dense`, `bitmask`, `2:4`. */
export function patternName(pattern: PackedPattern): string {
  return typeof pattern === "object" ? `${pattern.n}:${pattern.m}` : pattern;
}
