/** Claims about `crossEntropy`: the vocabulary whole or in slices, the logits never held. */
import { assertLessOrEqual } from "@std/assert";
import { contract, type Stage } from "./contract.ts";
import { CAP, exponential, gamma, UNIT } from "./bounds.ts";
import { decode, type Draw, draw, DTYPES, generator, type Matrix, matrix, NORMAL } from "./matrices.ts";
import { remembered } from "./remembered.ts";

interface Case {
  readonly tokens: number;
  readonly width: number;
  readonly words: number;
  /** Where the slices of the vocabulary begin, in the order in which they come. */
  readonly slices: readonly (readonly [first: number, end: number])[];
}

const CASES: readonly Case[] = [
  { tokens: 1, width: 1, words: 1, slices: [[0, 1]] },
  { tokens: 1, width: 7, words: 129, slices: [[0, 129]] },
  { tokens: 33, width: 65, words: 31, slices: [[0, 31]] },
  { tokens: 65, width: 31, words: 1021, slices: [[0, 1021]] },
  { tokens: 37, width: 17, words: 5003, slices: [[0, 2048], [2048, 5003]] },
  { tokens: 7, width: 129, words: 193, slices: [[0, 64], [64, 65], [65, 193]] },
  { tokens: 5, width: 33, words: 100, slices: [[90, 100], [0, 3], [3, 90]] },
];

/** Which word of so many follows each token. */
function targetsOf(tokens: number, words: number): Uint32Array {
  const random = generator(words);
  return Uint32Array.from({ length: tokens }, () => random() * words);
}

/**
 * The three numbers of every token in f64, and how far f32 may be off: a logit by
 * delta = gamma(width + 1) * sum |h w|. The sum of exponentials moves by 2 delta, an exponential each, its additions, and
 * one rescaling (an exponential and a product) for every word at most; the log keeps absolute what was relative. A cap's
 * error adds to a logit's.
 */
const losses = remembered((head: Matrix, hidden: Matrix, softCap?: number) => {
  const words = head.rows, width = head.cols, targets = targetsOf(hidden.rows, words);
  return Array.from(targets, (word, t) => {
    let delta = 0;
    const logits = Array.from({ length: words }, (_, i) => {
      let sum = 0, magnitude = 0;
      for (let k = 0; k < width; k++) {
        const term = hidden.values[t * width + k] * head.values[i * width + k];
        sum += term;
        magnitude += Math.abs(term);
      }
      const logit = softCap ? softCap * Math.tanh(sum / softCap) : sum;
      delta = Math.max(delta, gamma(width + 1) * magnitude + (softCap ? CAP * Math.abs(logit) : 0));
      return logit;
    });
    const largest = Math.max(...logits), range = largest - Math.min(...logits);
    const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
    const relative = 2 * delta + UNIT * range + exponential(2 * range) + (words - 1) * (exponential(0) + 2 * UNIT);
    return { delta, relative, largest, target: logits[word], loss: largest + Math.log(sum) - logits[word] };
  });
});

/** Runs a case and holds the three numbers of every token against f64. */
async function check(
  { backend, hold, keep }: Stage,
  { tokens, width, words, slices }: Case,
  head: Matrix,
  hidden: Matrix,
  { softCap, there = false }: { readonly softCap?: number; readonly there?: boolean } = {},
): Promise<void> {
  const targets = targetsOf(tokens, words);
  // What the state held before must not matter.
  const state = hold(matrix(tokens, 3, "F32", Array(tokens * 3).fill(1e30)));
  const held = hold(hidden);
  slices.forEach(([first, end], i) => {
    const rows = head.values.subarray(first * width, end * width);
    const slice = hold(matrix(end - first, width, head.dtype, rows));
    const options = { start: i === 0, softCap };
    if (there) backend.crossEntropyOfLogits(state, keep(backend.linear(held, slice)), first, targets, options);
    else backend.crossEntropy(state, held, slice, first, targets, options);
  });
  const found = decode((await backend.read(state))[0], "F32");
  losses(head, hidden, softCap).forEach(({ delta, relative, ...want }, t) => {
    const [largest, exponentials, target] = found.subarray(3 * t, 3 * t + 3);
    const what = `token ${t} of ${tokens}, ${words} words of ${width}, ${head.dtype}`;
    assertLessOrEqual(Math.abs(largest - want.largest), delta, `largest, ${what}`);
    assertLessOrEqual(Math.abs(target - want.target), delta, `target, ${what}`);
    const loss = largest + Math.log(exponentials) - target;
    assertLessOrEqual(Math.abs(loss - want.loss), 2 * delta + relative, `loss, ${what}`);
  });
}

/** A claim of every case. */
const all =
  (each: Draw, softCap?: number, there = false, dtypes: typeof DTYPES = DTYPES) =>
  async (stage: Stage): Promise<void> => {
    for (const dtype of dtypes) {
      // Logits that are there are a matrix, whose rows a binding holds.
      const holds = ({ slices }: Case) => !there || slices.every(([first, end]) => end - first <= stage.long);
      for (const shape of CASES.filter(holds)) {
        const hidden = draw(1, shape.tokens, shape.width, "F32", each);
        await check(stage, shape, draw(2, shape.words, shape.width, dtype, NORMAL), hidden, { softCap, there });
      }
    }
  };

contract("crossEntropyOfLogits", (claim) => {
  claim("gives largest, sum and target of every token, by slices in any order", all(NORMAL, undefined, true, ["F32"]));
  claim("caps logits in the hundreds", all((random) => 40 * NORMAL(random), 30, true, ["F32"]));
});

contract("crossEntropy", (claim) => {
  claim("gives largest, sum and target of every token, whole and by slices in any order", all(NORMAL));
  claim("stands logits in the hundreds", all((random) => 40 * NORMAL(random)));

  claim("caps the logits", all(NORMAL, 3));
  claim("caps logits in the hundreds", all((random) => 40 * NORMAL(random), 30));

  claim("does not overflow at logits of 1e30", async (stage) => {
    const shape: Case = { tokens: 2, width: 2, words: 3, slices: [[0, 1], [1, 3]] };
    const hidden = matrix(2, 2, "F32", [1e30, 1, -1e30, 1]), head = matrix(3, 2, "F16", [1, 0, -1, 0, 0.5, 0.5]);
    await check(stage, shape, head, hidden);
  });

  claim("gives log(words) where all logits are equal", async (stage) => {
    const shape: Case = { tokens: 3, width: 5, words: 997, slices: [[0, 500], [500, 997]] };
    await check(stage, shape, draw(3, 997, 5, "BF16", () => 0), draw(4, 3, 5, "F32", NORMAL));
  });
});
