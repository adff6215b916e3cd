/** Claims about `attention`: causal, grouped heads, sequences of any lengths apart, windows, caps and slopes. */
import type { AttentionOptions, Dtype } from "../../src/backend/backend.ts";
import { assertHeld, assertSameBytes, contract, type Expected, type Stage } from "./contract.ts";
import { CAP, DIVISION, exponential, gamma, underflow, UNIT } from "./bounds.ts";
import { type Draw, draw, type Matrix, matrix, NORMAL } from "./matrices.ts";
import { remembered } from "./remembered.ts";

interface Case extends Omit<AttentionOptions, "offsets" | "scale" | "spans"> {
  /** Tokens of each sequence. */
  readonly lengths: readonly number[];
  /** Of each sequence the ranges of rows that it sees: first, end, first, end, …; without them its own. */
  readonly seen?: readonly (readonly number[])[];
  readonly headDim: number;
  /** Of keys and values; F32 unless said. */
  readonly dtype?: Dtype;
  /** 1/sqrt(headDim) unless said. */
  readonly scale?: number;
}

/** So many sequences of one length. */
const equal = (sequences: number, length: number): number[] => Array(sequences).fill(length);

/** One token, one sequence of one token, several sequences, every kind of head sharing, lengths about a tile. */
const CASES: readonly Case[] = [
  { lengths: [1], heads: 1, kvHeads: 1, headDim: 1 },
  { lengths: equal(5, 1), heads: 2, kvHeads: 1, headDim: 8 },
  { lengths: equal(3, 2), heads: 3, kvHeads: 3, headDim: 5 },
  { lengths: equal(2, 7), heads: 9, kvHeads: 3, headDim: 16 },
  { lengths: [33], heads: 4, kvHeads: 2, headDim: 64 },
  { lengths: equal(2, 65), heads: 2, kvHeads: 1, headDim: 48 },
  { lengths: [127], heads: 1, kvHeads: 1, headDim: 128 },
  { lengths: [193], heads: 2, kvHeads: 2, headDim: 24 },
  { lengths: equal(2, 35), heads: 2, kvHeads: 1, headDim: 256 },
  { lengths: [66], heads: 1, kvHeads: 1, headDim: 129 },
  { lengths: [521], heads: 2, kvHeads: 1, headDim: 32 },
];

/** Lengths that differ, and what each option does, alone and with the others. */
const OPTIONS: Readonly<Record<string, readonly Case[]>> = {
  "sequences of any lengths": [
    { lengths: [1, 37, 37, 2, 70, 1], heads: 2, kvHeads: 1, headDim: 24 },
    { lengths: [131, 5], heads: 3, kvHeads: 3, headDim: 10 },
  ],
  "any scale": [{ lengths: [9, 33], heads: 4, kvHeads: 2, headDim: 16, scale: 0.2041 }],
  "a window": [
    ...[1, 2, 7, 8, 16, 33, 1000].map((window) => ({
      lengths: [70, 3, 41],
      heads: 2,
      kvHeads: 1,
      headDim: 20,
      window,
    })),
    { lengths: [521], heads: 2, kvHeads: 2, headDim: 16, window: 100 },
  ],
  "a soft cap": [{ lengths: [67, 9], heads: 2, kvHeads: 1, headDim: 20, softCap: 0.7 }],
  slopes: [{ lengths: [67, 9], heads: 3, kvHeads: 3, headDim: 12, slopes: Float32Array.of(0.5, 0.25, 0.0625) }],
  "all of them": [{
    lengths: [5, 130, 9],
    heads: 4,
    kvHeads: 2,
    headDim: 10,
    scale: 0.5,
    window: 21,
    softCap: 3,
    slopes: Float32Array.of(0.5, 0.25, 0.125, 0.0625),
  }],
};

/** Of two heads. */
const SLOPES = Float32Array.of(0.5, 0.25);

