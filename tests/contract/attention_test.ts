/** Claims about `attention`: causal, grouped heads, sequences apart. */
import type { AttentionShape } from "../../src/backend/backend.ts";
import { assertHeld, assertSameBytes, contract, type Expected, type Stage } from "./contract.ts";
import { DIVISION, exponential, gamma, underflow, UNIT } from "./bounds.ts";
import { type Draw, draw, type Matrix, matrix, NORMAL } from "./matrices.ts";
import { remembered } from "./remembered.ts";

interface Case extends AttentionShape {
  readonly sequences: number;
  readonly headDim: number;
}

/** One token, one sequence of one token, several sequences, every kind of head sharing, lengths about a tile. */
const CASES: readonly Case[] = [
  { length: 1, sequences: 1, heads: 1, kvHeads: 1, headDim: 1 },
  { length: 1, sequences: 5, heads: 2, kvHeads: 1, headDim: 8 },
  { length: 2, sequences: 3, heads: 3, kvHeads: 3, headDim: 5 },
  { length: 7, sequences: 2, heads: 9, kvHeads: 3, headDim: 16 },
  { length: 33, sequences: 1, heads: 4, kvHeads: 2, headDim: 64 },
  { length: 65, sequences: 2, heads: 2, kvHeads: 1, headDim: 48 },
  { length: 127, sequences: 1, heads: 1, kvHeads: 1, headDim: 128 },
  { length: 193, sequences: 1, heads: 2, kvHeads: 2, headDim: 24 },
  { length: 35, sequences: 2, heads: 2, kvHeads: 1, headDim: 256 },
  { length: 66, sequences: 1, heads: 1, kvHeads: 1, headDim: 129 },
  { length: 521, sequences: 1, heads: 2, kvHeads: 1, headDim: 32 },
];

/** What must not be seen: scores of it would leave no weight to any other. */
const HUGE: Draw = (random) => 1e15 * NORMAL(random);

/** q, k and v of a case. */
const inputs = remembered((seed: number, { length, sequences, heads, kvHeads, headDim }: Case, each: Draw): Matrix[] =>
  [heads, kvHeads, kvHeads].map((count, i) => draw(seed + 100 * i, length * sequences, count * headDim, "F32", each))
);

/**
 * The exact results and their bounds. With s the scores (a dot product of d terms, scaled: off by
 * delta = gamma(d + 2) * scale * sum |q k|), a weight exp(s - largest) is off by a factor e^(2 delta) for the scores, one
 * unit of |s - largest| for the difference, and its exponential. A running maximum rescales what it has: at most one
 * more exponential and product for every token, whose arguments together span the scores' range. The two sums then take
 * gamma(length), and a division.
 */
const attended = remembered(([q, k, v]: Matrix[], { length, heads, kvHeads, headDim }: Case, least: number) => {
  const values = new Float64Array(q.values.length), bounds = values.slice(), scale = 1 / Math.sqrt(headDim);
  for (let t = 0; t < q.rows; t++) {
    const first = t - t % length, count = t - first + 1;
    for (let h = 0; h < heads; h++) {
      const kv = Math.floor(h / (heads / kvHeads)) * headDim, at = t * q.cols + h * headDim;
      const scores: number[] = [];
      let delta = 0;
      for (let s = first; s <= t; s++) {
        let dot = 0, magnitude = 0;
        for (let j = 0; j < headDim; j++) {
          const term = q.values[at + j] * k.values[s * k.cols + kv + j];
          dot += term;
          magnitude += Math.abs(term);
        }
        scores.push(dot * scale);
        delta = Math.max(delta, gamma(headDim + 2) * magnitude * scale);
      }
      const largest = Math.max(...scores), range = largest - Math.min(...scores);
      const weights = scores.map((score) => Math.exp(score - largest)), total = weights.reduce((x, y) => x + y);
      const rescales = count - 1;
      const weightError = Math.expm1(2 * delta + UNIT * range) + exponential(2 * range) +
        rescales * (exponential(0) + UNIT);
      const relative = 2 * (weightError + gamma(count)) + DIVISION + UNIT;
      for (let j = 0; j < headDim; j++) {
        let sum = 0, magnitude = 0;
        weights.forEach((weight, s) => {
          const value = weight * v.values[(first + s) * v.cols + kv + j];
          sum += value;
          magnitude += Math.abs(value);
        });
        values[at + j] = sum / total;
        bounds[at + j] = relative * magnitude / total + count * least;
      }
    }
  }
  return { values, bounds };
});

/** Some rows of one matrix, and the rest of another. */
const rowsOf = (first: (row: number) => boolean, one: Matrix, other: Matrix): Matrix =>
  matrix(
    one.rows,
    one.cols,
    "F32",
    one.values.map((value, at) => first(Math.floor(at / one.cols)) ? value : other.values[at]),
  );

