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
 * How likely every token is to be drawn.
 * @param logits Finite, or -Infinity for a token that may not be.
 * @returns Of each id its probability, 0 for those that are not drawn from; they are 1 together.
 */
export function probabilities(
  logits: Float32Array,
  { temperature, topK, topP, minP }: Pick<Sampling, "temperature" | "topK" | "topP" | "minP">,
): Float64Array {
  const largest = logits[likeliest(logits)], least = topK ? nthLargest(logits, topK) : -Infinity;
  const weights = new Float64Array(logits.length);
  let all = 0;
  for (let id = 0; id < logits.length; id++) {
    if (logits[id] >= least) all += weights[id] = Math.exp((logits[id] - largest) / temperature);
  }
  if (topP < 1) keepLikeliest(weights, topP * all, all);
  let sum = 0;
  for (let id = 0; id < weights.length; id++) {
    if (weights[id] < minP) weights[id] = 0; // the likeliest weighs 1
    sum += weights[id];
  }
  return weights.map((weight) => weight / sum);
}

/** Keeps of some weights the largest that are enough together, of two that are alike the first; `all` of them are so much. */
function keepLikeliest(weights: Float64Array, enough: number, all: number): void {
  // What is rarer than an even share of what is left out is left out whatever its order: few are sorted.
  const rare = (all - enough) / weights.length, few: number[] = [];
  for (let id = 0; id < weights.length; id++) {
    if (weights[id] >= rare) few.push(id);
    else weights[id] = 0;
  }
  few.sort((a, b) => weights[b] - weights[a] || a - b);
  let sum = 0;
  for (const [place, id] of few.entries()) {
    if (place > 0 && sum >= enough) weights[id] = 0;
    else sum += weights[id];
  }
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
    const shares = probabilities(penalized, this.sampling);
    let rest = this.#random.getrandbits(32) / 2 ** 32;
    const drawn = shares.findIndex((share) => (rest -= share) < 0);
    // Shares that are 1 together but for their rounding.
    return drawn < 0 ? shares.findLastIndex((share) => share > 0) : drawn;
  }
}