/** Sequences that see other rows than their own. */
const SPANS: readonly Case[] = [
  // A context with three continuations, of which the last is continued by two others.
  ...[{}, { window: 10 }, { window: 40, softCap: 0.7, slopes: SLOPES }].map((options) => ({
    lengths: [37, 5, 1, 20, 3, 9],
    seen: [[0, 37], [0, 42], [0, 37, 42, 43], [0, 37, 43, 63], [0, 37, 43, 63, 63, 66], [0, 37, 43, 63, 66, 75]],
    heads: 2,
    kvHeads: 1,
    headDim: 24,
    ...options,
  })),
  // Caches: one query, and a few, of sequences that lie anywhere among rows of which some are nobody's.
  { lengths: [1, 3, 1], seen: [[70, 300], [6, 13], [400, 401]], heads: 4, kvHeads: 2, headDim: 10 },
  { lengths: [1, 40], seen: [[1, 521], [530, 535, 0, 130]], heads: 2, kvHeads: 2, headDim: 16, window: 100 },
  // The same in fewer bytes.
  { lengths: [1, 4], seen: [[70, 300], [6, 13, 20, 31]], heads: 4, kvHeads: 2, headDim: 10, dtype: "F16" },
  { lengths: [1, 40], seen: [[1, 221], [230, 270]], heads: 2, kvHeads: 2, headDim: 20, window: 30, dtype: "F16" },
  { lengths: [2], seen: [[3, 90]], heads: 2, kvHeads: 1, headDim: 6, softCap: 0.7, slopes: SLOPES, dtype: "BF16" },
  // The queries' own rows are in pieces, too.
  { lengths: [11], seen: [[20, 25, 3, 4, 9, 17]], heads: 3, kvHeads: 3, headDim: 7 },
];

/** What the backend takes of a case. */
function optionsOf(
  { lengths, headDim, scale = 1 / Math.sqrt(headDim), seen, dtype: _, ...rest }: Case,
): AttentionOptions {
  const offsets = new Uint32Array(lengths.length + 1);
  lengths.forEach((length, i) => offsets[i + 1] = offsets[i] + length);
  return { ...rest, offsets, scale, spans: seen?.map((ranges) => Uint32Array.from(ranges)) };
}

/** What must not be seen: scores of it would leave no weight to any other. */
const HUGE: Draw = (random) => 1e15 * NORMAL(random);

/** q, k and v of a case. */
const inputs = remembered(
  (seed: number, { lengths, heads, kvHeads, headDim, seen, dtype = "F32" }: Case, each: Draw): Matrix[] => {
    const tokens = lengths.reduce((sum, length) => sum + length), rows = seen ? Math.max(...seen.flat()) : tokens;
    return [heads, kvHeads, kvHeads].map((count, i) =>
      draw(seed + 100 * i, i ? rows : tokens, count * headDim, i ? dtype : "F32", each)
    );
  },
);

/**
 * The exact results and their bounds. With s the scores (a dot product of d terms, scaled: off by
 * delta = gamma(d + 2) * scale * sum |q k|), a weight exp(s - largest) is off by a factor e^(2 delta) for the scores, one
 * unit of |s - largest| for the difference, and its exponential. A running maximum rescales what it has: at most one
 * more exponential and product for every token, whose arguments together span the scores' range. The two sums then take
 * gamma(length), and a division. A cap's error adds to a score's, and so do the four roundings of a slope's term.
 */
const attended = (all: Matrix[], shape: Case, least: number) => {
  const { values, errors, counts } = exact(all, shape);
  return { values, bounds: errors.map((error, at) => error + counts[at] * least) };
};

