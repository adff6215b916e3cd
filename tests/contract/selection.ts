/**
 * What the selections must remove, by a plain sort of every group and the published procedures. Slow and obvious: the
 * judge of every mask in this suite. Scores compete by their magnitudes; `sort` is stable, hence ties go to the lower
 * index.
 */
import type { Selection } from "../../src/backend/backend.ts";
import { remembered } from "./remembered.ts";

/** Indices into the matrix, row-major, group by group. */
export function groups(rows: number, cols: number, group: number | "column"): number[][] {
  if (group === "column") {
    return Array.from({ length: cols }, (_, j) => Array.from({ length: rows }, (_, i) => i * cols + j));
  }
  return Array.from({ length: Math.ceil(rows / group) }, (_, run) => {
    const first = run * group, end = Math.min(rows, first + group);
    return Array.from({ length: (end - first) * cols }, (_, at) => first * cols + at);
  });
}

/** Orders indices by what scores are there. */
const byMagnitude = (scores: ArrayLike<number>) => (a: number, b: number): number =>
  Math.abs(scores[a]) - Math.abs(scores[b]);

/** The indices that a selection removes. */
export const smallest = (scores: ArrayLike<number>, rows: number, cols: number, selection: Selection): Set<number> =>
  smallestBy(scores, rows, cols, selection.group, selection.sparsity, selection.rule);

const smallestBy = remembered((
  scores: ArrayLike<number>,
  rows: number,
  cols: number,
  group: Selection["group"],
  sparsity: number,
  rule: Selection["rule"],
): Set<number> => {
  const removed = new Set<number>();
  for (const members of groups(rows, cols, group)) {
    const ascending = members.toSorted(byMagnitude(scores)), count = Math.floor(members.length * sparsity);
    if (sparsity === 0) continue;
    if (rule === "count") ascending.slice(0, count).forEach((at) => removed.add(at));
    else {members.filter((at) => Math.abs(scores[at]) <= Math.abs(scores[ascending[count]])).forEach((at) =>
        removed.add(at)
      );}
  }
  return removed;
});

/** The indices that n:m removes: the `m - n` smallest of every `m` neighbours of a row. */
export function smallestOfGroups(
  scores: ArrayLike<number>,
  rows: number,
  cols: number,
  n: number,
  m: number,
): Set<number> {
  const removed = new Set<number>();
  for (let first = 0; first < rows * cols; first += m) {
    const members = Array.from({ length: m }, (_, k) => first + k);
    members.sort(byMagnitude(scores)).slice(0, m - n).forEach((at) => removed.add(at));
  }
  return removed;
}

/**
 * The indices that Wanda's variant removes: the published bisection for alpha, from 0.4 between 0 and 0.8 until the share
 * of the removed comes within 0.001 of the sparsity. A row loses every score up to the largest whose running sum in
 * ascending order is at most alpha times the row's sum.
 */
export const cumulative = remembered((
  scores: ArrayLike<number>,
  rows: number,
  cols: number,
  sparsity: number,
): Set<number> => {
  const lines = Array.from({ length: rows }, (_, i) => {
    const row = Array.from({ length: cols }, (_, j) => scores[i * cols + j]);
    const ascending = row.toSorted((a, b) => a - b);
    let sum = 0;
    const running = ascending.map((score) => Math.fround(sum += score));
    return { row, ascending, running, total: Math.fround(sum) };
  });
  const removedAt = (alpha: number): Set<number> => {
    const removed = new Set<number>();
    lines.forEach(({ row, ascending, running, total }, i) => {
      const limit = Math.fround(Math.fround(alpha) * total), count = running.filter((sum) => sum <= limit).length;
      row.forEach((score, j) => count > 0 && score <= ascending[count - 1] && removed.add(i * cols + j));
    });
    return removed;
  };
  // The published code holds the share of the removed and its distance from the sparsity in f32.
  const excess = (): number => Math.fround(Math.fround(removed.size / (rows * cols)) - Math.fround(sparsity));
  let low = 0, high = 0.8, alpha = 0.4, removed = removedAt(alpha);
  while (Math.abs(excess()) > Math.fround(0.001) && high - low >= 0.001) {
    if (excess() > 0) [high, alpha] = [alpha, (alpha + low) / 2];
    else [low, alpha] = [alpha, (alpha + high) / 2];
    removed = removedAt(alpha);
  }
  return removed;
});
