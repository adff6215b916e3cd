/**
 * What is drawn of one linear, from what the pass has measured of it: how its weights and scores are distributed, where the
 * line between kept and removed lies, and where in the matrix the removed ones stand. The numbers were counted where the
 * weight was; here they become what a record holds.
 */
import type { DensityMap, Histogram, LinearRecord } from "./record.ts";

/** What the cell of a density map says where every weight was removed. */
const ALL = 255;

/** Numbers as they were counted. */
export interface Counted {
  /** By bin. */
  readonly counts: readonly number[];
  /** Of each row the greatest that was removed, the least and the greatest that was kept; -1, infinite, -1: of none. */
  readonly extremes: Float32Array;
}

/** What was measured of a linear. */
export interface LinearMeasures {
  /** Outputs. */
  readonly rows: number;
  /** Inputs. */
  readonly cols: number;
  /** |W| before pruning. */
  readonly magnitudes: Counted;
  /** The method's scores before pruning, where it has one number for each weight. */
  readonly scores?: Counted;
  /** Weights that are zero in each cell; a cell covers whole rows and columns. */
  readonly density: { readonly down: number; readonly across: number; readonly zeros: Float32Array };
}

/** The drawings of a linear's record. */
export function drawings(
  { rows, cols, magnitudes, scores, density }: LinearMeasures,
): Pick<LinearRecord, "magnitudes" | "scores" | "density"> {
  return {
    magnitudes: histogram(magnitudes, false),
    ...scores && { scores: histogram(scores, true) },
    density: densityMap(rows, cols, density),
  };
}

/** A distribution and the line between the numbers that were kept and those that were not. */
function histogram({ counts, extremes }: Counted, byRow: boolean): Histogram {
  let max = 0, least = Infinity, most = -1;
  /** Of the rows that a line parts: the least that was kept. */
  const lines: number[] = [];
  for (let at = 0; at < extremes.length; at += 3) {
    const removed = extremes[at], low = extremes[at + 1], kept = extremes[at + 2];
    if (removed >= 0 && kept >= 0 && removed <= low) lines.push(low);
    most = Math.max(most, removed);
    least = Math.min(least, low);
    max = Math.max(max, removed, kept);
  }
  // Nothing was removed, or nothing kept.
  if (most < 0 || least === Infinity) return { max, counts };
  if (most <= least) return { max, counts, threshold: least };
  if (!byRow || lines.length <= extremes.length / 3 / 2) return { max, counts };
  lines.sort((a, b) => a - b);
  return { max, counts, threshold: lines[lines.length >> 1], thresholds: [lines[0], lines.at(-1)!] };
}

/** The share of removed weights by cell. */
function densityMap(rows: number, cols: number, { down, across, zeros }: LinearMeasures["density"]): DensityMap {
  const size = (cell: number, cells: number, all: number) =>
    Math.floor((cell + 1) * all / cells) - Math.floor(cell * all / cells);
  const cells = Uint8Array.from(zeros, (count, at) => {
    const weights = size(Math.floor(at / across), down, rows) * size(at % across, across, cols);
    return Math.round(ALL * (1 - (weights - count) / weights));
  });
  return { rows: down, cols: across, cells: cells.toBase64() };
}
