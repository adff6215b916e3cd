/**
 * Which token comes next, of the logits that the model gives: pure functions of numbers, in f64. The steps and their order are
 * those of transformers' `generate` (`logits_process.py`): a penalty for what was said already, then, unless the likeliest
 * token is taken, temperature, top-k, top-p and min-p, and a draw from what is left.
 */
import { PareError } from "../errors.ts";
import { Random } from "../text/random.ts";

/** How tokens are chosen. */
export interface Sampling {
  /** Logits are divided by it; 0 always takes the likeliest token, of two that are alike the one of the lower id. */
  readonly temperature: number;
  /** Only this many of the likeliest tokens are drawn from, and those as likely as the last of them; 0 for all. */
  readonly topK: number;
  /** Only the likeliest tokens are drawn from that together have this probability (Holtzman et al., 2020); 1 for all. */
  readonly topP: number;
  /** Only tokens are drawn from that have this share of the likeliest one's probability (Nguyen et al., 2024); 0 for all. */
  readonly minP: number;
  /**
   * Logits of tokens that are in the prompt or the text already are divided by it where they are above 0, else multiplied (CTRL;
   * Keskar et al., 2019); 1 for no penalty.
   */
  readonly repetitionPenalty: number;
  /** Seed of the draws. */
  readonly seed: number;
}

/** The likeliest token every time. */
export const GREEDY: Sampling = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, seed: 0 };

/** A token that may be drawn. */
export interface Candidate {
  /** Its id. */
  readonly id: number;
  /** Its probability among all candidates. */
  readonly probability: number;
}

/**
 * Checks how tokens are to be chosen.
 * @param called What a value is called in an error.
 * @throws PareError naming what is out of its range.
 */
export function checkSampling(sampling: Sampling, called = (name: keyof Sampling): string => name): void {
  const claims: readonly [name: keyof Sampling, expected: string, holds: (value: number) => boolean][] = [
    ["temperature", "0 or more", (value) => value >= 0 && value < Infinity],
    ["topK", "a whole number, 0 or more", (value) => Number.isSafeInteger(value) && value >= 0],
    ["topP", "above 0 and at most 1", (value) => value > 0 && value <= 1],
    ["minP", "a share in [0, 1]", (value) => value >= 0 && value <= 1],
    ["repetitionPenalty", "above 0", (value) => value > 0 && value < Infinity],
    ["seed", "a whole number", Number.isSafeInteger],
  ];
  for (const [name, expected, holds] of claims) {
    if (!holds(sampling[name])) throw new PareError(`${called(name)} ${sampling[name]}: expected ${expected}`);
  }
}

/** Logits with the penalty for the tokens that were there before; the same array if there is none. */
export function penalize(logits: Float32Array, before: Iterable<number>, penalty: number): Float32Array {
  if (penalty === 1) return logits;
  const penalized = logits.slice();
  for (const id of new Set(before)) penalized[id] = logits[id] > 0 ? logits[id] / penalty : logits[id] * penalty;
  return penalized;
}

/** The id of the largest logit, the lowest of several. */
export function likeliest(logits: Float32Array): number {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id] > logits[best]) best = id;
  return best;
}

/**
 * The tokens that may be drawn with their probabilities, the likeliest first, of two that are alike the lower id.
 * @param logits Finite, or -Infinity for a token that may not be.
 */
export function candidates(
  logits: Float32Array,
  { temperature, topK, topP, minP }: Pick<Sampling, "temperature" | "topK" | "topP" | "minP">,
): Candidate[] {
  const largest = logits[likeliest(logits)], least = topK ? nthLargest(logits, topK) : -Infinity;
  const kept: { id: number; weight: number }[] = [];
  let all = 0;
  for (let id = 0; id < logits.length; id++) {
    if (logits[id] < least) continue;
    const weight = Math.exp((logits[id] - largest) / temperature);
    if (weight === 0) continue;
    kept.push({ id, weight });
    all += weight;
  }
  // Tokens that are rarer than an even share of what top-p leaves out are left out whatever their order: few are sorted.
  const rare = all * (1 - topP) / kept.length;
  const sorted = kept.filter(({ weight }) => weight >= rare).sort((a, b) => b.weight - a.weight || a.id - b.id);
  const enough = topP < 1 ? topP * all : Infinity;
  let sum = 0, count = 0;
  for (const { weight } of sorted) {
    if (count > 0 && (sum >= enough || weight < minP * sorted[0].weight)) break;
    sum += weight;
    count++;
  }
  return sorted.slice(0, count).map(({ id, weight }) => ({ id, probability: weight / sum }));
}

/** The n-th largest of some numbers, or the smallest if there are fewer: a heap of the n largest so far. */
function nthLargest(numbers: Float32Array, n: number): number {
  if (n >= numbers.length) return -Infinity;
  const heap = numbers.slice(0, n).sort(); // ascending is a heap, its smallest first
  for (let i = n; i < numbers.length; i++) {
    const number = numbers[i];
    if (number <= heap[0]) continue;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child + 1 < n && heap[child + 1] < heap[child]) child++;
      if (child >= n || heap[child] >= number) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = number;
  }
  return heap[0];
}

/** Chooses the tokens of one text. */
export class Sampler {
  readonly #random: Random;

  /**
   * @param sequence Which of several texts that are written at once: each has draws of its own.
   * @throws PareError for what is out of its range.
   */
  constructor(readonly sampling: Sampling, sequence = 0) {
    checkSampling(sampling);
    this.#random = new Random((BigInt(sampling.seed) << 32n) + BigInt(sequence));
  }

  /**
   * The next token.
   * @param before The ids of the prompt and of the text so far.
   */
  choose(logits: Float32Array, before: Iterable<number>): number {
    const { repetitionPenalty, temperature } = this.sampling;
    const penalized = penalize(logits, before, repetitionPenalty);
    if (temperature === 0) return likeliest(penalized);
    const among = candidates(penalized, this.sampling);
    let rest = this.#random.getrandbits(32) / 2 ** 32;
    return (among.find(({ probability }) => (rest -= probability) < 0) ?? among[among.length - 1]).id;
  }
}