contract("attention", (claim) => {
  const check = (each: Draw) => async ({ backend, hold, keep }: Stage): Promise<void> => {
    const expected = CASES.map((shape, seed): Expected => {
      const all = inputs(seed, shape, each), [q, k, v] = all.map((one) => hold(one));
      const held = keep(backend.attention(q, k, v, shape));
      const { length, sequences, heads, kvHeads, headDim } = shape;
      const what = `${sequences} x ${length}, heads ${heads}/${kvHeads} of ${headDim}`;
      return { what, held, ...attended(all, shape, underflow(backend)) };
    });
    await assertHeld(backend, expected);
  };
  claim("is the softmax of the scaled scores times v", check(NORMAL));
  claim("stands sharp scores, where one token takes all", check((random) => 12 * NORMAL(random)));
  claim("stands zeros and ones, where scores tie", check((random) => Math.floor(2 * random())));

  // Every weight is exp(0) over the count: count sums, the exponential, a division.
  claim("is the running mean of v where q is zero", async ({ backend, hold, keep }) => {
    const shape: Case = { length: 131, sequences: 2, heads: 2, kvHeads: 1, headDim: 16 };
    const [, key, value] = inputs(5, shape, NORMAL), [k, v] = [hold(key), hold(value)];
    const held = keep(backend.attention(keep(backend.allocate(262, 32)), k, v, shape));
    const values = new Float64Array(262 * 32), magnitudes = values.slice();
    values.forEach((_, at) => {
      const t = Math.floor(at / 32), first = t - t % shape.length;
      for (let s = first; s <= t; s++) {
        values[at] += value.values[s * 16 + at % 16] / (t - first + 1);
        magnitudes[at] += Math.abs(value.values[s * 16 + at % 16]) / (t - first + 1);
      }
    });
    const bounds = magnitudes.map((magnitude) => 2 * (gamma(shape.length) + exponential(0) + DIVISION) * magnitude);
    await assertHeld(backend, [{ what: "equal scores", held, values, bounds }]);
  });

  claim("does not overflow: scores of 1e30 apart, values of 1e30", async ({ backend, hold, keep }) => {
    const q = matrix(3, 1, "F32", [1e15, 1e15, -1e15]), k = matrix(3, 1, "F32", [-1e15, 1e15, 0]);
    const v = matrix(3, 1, "F32", [1e30, -1e30, 3]);
    const [a, b, c] = [q, k, v].map((one) => hold(one));
    const held = keep(backend.attention(a, b, c, { length: 3, heads: 1, kvHeads: 1 }));
    // Each token sees one score far above the rest: tokens 0, 1 and 0.
    const values = [1e30, -1e30, 1e30];
    await assertHeld(backend, [{
      what: "sharp",
      held,
      values,
      bounds: values.map((value) => (DIVISION + 2 * UNIT) * Math.abs(value)),
    }]);
  });

  claim("of a token does not change with what follows it, to the bit", async ({ backend, hold, keep }) => {
    for (const shape of CASES.slice(2)) {
      const { length, sequences, heads, headDim } = shape, width = heads * headDim;
      const cut = Math.ceil(length / 2);
      const outputs = [1, 2].map((seed) => {
        // The same inputs up to the cut in every sequence, others from there on.
        const mixed = inputs(7, shape, NORMAL).map((same, i) => {
          const other = inputs(seed, shape, HUGE)[i];
          return rowsOf((row) => row % length < cut, same, other);
        });
        const [q, k, v] = mixed.map((one) => hold(one));
        return keep(backend.attention(q, k, v, shape));
      });
      const [one, two] = await backend.read(...outputs);
      for (let sequence = 0; sequence < sequences; sequence++) {
        const first = sequence * length * width * 4, end = first + cut * width * 4;
        assertSameBytes(one.subarray(first, end), two.subarray(first, end), `sequence ${sequence} of ${length} tokens`);
      }
    }
  });

  claim("of a sequence does not change with its neighbours, to the bit", async ({ backend, hold, keep }) => {
    const shape: Case = { length: 37, sequences: 3, heads: 6, kvHeads: 2, headDim: 20 };
    const middle = (row: number): boolean => Math.floor(row / shape.length) === 1;
    const outputs = [1, 2].map((seed) => {
      const [q, k, v] = inputs(3, shape, NORMAL).map((same, i) => {
        const other = inputs(seed, shape, HUGE)[i];
        return hold(rowsOf(middle, same, other));
      });
      return keep(backend.attention(q, k, v, shape));
    });
    const [one, two] = await backend.read(...outputs), third = one.length / 3;
    assertSameBytes(one.subarray(third, 2 * third), two.subarray(third, 2 * third), "the middle sequence");
  });
});
