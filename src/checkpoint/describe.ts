/**
 * What can be seen of a weight without knowing where it came from: how many of its numbers are zero, and whether they
 * are zero by a pattern. One pass over the bytes; no tensor is made.
 */
import { BYTES, type Dtype } from "../backend/backend.ts";
import { bitPatterns } from "./bits.ts";

/** The widths of group that are tried; each is twice the one before, so that the counts of one come from the other's. */
const WIDTHS = [4, 8, 16, 32] as const;

/**
 * An n:m pattern is named only if it explains the zeros: there are nearly (by this share) as few numbers left as it
 * allows. A matrix that is 95 % zero at random has, say, at most 6 of 16 in every group, but was not pruned 6:16.
 */
const EXPLAINED = 0.9;

/** What a weight looks like. */
export interface LinearDescription {
  /** Numbers that are zero, of either sign. */
  readonly zeros: number;
  /** Zeros of all numbers, in [0, 1]. */
  readonly sparsity: number;
  /**
   * The most numbers that are not zero in any group of 4, 8, 16, 32 neighbours of a row, by that width; widths that do
   * not divide the columns are missing. `2` under `4` says that the weight is 2:4.
   */
  readonly largestGroup: ReadonlyMap<number, number>;
  /** The pattern that the zeros follow, such as `2:4`; undefined if they follow none. */
  readonly pattern: string | undefined;
}

/** The bits of a number beside its sign. */
const MAGNITUDE: Readonly<Record<Dtype, number>> = { F32: 0x7fffffff, F16: 0x7fff, BF16: 0x7fff };

/**
 * Describes the weight of these bytes.
 * @param shape its rows and columns.
 * @throws RangeError if the bytes are not as many.
 */
export function describeLinear(
  bytes: Uint8Array<ArrayBuffer>,
  dtype: Dtype,
  shape: readonly number[],
): LinearDescription {
  const [rows, cols] = shape;
  const size = rows * cols;
  if (bytes.length !== size * BYTES[dtype]) {
    throw new RangeError(`${rows} x ${cols} ${dtype} take ${size * BYTES[dtype]} bytes, not ${bytes.length}`);
  }
  const words = bitPatterns(bytes, dtype);
  const magnitude = MAGNITUDE[dtype];
  const widths = WIDTHS.filter((width) => cols % width === 0);

  // A width that divides the columns divides the matrix read as one long row, and no group of it crosses a row's end.
  // `kept` counts what is not zero; a group's count is what it has grown by since the group began.
  const largest = widths.map(() => 0);
  const before = widths.map(() => 0);
  const step = widths[0] ?? 1;
  let kept = 0;
  for (let i = 0; i < size;) {
    for (const end = i + step; i < end; i++) kept += (words[i] & magnitude) === 0 ? 0 : 1;
    for (let w = 0; w < widths.length && i % widths[w] === 0; w++) {
      largest[w] = Math.max(largest[w], kept - before[w]);
      before[w] = kept;
    }
  }
  const found = widths.findIndex((m, w) => largest[w] < m && kept > 0 && kept >= EXPLAINED * size * largest[w] / m);
  return {
    zeros: size - kept,
    sparsity: size === 0 ? 0 : (size - kept) / size,
    largestGroup: new Map(widths.map((width, w) => [width, largest[w]])),
    pattern: found < 0 ? undefined : `${largest[found]}:${widths[found]}`,
  };
}
