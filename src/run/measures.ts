/**
 * What is drawn of one linear: how its weights and scores are distributed, where the line between kept and removed lies, and
 * where in the matrix the removed ones stand. Taken from the bytes before and after pruning alone, so it holds for every
 * method and backend, and cannot disagree with the file that was written.
 *
 * It must not be felt beside the pruning itself: plain loops over typed arrays, a row at a time, and 16-bit floats through a
 * table of the 32768 magnitudes that there are.
 */
import { transpose } from "../checkpoint/transpose.ts";
import { digest, maskBits, patterns, type WeightDtype } from "./digest.ts";
import type { DensityMap, Histogram, LinearRecord } from "./record.ts";

/** Bins of a histogram. */
const BINS = 128;

/** Cells of a density map in each direction, at most. */
const CELLS = 64;

/** What the cell of a density map says where every weight was removed. */
const ALL = 255;

/** What a weight was worth to the method (the kinds of the backend's formulas); `norms` are those of its inputs, `‖X_j‖₂`. */
export type Scores =
  | { readonly kind: "magnitude" }
  | { readonly kind: "activation" | "relative"; readonly norms: Float32Array };

/** A linear before and after it was pruned. */
export interface Pruned {
  /** Outputs. */
  readonly rows: number;
  /** Inputs. */
  readonly cols: number;
  /** The bytes are those of the transpose, inputs x outputs. */
  readonly transposed?: boolean;
  /** Of the weight, before and after. */
  readonly dtype: WeightDtype;
  /** Row-major, in the dtype, finite. */
  readonly before: Uint8Array;
  /** The same, pruned. */
  readonly after: Uint8Array;
  /** Where the method gives each weight one number. */
  readonly scores?: Scores;
}

/** What {@linkcode measure} finds. */
export type Measures = Pick<LinearRecord, "maskSha256" | "weightSha256" | "magnitudes" | "scores" | "density">;

/** Everything of a linear's record that its bytes tell. */
export function measure(pruned: Pruned): Measures {
  const { rows, cols, dtype, transposed, scores } = pruned;
  for (const bytes of [pruned.before, pruned.after]) {
    const found = patterns(bytes, dtype).length;
    if (found !== rows * cols) throw new RangeError(`a weight of ${rows} x ${cols}: found ${found} numbers`);
  }
  // The hashes are of what the file holds, the pictures of outputs x inputs.
  const stored = maskBits(pruned.after, dtype);
  const turned = (bytes: Uint8Array) => transposed ? transpose(bytes, cols, rows, dtype) : bytes;
  const before = turned(pruned.before), mask = transposed ? maskBits(turned(pruned.after), dtype) : stored;
  const magnitudes = magnitudeRows(before, dtype, cols);
  const measures: Measures = {
    maskSha256: digest(stored),
    weightSha256: digest(pruned.after),
    magnitudes: dtype === "F32" ? histogram(magnitudes, rows, cols, mask) : countedHistogram(before, dtype, mask),
    ...scores && { scores: histogram(scoreRows(magnitudes, scores, rows, cols), rows, cols, mask, true) },
    density: density(mask, rows, cols),
  };
  // Its memory is free at once: a run measures hundreds of linears between two collections of garbage.
  mask.buffer.transfer(0);
  return measures;
}

/** Numbers of one row; the same array may hold the next row's after the next call. */
type Rows = (row: number) => Float32Array;

/** The magnitudes of each 16-bit pattern without its sign, by dtype, made when first needed. */
const tables = new Map<WeightDtype, Float32Array>();

function magnitudeTable(dtype: "F16" | "BF16"): Float32Array {
  let table = tables.get(dtype);
  if (!table) {
    const bits = Uint16Array.from({ length: 2 ** 15 }, (_, pattern) => pattern);
    // A BF16 is the upper half of an F32.
    table = dtype === "F16"
      ? Float32Array.from(new Float16Array(bits.buffer))
      : new Float32Array(Uint32Array.from(bits, (pattern) => pattern * 2 ** 16).buffer);
    tables.set(dtype, table);
  }
  return table;
}

function magnitudeRows(weight: Uint8Array, dtype: WeightDtype, cols: number): Rows {
  const numbers = patterns(weight, dtype), row = new Float32Array(cols);
  if (dtype === "F32") {
    const values = new Float32Array(numbers.buffer, numbers.byteOffset, numbers.length);
    return (index) => {
      for (let at = index * cols, col = 0; col < cols; at++, col++) row[col] = Math.abs(values[at]);
      return row;
    };
  }
  const table = magnitudeTable(dtype);
  return (index) => {
    for (let at = index * cols, col = 0; col < cols; at++, col++) row[col] = table[numbers[at] & 0x7fff];
    return row;
  };
}

