/**
 * An order of a linear's inputs in which n:m keeps more of the scores: neighbours compete, so large ones should not meet
 * (RIA; Zhang et al., ICLR 2024, section 4.2). Columns are first dealt out to groups by the sums of their scores; then, place
 * after place, the columns of one place in all groups are exchanged as an assignment problem says is best.
 */
import { assignGreatest } from "./assignment.ts";
import type { Pattern } from "./method.ts";

/** Scores of a matrix, row-major; not negative. */
export interface ScoreMatrix {
  readonly rows: number;
  readonly cols: number;
  readonly values: Float32Array;
}

/** Groups that exchange columns with each other: an assignment takes the cube of their number. */
const RUN = 512;

/** Bytes of what each column is worth in each group's place, the largest of what {@linkcode regroup} makes of its scores. */
export const WORTH_BYTES = 8 * RUN ** 2;

/** The sum of the scores that n:m keeps if the columns stand in an order: the column that comes to each place. */
export function retained({ rows, cols, values }: ScoreMatrix, { n, m }: Pattern, order: ArrayLike<number>): number {
  const group = new Float32Array(m);
  let sum = 0;
  for (let i = 0; i < rows; i++) {
    for (let first = 0; first < cols; first += m) {
      for (let p = 0; p < m; p++) group[p] = values[i * cols + order[first + p]];
      group.sort();
      for (let p = m - n; p < m; p++) sum += group[p];
    }
  }
  return sum;
}

/** See the file's head. The order: which column comes to each place; m divides the columns. */
export function regroup(scores: ScoreMatrix, pattern: Pattern): Uint32Array {
  const order = deal(scores, pattern.m), groups = scores.cols / pattern.m;
  for (let first = 0; first < groups; first += RUN) {
    exchange(scores, pattern, order, first, Math.min(groups, first + RUN));
  }
  return order;
}

/** Columns by the sums of their scores, dealt out forth and back: the least to the groups' first places, and so on. */
function deal({ rows, cols, values }: ScoreMatrix, m: number): Uint32Array {
  const sums = new Float64Array(cols), groups = cols / m, order = new Uint32Array(cols);
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) sums[j] += values[i * cols + j];
  const ranks = Uint32Array.from({ length: cols }, (_, j) => j).toSorted((a, b) => sums[a] - sums[b] || a - b);
  for (let p = 0; p < m; p++) {
    for (let at = 0; at < groups; at++) order[(p % 2 ? groups - 1 - at : at) * m + p] = ranks[p * groups + at];
  }
  return order;
}

/** Exchanges the columns of each place among the groups from `first` on and before `end`. */
function exchange(
  { rows, cols, values }: ScoreMatrix,
  { n, m }: Pattern,
  order: Uint32Array,
  first: number,
  end: number,
) {
  const count = end - first, worth = new Float64Array(count * count);
  const thresholds = new Float32Array(count), others = new Float32Array(m - 1), own = new Float32Array(count);
  for (let place = 0; place < m; place++) {
    worth.fill(0);
    for (let i = 0; i < rows; i++) {
      const row = i * cols;
      for (let g = 0; g < count; g++) {
        const at = (first + g) * m;
        own[g] = values[row + order[at + place]];
        for (let p = 0, to = 0; p < m; p++) if (p !== place) others[to++] = values[row + order[at + p]];
        others.sort();
        // The n-th largest of the others stays unless the column that comes is larger.
        thresholds[g] = others[m - 1 - n];
      }
      for (let g = 0; g < count; g++) {
        const threshold = thresholds[g], to = g * count;
        for (let c = 0; c < count; c++) worth[to + c] += own[c] > threshold ? own[c] : threshold;
      }
    }
    const columns = Uint32Array.from({ length: count }, (_, g) => order[(first + g) * m + place]);
    assignGreatest(worth, count).forEach((c, g) => order[(first + g) * m + place] = columns[c]);
  }
}
