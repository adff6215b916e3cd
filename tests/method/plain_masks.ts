/**
 * Which weights a method removes, as the algorithms' page states it: plain lists, full sorts, f64; f32 only where the
 * page says f32. An element is known by its row-major index.
 */

/** A matrix of scores. */
export interface Scores {
  readonly rows: number;
  readonly cols: number;
  readonly values: readonly number[];
}

const { fround } = Math;

/** `|w|`. */
export function magnitudes(weights: readonly number[]): number[] {
  return weights.map(Math.abs);
}

/** `|w| * sqrtf(stat)` in f32. */
export function activationScores(weights: readonly number[], cols: number, statistic: readonly number[]): number[] {
  return weights.map((weight, i) => fround(Math.abs(weight) * fround(Math.sqrt(statistic[i % cols]))));
}

/** The `floor(size * sparsity)` smallest of each group, ties to the lower index. */
export function smallestOfEach(groups: readonly (readonly number[])[], values: readonly number[], sparsity: number) {
  return groups.flatMap((group) => ascending(group, values).slice(0, Math.floor(group.length * sparsity)));
}

/** Indices by their scores, equal ones by themselves. */
function ascending(indices: readonly number[], values: readonly number[]): number[] {
  return [...indices].sort((a, b) => values[a] - values[b] || a - b);
}

/** The comparison groups of a `--group`. */
export function groupsOf({ rows, cols }: Scores, group: "row" | "layer" | "column" | { block: number }): number[][] {
  const all = Array.from({ length: rows * cols }, (_, i) => i);
  const row = (i: number) => Math.floor(i / cols);
  const label = (i: number) =>
    group === "row" ? row(i) : group === "layer" ? 0 : group === "column" ? i % cols : Math.floor(row(i) / group.block);
  return [...Map.groupBy(all, label).values()];
}

/** Magnitude's own rule: everything up to `ascending(|W|)[floor(rows * cols * sparsity)]`; nothing at sparsity 0. */
export function upToThreshold({ values }: Scores, sparsity: number): number[] {
  if (sparsity === 0) return [];
  const threshold = [...values].sort((a, b) => a - b)[Math.floor(values.length * sparsity)];
  return [...values.keys()].filter((i) => values[i] <= threshold);
}

/** Of every `m` neighbours of a row the `m - n` smallest. */
export function patternOf({ values }: Scores, n: number, m: number): number[] {
  const groups = Array.from({ length: values.length / m }, (_, g) => Array.from({ length: m }, (_, k) => g * m + k));
  return groups.flatMap((group) => ascending(group, values).slice(0, m - n));
}

/** Wanda's variant with its bisection; the published code holds the sparsity and its distance in f32. */
export function cumulative(scores: Scores, sparsity: number): number[] {
  const { values } = scores, rows = groupsOf(scores, "row");
  const at = (alpha: number) =>
    rows.flatMap((row) => {
      const sorted = row.map((i) => values[i]).sort((a, b) => a - b);
      const running: number[] = [];
      for (const score of sorted) running.push((running.at(-1) ?? 0) + score);
      const limit = fround(fround(alpha) * fround(running.at(-1)!));
      const count = running.filter((sum) => fround(sum) <= limit).length;
      return count === 0 ? [] : row.filter((i) => values[i] <= sorted[count - 1]);
    });
  let [low, high, alpha] = [0, 0.8, 0.4];
  let removed = at(alpha);
  const share = () => fround(removed.length / values.length), wanted = fround(sparsity);
  while (Math.abs(fround(share() - wanted)) > fround(0.001) && high - low >= 0.001) {
    const old = alpha;
    if (share() > wanted) [high, alpha] = [old, (old + low) / 2];
    else [low, alpha] = [old, (old + high) / 2];
    removed = at(alpha);
  }
  return removed;
}