/** The exact results, the errors of what does not underflow, and how many terms of each may. */
const exact = remembered(([q, k, v]: Matrix[], shape: Case) => {
  const { heads, kvHeads, headDim, softCap, slopes } = shape, { offsets, scale, window = Infinity } = optionsOf(shape);
  const values = new Float64Array(q.values.length), errors = values.slice(), counts = values.slice();
  for (let t = 0, sequence = 0; t < q.rows; t++) {
    if (t === offsets[sequence + 1]) sequence++;
    const ranges = [...shape.seen?.[sequence] ?? offsets.subarray(sequence, sequence + 2)], keys: number[] = [];
    for (let i = 0; i < ranges.length; i += 2) for (let row = ranges[i]; row < ranges[i + 1]; row++) keys.push(row);
    const position = keys.length - (offsets[sequence + 1] - t), first = Math.max(0, position - window + 1);
    const count = position - first + 1;
    for (let h = 0; h < heads; h++) {
      const kv = Math.floor(h / (heads / kvHeads)) * headDim, at = t * q.cols + h * headDim;
      const scores: number[] = [];
      let delta = 0;
      for (let s = first; s <= position; s++) {
        let dot = 0, magnitude = 0;
        for (let j = 0; j < headDim; j++) {
          const term = q.values[at + j] * k.values[keys[s] * k.cols + kv + j];
          dot += term;
          magnitude += Math.abs(term);
        }
        const capped = softCap ? softCap * Math.tanh(dot * scale / softCap) : dot * scale;
        const sloped = slopes ? slopes[h] * (s - position) : 0;
        scores.push(capped + sloped);
        const added = (softCap ? CAP * Math.abs(capped) : 0) + (slopes ? gamma(4) * (Math.abs(capped) - sloped) : 0);
        delta = Math.max(delta, gamma(headDim + 2) * magnitude * scale + added);
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
          const value = weight * v.values[keys[first + s] * v.cols + kv + j];
          sum += value;
          magnitude += Math.abs(value);
        });
        values[at + j] = sum / total;
        errors[at + j] = relative * magnitude / total;
        counts[at + j] = count;
      }
    }
  }
  return { values, errors, counts };
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
  const check = (cases: readonly Case[], each: Draw) => async ({ backend, hold, keep }: Stage): Promise<void> => {
    const expected = cases.map((shape, seed): Expected => {
      const all = inputs(seed, shape, each), [q, k, v] = all.map((one) => hold(one));
      const held = keep(backend.attention(q, k, v, optionsOf(shape)));
      const { lengths, heads, kvHeads, headDim, window, seen } = shape;
      const what = `${lengths} tokens${
        seen ? ` that see ${seen.join(" ")}` : ""
      }, heads ${heads}/${kvHeads} of ${headDim}, window ${window}`;
      return { what, held, ...attended(all, shape, underflow(backend)) };
    });
    await assertHeld(backend, expected);
  };
  const sharp: Draw = (random) => 12 * NORMAL(random);
  claim("is the softmax of the scaled scores times v", check(CASES, NORMAL));
  claim("stands sharp scores, where one token takes all", check(CASES, sharp));
  claim("stands zeros and ones, where scores tie", check(CASES, (random) => Math.floor(2 * random())));
  for (const [what, cases] of Object.entries(OPTIONS)) claim(`takes ${what}`, check(cases, NORMAL));
  claim("takes sequences that see a common context, a cache, or rows in pieces", check(SPANS, NORMAL));
  claim(
    "takes all of it with sharp scores",
    check([...Object.values(OPTIONS).flat(), ...SPANS], (random) => 4 * NORMAL(random)),
  );

  // What is skipped is not read: NaN would be seen even where its weight is 0.
  claim("does no work for what lies far before a window", async ({ backend, hold, keep }) => {
    const shape: Case = { lengths: [600], heads: 2, kvHeads: 1, headDim: 8, window: 5 };
    const all = inputs(11, shape, NORMAL), hidden = all.map(({ rows, cols }) => draw(1, rows, cols, "F32", () => NaN));
    const outputs = [all, all.map((one, i) => i ? rowsOf((row) => row >= 200, one, hidden[i]) : one)].map((inputs) => {
      const [q, k, v] = inputs.map((one) => hold(one));
      return keep(backend.attention(q, k, v, optionsOf(shape)));
    });
    const [one, two] = await backend.read(...outputs), end = 512 * 16 * 4; // a workgroup has up to 256 rows
    assertSameBytes(two.subarray(end), one.subarray(end), "rows from 512 on");
  });

  claim("of a sequence is what it is alone, whatever the lengths of others, to the bit", async (stage) => {
    const { backend, hold, keep } = stage;
    const shape: Case = { lengths: [3, 40, 40, 7], heads: 2, kvHeads: 1, headDim: 12, window: 9 };
    const all = inputs(13, shape, NORMAL), [q, k, v] = all.map((one) => hold(one));
    const together = keep(backend.attention(q, k, v, optionsOf(shape)));
    const [a, b, c] = all.map(({ cols, values }) =>
      hold(matrix(40, cols, "F32", values.subarray(43 * cols, 83 * cols)))
    );
    const alone = keep(backend.attention(a, b, c, optionsOf({ ...shape, lengths: [40] })));
    const [whole, one] = await backend.read(together, alone);
    assertSameBytes(whole.subarray(43 * 24 * 4, 83 * 24 * 4), one, "the third sequence");
  });

  claim("of a continuation is what it is behind its context in one piece", async ({ backend, hold, keep }) => {
    const whole: Case = { lengths: [48], heads: 4, kvHeads: 2, headDim: 16 };
    const all = inputs(17, whole, NORMAL), [q, k, v] = all.map((one) => hold(one));
    const alone = keep(backend.attention(q, k, v, optionsOf(whole)));
    const cut = keep(backend.attention(q, k, v, optionsOf({ ...whole, lengths: [33, 15], seen: [[0, 33], [0, 48]] })));
    const [one, two] = await backend.read(alone, cut);
    assertSameBytes(one.subarray(0, 33 * 64 * 4), two.subarray(0, 33 * 64 * 4), "the context");
    const expected = attended(all, whole, underflow(backend));
    await assertHeld(backend, [{ what: "the continuation", held: cut, ...expected }]);
  });

  // Every weight is exp(0) over the count: count sums, the exponential, a division.
  claim("is the running mean of v where q is zero", async ({ backend, hold, keep }) => {
    const length = 131, shape: Case = { lengths: equal(2, length), heads: 2, kvHeads: 1, headDim: 16 };
    const [, key, value] = inputs(5, shape, NORMAL), [k, v] = [hold(key), hold(value)];
    const held = keep(backend.attention(keep(backend.allocate(262, 32)), k, v, optionsOf(shape)));
    const values = new Float64Array(262 * 32), magnitudes = values.slice();
    values.forEach((_, at) => {
      const t = Math.floor(at / 32), first = t - t % length;
      for (let s = first; s <= t; s++) {
        values[at] += value.values[s * 16 + at % 16] / (t - first + 1);
        magnitudes[at] += Math.abs(value.values[s * 16 + at % 16]) / (t - first + 1);
      }
    });
    const bounds = magnitudes.map((magnitude) => 2 * (gamma(length) + exponential(0) + DIVISION) * magnitude);
    await assertHeld(backend, [{ what: "equal scores", held, values, bounds }]);
  });

  claim("does not overflow: scores of 1e30 apart, values of 1e30", async ({ backend, hold, keep }) => {
    const q = matrix(3, 1, "F32", [1e15, 1e15, -1e15]), k = matrix(3, 1, "F32", [-1e15, 1e15, 0]);
    const v = matrix(3, 1, "F32", [1e30, -1e30, 3]);
    const [a, b, c] = [q, k, v].map((one) => hold(one));
    const held = keep(backend.attention(a, b, c, { offsets: Uint32Array.of(0, 3), heads: 1, kvHeads: 1, scale: 1 }));
    // Each token sees one score far above the rest: tokens 0, 1 and 0.
    const values = [1e30, -1e30, 1e30];
    await assertHeld(backend, [{
      what: "sharp",
      held,
      values,
      bounds: values.map((value) => (DIVISION + 2 * UNIT) * Math.abs(value)),
    }]);
  });

  claim("of a token does not change with what follows it, to the bit", async ({ backend, hold, keep, long }) => {
    for (const shape of CASES.slice(2)) {
      const { lengths: { 0: length, length: sequences }, heads, headDim } = shape, width = heads * headDim;
      if (length > long >> 2) continue; // many bindings, one after the other
      const cut = Math.ceil(length / 2);
      const outputs = [1, 2].map((seed) => {
        // The same inputs up to the cut in every sequence, others from there on.
        const mixed = inputs(7, shape, NORMAL).map((same, i) => {
          const other = inputs(seed, shape, HUGE)[i];
          return rowsOf((row) => row % length < cut, same, other);
        });
        const [q, k, v] = mixed.map((one) => hold(one));
        return keep(backend.attention(q, k, v, optionsOf(shape)));
      });
      const [one, two] = await backend.read(...outputs);
      for (let sequence = 0; sequence < sequences; sequence++) {
        const first = sequence * length * width * 4, end = first + cut * width * 4;
        assertSameBytes(one.subarray(first, end), two.subarray(first, end), `sequence ${sequence} of ${length} tokens`);
      }
    }
  });

  claim("of a sequence does not change with its neighbours, to the bit", async ({ backend, hold, keep }) => {
    const shape: Case = { lengths: equal(3, 37), heads: 6, kvHeads: 2, headDim: 20 };
    const middle = (row: number): boolean => Math.floor(row / 37) === 1;
    const outputs = [1, 2].map((seed) => {
      const [q, k, v] = inputs(3, shape, NORMAL).map((same, i) => {
        const other = inputs(seed, shape, HUGE)[i];
        return hold(rowsOf(middle, same, other));
      });
      return keep(backend.attention(q, k, v, optionsOf(shape)));
    });
    const [one, two] = await backend.read(...outputs), third = one.length / 3;
    assertSameBytes(one.subarray(third, 2 * third), two.subarray(third, 2 * third), "the middle sequence");
  });
});
