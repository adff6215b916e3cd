/**
 * What the bench measures: both sides of a ratio in turn (A B A B …), so that a machine that grows slower does so for
 * both. A figure is a median beside its extremes and its count; a ratio is one of two medians.
 */

import type { Measured, RatioRecord } from "../../src/run/record.ts";

/** One side of a ratio. */
export type Figure = Measured;

/** Ours over theirs, or whichever way round says how much better ours is. */
export type Ratio = RatioRecord;

/** The figure of these values. */
export function figure(label: string, unit: string, values: readonly number[]): Figure {
  const sorted = values.toSorted((a, b) => a - b), n = sorted.length;
  const median = (sorted[Math.floor((n - 1) / 2)] + sorted[Math.ceil((n - 1) / 2)]) / 2;
  return { label, unit, median, min: sorted[0], max: sorted[n - 1], n };
}

/** `ours / theirs`, both counted in the same unit. */
export function over(name: string, ours: Figure, theirs: Figure, target?: Ratio["target"]): Ratio {
  return { name, ours, theirs, ratio: ours.median / theirs.median, target };
}

/** How many times shorter ours took: `theirs / ours` of two times. */
export function faster(name: string, ours: Figure, theirs: Figure, target?: Ratio["target"]): Ratio {
  return { name, ours, theirs, ratio: theirs.median / ours.median, target };
}

/** Someone who can be measured. */
export interface Side {
  readonly label: string;
  readonly unit: string;
  /** One measurement, in the unit. */
  sample(): Promise<number>;
}

/** Threads of a side that has just finished may look for work for some milliseconds (OpenMP's do) before they sleep. */
const REST_MS = 30;

/** Measures every side once to warm it up, then all of them in turn, `rounds` times: a figure of each. */
export async function interleave<const S extends readonly Side[]>(
  rounds: number,
  sides: S,
): Promise<{ -readonly [K in keyof S]: Figure }> {
  const values: number[][] = sides.map(() => []);
  for (let round = -1; round < rounds; round++) {
    for (const [i, side] of sides.entries()) {
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
      const value = await side.sample();
      if (round >= 0) values[i].push(value);
    }
  }
  return sides.map(({ label, unit }, i) => figure(label, unit, values[i])) as { -readonly [K in keyof S]: Figure };
}
