/**
 * What an elimination must leave, weight by weight in f64 with the factor that the backend was given, and how far f32 may
 * be off: a running error analysis (Higham, section 3.3). Every weight carries the error that it has inherited from the
 * weights removed before it and the sum of magnitudes that its own roundings are relative to.
 */
import type { Dtype } from "../../src/backend/backend.ts";
import { DIVISION, gamma, INVERSE_SQRT, UNIT } from "./bounds.ts";
import type { Matrix } from "./matrices.ts";
import { remembered } from "./remembered.ts";

/** What a weight of this size in this column is worth; it grows with the size. */
export type Worth = (size: number, column: number) => number;

/** Which weights go, in the words of `Choice`. */
export type Rule =
  | { readonly kind: "mask"; readonly removes: (row: number, col: number) => boolean }
  | { readonly kind: "threshold"; readonly worth: Worth; readonly sparsity: number }
  | { readonly kind: "groups"; readonly worth: Worth; readonly n: number; readonly m: number };

/** Unit roundoff of what a checkpoint stores: of 24, 11 and 8 significant bits. */
const STORED: Readonly<Record<Dtype, number>> = { F32: 0, F16: 2 ** -11, BF16: 2 ** -8 };

/** A score is a few products and roots away from its weight: their roundings, relative. */
const SCORE = 2 * DIVISION + 2 * INVERSE_SQRT + gamma(4);

/** What is left of a weight, each with the largest allowed error, and which weights went. */
export interface Left {
  readonly values: Float64Array;
  readonly bounds: Float64Array;
  readonly removed: Uint8Array;
}

/** A score and how far it may be off, and where it stands. */
interface Candidate {
  readonly at: number;
  readonly score: number;
  readonly least: number;
  readonly most: number;
}

/** A choice that f32 might make otherwise. */
class Borderline extends Error {}

/** Takes so many of the least. @throws Borderline if they stand too near to the others. */
function least(all: readonly Candidate[], count: (ascending: readonly Candidate[]) => number): number[] {
  const ascending = all.toSorted((a, b) => a.score - b.score || a.at - b.at), end = count(ascending);
  const gone = ascending.slice(0, end), kept = ascending.slice(end);
  // Zeros (of dead columns) are exact on both sides, and whether a zero goes makes no difference.
  const clear = Math.max(...gone.map(({ most }) => most)) < Math.min(...kept.map(({ least }) => least));
  if (!clear && kept[0]?.score !== 0) throw new Borderline("a choice is borderline");
  return gone.map(({ at }) => at);
}

/** How many weights are drawn before a case is given up: of a thousand scores near each other, most draws are clear. */
const DRAWS = 20;

/** The first of the drawn weights whose every choice is clear, and what must be left of it; see the file's head. */
export const eliminateClearly = remembered((
  weights: (attempt: number) => Matrix,
  upper: Matrix,
  dead: ArrayLike<number>,
  rule: Rule,
  block: number,
): Left & { readonly weight: Matrix } => {
  for (let attempt = 0;; attempt++) {
    const weight = weights(attempt);
    try {
      return { weight, ...eliminated(weight, upper, dead, rule, block) };
    } catch (error) {
      if (!(error instanceof Borderline) || attempt === DRAWS) throw error;
    }
  }
});

/** The factor's own numbers are taken as they are. */
function eliminated(weight: Matrix, upper: Matrix, dead: ArrayLike<number>, rule: Rule, block: number): Left {
  const { rows, cols: n, dtype } = weight, u = upper.values, values = weight.values.slice();
  for (let at = 0; at < values.length; at++) if (dead[at % n]) values[at] = 0;
  const magnitudes = values.map(Math.abs), inherited = new Float64Array(values.length);
  const removed = new Uint8Array(values.length);
  const errorAt = (at: number): number => values[at] === 0 ? 0 : inherited[at] + gamma(n + 3) * magnitudes[at];
  const candidate = (worth: Worth, at: number): Candidate => {
    const size = Math.abs(values[at]), error = errorAt(at), column = at % n;
    const score = worth(size, column), most = worth(size + error, column) * (1 + SCORE);
    return { at, score, most, least: worth(Math.max(0, size - error), column) * (1 - SCORE) };
  };
  const candidates = (worth: Worth, [top, end]: number[], first: number, width: number): Candidate[] =>
    Array.from(
      { length: (end - top) * width },
      (_, k) => candidate(worth, (top + Math.floor(k / width)) * n + first + k % width),
    );

  for (let j = 0; j < n; j++) {
    if (rule.kind === "threshold" && j % block === 0 && rule.sparsity > 0) {
      const all = candidates(rule.worth, [0, rows], j, Math.min(block, n - j));
      const place = Math.floor(all.length * rule.sparsity);
      const count = (ascending: readonly Candidate[]) =>
        all.filter(({ score }) => score <= ascending[place].score).length;
      for (const at of least(all, count)) removed[at] = 1;
    }
    for (let i = 0; i < rows; i++) {
      const at = i * n + j;
      if (rule.kind === "mask") removed[at] = Number(rule.removes(i, j));
      if (rule.kind === "groups" && j % rule.m === 0) {
        const { worth, m, n: keeps } = rule;
        for (const gone of least(candidates(worth, [i, i + 1], j, m), () => m - keeps)) removed[gone] = 1;
      }
      if (!removed[at]) continue;
      const pivot = u[j * n + j], error = values[at] / pivot;
      const doubt = errorAt(at) / pivot + (DIVISION + 2 * UNIT) * Math.abs(error);
      for (let k = j + 1; k < n; k++) {
        values[i * n + k] -= error * u[j * n + k];
        magnitudes[i * n + k] += Math.abs(error * u[j * n + k]);
        inherited[i * n + k] += doubt * Math.abs(u[j * n + k]);
      }
      values[at] = magnitudes[at] = inherited[at] = 0;
    }
  }
  // The result is rounded once more, or twice: a subnormal F16 by half of 2^-24.
  const bounds = values.map((value, at) => {
    const error = errorAt(at);
    return removed[at] ? 0 : error + STORED[dtype] * (Math.abs(value) + error) + (dtype === "F16" ? 2 ** -25 : 0);
  });
  return { values, bounds, removed };
}