function scoreRows(magnitudes: Rows, scores: Scores, rows: number, cols: number): Rows {
  if (scores.kind === "magnitude") return magnitudes;
  const { kind, norms } = scores, row = new Float32Array(cols);
  if (kind === "activation") {
    return (index) => {
      const magnitude = magnitudes(index);
      for (let col = 0; col < cols; col++) row[col] = magnitude[col] * norms[col];
      return row;
    };
  }
  const sums = new Float64Array(cols), roots = norms.map(Math.sqrt);
  for (let index = 0; index < rows; index++) {
    const magnitude = magnitudes(index);
    for (let col = 0; col < cols; col++) sums[col] += magnitude[col];
  }
  return (index) => {
    const magnitude = magnitudes(index), sum = magnitude.reduce((a, b) => a + b, 0);
    for (let col = 0; col < cols; col++) {
      // A sum of nothing has no weight that could be a share of it.
      row[col] = magnitude[col] && magnitude[col] * (1 / sum + 1 / sums[col]) * roots[col];
    }
    return row;
  };
}

/** What a kept and a removed number add to the least that was kept: an index without a branch, which way none could foresee. */
const UNLESS_KEPT = [Infinity, 0];

/** The distribution of numbers that are not negative, and the line between those that were kept and those that were not. */
function histogram(rowOf: Rows, rows: number, cols: number, mask: Uint8Array, byRow = false): Histogram {
  let max = 0, least = Infinity, most = 0, kept = 0;
  /** Of the rows that a line parts: the least that was kept. */
  const lines: number[] = [];
  for (let index = 0, at = 0; index < rows; index++) {
    const row = rowOf(index);
    let low = Infinity, high = 0, count = 0;
    for (let col = 0; col < cols; col++, at++) {
      const bit = mask[at >> 3] >> (at & 7) & 1, value = row[col];
      low = Math.min(low, value + UNLESS_KEPT[bit]);
      high = Math.max(high, value * (1 - bit));
      max = Math.max(max, value);
      count += bit;
    }
    if (byRow && count > 0 && count < cols && high <= low) lines.push(low);
    least = Math.min(least, low);
    most = Math.max(most, high);
    kept += count;
  }
  const counts = new Array<number>(BINS).fill(0);
  for (let index = 0; index < rows; index++) {
    const row = rowOf(index);
    for (let col = 0; col < cols; col++) counts[binOf(row[col], max)]++;
  }
  if (kept === 0 || kept === rows * cols) return { max, counts };
  if (most <= least) return { max, counts, threshold: least };
  if (lines.length <= rows / 2) return { max, counts };
  lines.sort((a, b) => a - b);
  return { max, counts, threshold: lines[lines.length >> 1], thresholds: [lines[0], lines.at(-1)!] };
}

/** The counts of {@linkcode countedHistogram}: a quarter of a megabyte that every linear needs anew. */
const tally = new Uint32Array(2 ** 16);

/**
 * The same of 16-bit magnitudes: how often each of them there is tells everything, and as bit patterns they are in the order
 * of their size. The removed are counted in the lower half of the table, the kept in the upper.
 */
function countedHistogram(weight: Uint8Array, dtype: "F16" | "BF16", mask: Uint8Array): Histogram {
  const numbers = patterns(weight, dtype), table = magnitudeTable(dtype), half = table.length;
  const times = tally.fill(0);
  for (let at = 0; at < numbers.length; at++) {
    times[(numbers[at] & (half - 1)) + half * (mask[at >> 3] >> (at & 7) & 1)]++;
  }
  const removed = times.subarray(0, half), kept = times.subarray(half);
  const leastKept = kept.findIndex(Boolean), mostRemoved = removed.findLastIndex(Boolean);
  const max = table[Math.max(mostRemoved, kept.findLastIndex(Boolean))];
  const counts = new Array<number>(BINS).fill(0);
  for (let pattern = 0; table[pattern] <= max; pattern++) {
    counts[binOf(table[pattern], max)] += removed[pattern] + kept[pattern];
  }
  const parted = leastKept >= 0 && mostRemoved >= 0 && mostRemoved <= leastKept;
  return { max, counts, ...parted && { threshold: table[leastKept] } };
}

/**
 * The bin of a number of 24 bits: times a power of two and divided in 53 bits, it never rounds across an edge. If all are
 * zero, any width would do.
 */
function binOf(value: number, max: number): number {
  return Math.min((value * BINS / (max || 1)) | 0, BINS - 1);
}

/** The share of removed weights by cell; a cell covers whole rows and columns, as equal as they come out. */
function density(mask: Uint8Array, rows: number, cols: number): DensityMap {
  const across = Math.min(CELLS, cols), down = Math.min(CELLS, rows);
  const edges = Array.from({ length: across + 1 }, (_, cell) => Math.floor(cell * cols / across));
  const cells = new Uint8Array(down * across), kept = new Uint32Array(across);
  for (let cell = 0, row = 0, at = 0; cell < down; cell++) {
    const first = row, end = Math.floor((cell + 1) * rows / down);
    kept.fill(0);
    for (; row < end; row++) {
      for (let part = 0; part < across; part++) {
        let sum = 0;
        for (const last = at + edges[part + 1] - edges[part]; at < last; at++) sum += mask[at >> 3] >> (at & 7) & 1;
        kept[part] += sum;
      }
    }
    for (let part = 0; part < across; part++) {
      const weights = (end - first) * (edges[part + 1] - edges[part]);
      cells[cell * across + part] = Math.round(ALL * (1 - kept[part] / weights));
    }
  }
  return { rows: down, cols: across, cells: cells.toBase64() };
}
