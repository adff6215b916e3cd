/**
 * Claims about the backward pass. Products and sums are exact where f32 is; everything else is held against finite differences:
 * each forward formula stands here once more, in f64, and its slopes by every number are what an operation must give.
 */
import type { AttentionOptions, NormOptions, Tensor } from "../../src/backend/backend.ts";
import { mapped } from "../reference/functions.ts";
import { assertHeld, contract, type Expected } from "./contract.ts";
import { DIVISION, exponential, gamma, INVERSE_SQRT } from "./bounds.ts";
import { draw, DTYPES, INTEGERS, type Matrix, matrix, NORMAL, someRows } from "./matrices.ts";
import { remembered } from "./remembered.ts";

/** The step of the differences: what is left out is of its fourth power, what f64 rounds is 2^-53 by it. Both are below 1e-11. */
const STEP = 2 ** -9;

/** The slopes of a function of some numbers, by each of them: central differences over four points. */
function slopes(numbers: Float64Array, loss: (moved: Float64Array) => number): Float64Array {
  return numbers.map((value, at) => {
    const moved = numbers.slice();
    const of = (steps: number): number => {
      moved[at] = value + steps * STEP;
      return loss(moved);
    };
    return (8 * (of(1) - of(-1)) - (of(2) - of(-2))) / (12 * STEP);
  });
}

/** The sum of the products of two lists. */
const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
};

/**
 * Every number within `relative` of the largest of them, times four: what the terms of a sum may be larger than the sum, in
 * these draws.
 */
const near = (what: string, held: Tensor, values: Float64Array, relative: number): Expected => {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return { what, held, values, bounds: values.map(() => 4 * relative * largest + 1e-30) };
};

/** Tokens, outputs, inputs: under, at and over the usual tiles. */
const shapes = (long: number): readonly (readonly [number, number, number])[] => [
  [1, 1, 1],
  [1, 7, 3],
  [9, 1, 5],
  [5, long, 7],
  [3, 8, 130],
  [33, 31, 65],
  [130, 66, 127],
  [Math.min(long, 801), 9, 33],
];

contract("linearBackward", (claim) => {
  claim("is exactly dy W where f32 is exact, whatever the shape and dtype", async ({ backend, hold, keep, long }) => {
    for (const dtype of DTYPES) {
      const expected = shapes(long).map(([tokens, outs, ins], seed): Expected => {
        const dy = draw(seed + 1, tokens, outs, "F32", INTEGERS), weight = draw(seed + 50, outs, ins, dtype, INTEGERS);
        const held = keep(backend.linearBackward(hold(dy), hold(weight)));
        return { what: `${tokens} x ${outs} by ${ins} ${dtype}`, held, values: product(dy, weight) };
      });
      await assertHeld(backend, expected);
    }
  });
});

/** `a b` in f64. */
const product = remembered((a: Matrix, b: Matrix) => {
  const out = new Float64Array(a.rows * b.cols);
  for (let i = 0; i < a.rows; i++) {
    for (let k = 0; k < a.cols; k++) {
      for (let j = 0; j < b.cols; j++) out[i * b.cols + j] += a.values[i * a.cols + k] * b.values[k * b.cols + j];
    }
  }
  return out;
});

const turned = remembered(({ rows, cols, values }: Matrix) =>
  matrix(cols, rows, "F32", values.map((_, at) => values[at % rows * cols + Math.floor(at / rows)]))
);

contract("addWeightGradient", (claim) => {
  claim("adds exactly dyᵀ x where f32 is exact, to the rows that it is told", async ({ backend, hold, keep, long }) => {
    const expected = shapes(long).map(([tokens, outs, ins], seed): Expected => {
      const dy = draw(seed + 1, tokens, outs, "F32", INTEGERS), x = draw(seed + 50, tokens, ins, "F32", INTEGERS);
      const before = draw(seed + 90, outs + 3, ins, "F32", INTEGERS), held = keep(hold(before));
      backend.addWeightGradient(held, hold(dy), hold(x), 2);
      const added = product(turned(dy), x), values = before.values.slice();
      added.forEach((value, at) => values[2 * ins + at] += value);
      return { what: `${tokens} x ${outs} by ${ins}`, held, values };
    });
    await assertHeld(backend, expected);
  });
});

contract("addColumnSums", (claim) => {
  claim("adds every column once", async ({ backend, hold, long }) => {
    const expected = [[1, 1], [7, long], [long, 3], [65, 129]].map(([rows, cols], seed): Expected => {
      const dy = draw(seed, rows, cols, "F32", INTEGERS), before = draw(seed + 9, 1, cols, "F32", INTEGERS);
      const held = hold(before), values = before.values.slice();
      backend.addColumnSums(held, hold(dy));
      dy.values.forEach((value, at) => values[at % cols] += value);
      return { what: `${rows} x ${cols}`, held, values };
    });
    await assertHeld(backend, expected);
  });
});

/** What a norm makes of x, whose rows are of `cols` numbers; the gain's of n. */
function normalized(
  x: Float64Array,
  gain: Float64Array,
  { cols, n, kind, epsilon, unitOffset }: NormOptions & { readonly cols: number; readonly n: number },
): Float64Array {
  const out = x.slice();
  for (let start = 0; start < x.length; start += n) {
    const run = x.subarray(start, start + n), row = start % cols / n % (gain.length / n);
    const mean = kind === "layer" ? run.reduce((sum, value) => sum + value) / n : 0;
    const root = Math.sqrt(run.reduce((sum, value) => sum + (value - mean) ** 2, 0) / n + epsilon);
    run.forEach((value, j) => out[start + j] = (value - mean) / root * (gain[row * n + j] + (unitOffset ? 1 : 0)));
  }
  return out;
}

const normSlopes = remembered((x: Matrix, gain: Matrix, dy: Matrix, kind: NormOptions["kind"], unitOffset: boolean) => {
  const options = { kind, epsilon: 0.01, unitOffset, cols: x.cols, n: gain.cols };
  return {
    dx: slopes(x.values, (moved) => dot(dy.values, normalized(moved, gain.values, options))),
    gain: slopes(gain.values, (moved) => dot(dy.values, normalized(x.values, moved, options))),
  };
});

contract("normBackward", (claim) => {
  for (const kind of ["rms", "layer"] as const) {
    for (const unitOffset of [false, true]) {
      claim(`is the slope of ${kind}${unitOffset ? " with 1 + gain" : ""}`, async ({ backend, hold, keep }) => {
        const expected: Expected[] = [];
        for (const [rows, runs, gains, n] of [[5, 1, 1, 9], [3, 4, 2, 7], [2, 1, 1, 33]]) {
          const x = draw(rows, rows, runs * n, "F32", NORMAL), dy = draw(rows + 9, rows, runs * n, "F32", NORMAL);
          for (const dtype of DTYPES) {
            const gain = draw(rows + 20, gains, n, dtype, NORMAL), before = draw(rows + 30, gains, n, "F32", NORMAL);
            const [byGain, byBias] = [hold(before), hold(before)];
            const options = { kind, epsilon: 0.01, unitOffset };
            const dx = keep(
              backend.normBackward(hold(x), hold(gain), hold(dy), options, { gain: byGain, bias: byBias }),
            );
            const want = normSlopes(x, gain, dy, kind, unitOffset), sums = before.values.slice();
            dy.values.forEach((value, at) => sums[Math.floor(at % x.cols / n) % gains * n + at % n] += value);
            // Sums over a run, the root, and some products.
            const relative = gamma(n + 12) + INVERSE_SQRT + DIVISION, what = `${rows} x ${runs} x ${n} ${dtype}`;
            expected.push(
              near(`${what}: dx`, dx, want.dx, relative),
              near(`${what}: gain`, byGain, want.gain.map((value, at) => value + before.values[at]), relative),
              near(`${what}: bias`, byBias, sums, gamma(rows * runs)),
            );
          }
        }
        await assertHeld(backend, expected);
      });
    }
  }
});

/** Causal attention in f64. */
function attended(
  q: Float64Array,
  k: Float64Array,
  v: Float64Array,
  { offsets, heads, kvHeads, scale, window = Infinity, softCap, slopes }: AttentionOptions,
): Float64Array {
  const tokens = offsets[offsets.length - 1], cols = q.length / tokens, d = cols / heads, out = q.slice();
  for (let t = 0, first = 0, i = 1; t < tokens; t++) {
    if (t === offsets[i]) first = offsets[i++];
    for (let h = 0; h < heads; h++) {
      const at = t * cols + h * d, place = (row: number) => (row * kvHeads + Math.floor(h * kvHeads / heads)) * d;
      const rows = Array.from({ length: t - first + 1 }, (_, j) => first + j).filter((row) => t - row < window);
      const powers = rows.map((row) => {
        const score = scale * dot(q.subarray(at, at + d), k.subarray(place(row), place(row) + d));
        return Math.exp(
          (softCap ? softCap * Math.tanh(score / softCap) : score) + (slopes ? slopes[h] * (row - t) : 0),
        );
      });
      const sum = powers.reduce((a, b) => a + b);
      for (let j = 0; j < d; j++) {
        out[at + j] = rows.reduce((mixed, row, n) => mixed + powers[n] / sum * v[place(row) + j], 0);
      }
    }
  }
  return out;
}

const attentionSlopes = remembered((q: Matrix, k: Matrix, v: Matrix, dy: Matrix, options: AttentionOptions) => [
  slopes(q.values, (moved) => dot(dy.values, attended(moved, k.values, v.values, options))),
  slopes(k.values, (moved) => dot(dy.values, attended(q.values, moved, v.values, options))),
  slopes(v.values, (moved) => dot(dy.values, attended(q.values, k.values, moved, options))),
]);

const heads = { offsets: Uint32Array.of(0, 1, 8, 14), heads: 4, kvHeads: 2, scale: 0.7 };
const ATTENTIONS: readonly (readonly [string, AttentionOptions, number])[] = [
  ["grouped queries and unequal sequences", heads, 5],
  ["as many keys as queries", { ...heads, kvHeads: 4 }, 4],
  ["a window", { ...heads, window: 3 }, 4],
  ["a soft cap", { ...heads, softCap: 0.8 }, 3],
  ["slopes", { ...heads, slopes: Float32Array.of(1, 0.5, 0.25, 0.125) }, 3],
  ["all of them", { ...heads, window: 5, softCap: 0.8, slopes: Float32Array.of(1, 0.5, 0.25, 0.125) }, 6],
  ["sequences longer than a block", { ...heads, offsets: Uint32Array.of(0, 35, 37), heads: 1, kvHeads: 1 }, 2],
];

contract("attentionBackward", (claim) => {
  for (const [what, options, d] of ATTENTIONS) {
    claim(`is the slope of attention with ${what}`, async ({ backend, hold, keep }) => {
      const tokens = options.offsets.at(-1)!,
        make = (seed: number, heads: number) => draw(seed, tokens, heads * d, "F32", NORMAL);
      const [q, dy] = [make(1, options.heads), make(4, options.heads)];
      const [k, v] = [make(2, options.kvHeads), make(3, options.kvHeads)];
      const found = backend.attentionBackward(hold(q), hold(k), hold(v), hold(dy), options).map(keep);
      const want = attentionSlopes(q, k, v, dy, options);
      // Scores below 4 with their roundings, an exponential, two sums over the keys, a division, sums over queries and heads.
      const relative = gamma(4 * (d + 4) + 4 * tokens) + exponential(8) + DIVISION;
      await assertHeld(backend, found.map((held, i) => near(`d${"qkv"[i]}`, held, want[i], relative)));
    });
  }

  claim("adds up over the rows of long sequences as it does over short ones", async ({ backend, hold, keep, long }) => {
    // Keys that are all the same: every query's probabilities are equal, its scores change nothing. Where a binding holds
    // little, a sequence is long that has some of them.
    const tokens = Math.min(403, long >> 3),
      q = draw(1, tokens, 8, "F32", NORMAL),
      k = matrix(tokens, 8, "F32", new Float32Array(tokens * 8));
    const v = draw(2, tokens, 8, "F32", NORMAL), dy = draw(3, tokens, 8, "F32", NORMAL);
    const options = { offsets: Uint32Array.of(0, tokens), heads: 1, kvHeads: 1, scale: 1 };
    const [dq, dk, dv] = backend.attentionBackward(hold(q), hold(k), hold(v), hold(dy), options).map(keep);
    const values = new Float64Array(tokens * 8), byKeys = values.slice();
    for (let t = 0; t < tokens; t++) {
      const mean = Float64Array.from({ length: 8 }, (_, j) => {
        let sum = 0;
        for (let row = 0; row <= t; row++) sum += v.values[row * 8 + j];
        return sum / (t + 1);
      });
      const own = dy.values.subarray(t * 8, t * 8 + 8), middle = dot(own, mean);
      for (let row = 0; row <= t; row++) {
        const s = (dot(own, v.values.subarray(row * 8, row * 8 + 8)) - middle) / (t + 1);
        for (let j = 0; j < 8; j++) {
          values[row * 8 + j] += own[j] / (t + 1);
          byKeys[row * 8 + j] += s * q.values[t * 8 + j];
        }
      }
    }
    const relative = gamma(2 * tokens) + DIVISION + exponential(0);
    await assertHeld(backend, [
      { what: "dq", held: dq, values: new Float64Array(tokens * 8), bounds: new Float64Array(tokens * 8) },
      near("dk", dk, byKeys, relative),
      near("dv", dv, values, relative),
    ]);
  });
});

const FUNCTIONS = [
  { kind: "silu" },
  { kind: "gelu" },
  { kind: "gelu_tanh" },
  { kind: "relu" },
  { kind: "scale", factor: 0.3 },
  { kind: "soft_cap", cap: 2 },
] as const;

/** An exponential, a quotient, a polynomial and some products, where nothing cancels but the two terms of a derivative. */
const SLOPE = exponential(8) + 2 * DIVISION + gamma(40);

const mapSlopes = remembered((x: Matrix, dy: Matrix, fn: typeof FUNCTIONS[number]) =>
  x.values.map((value, at) => {
    const [slope] = slopes(Float64Array.of(value), ([moved]) => mapped(moved, fn));
    return slope * dy.values[at];
  })
);

/** Not where relu has no slope. */
const away = (random: () => number): number => {
  const value = 6 * NORMAL(random);
  return Math.abs(value) < 0.1 ? value + 0.3 : value;
};

contract("mapBackward", (claim) => {
  for (const fn of FUNCTIONS) {
    claim(`is the slope of ${fn.kind}`, async ({ backend, hold, keep, long }) => {
      const expected = [[1, 1], [1, long], [33, 31]].map(([rows, cols], seed) => {
        const x = draw(seed + 70, rows, cols, "F32", away), dy = draw(seed, rows, cols, "F32", NORMAL);
        return near(`${rows} x ${cols}`, keep(backend.mapBackward(hold(x), hold(dy), fn)), mapSlopes(x, dy, fn), SLOPE);
      });
      await assertHeld(backend, expected);
    });
  }

  claim("far out is the slope of what is flat or straight there", async ({ backend, hold, keep }) => {
    const x = matrix(1, 6, "F32", [1e30, -1e30, 100, -100, 3e38, -3e38]), dy = matrix(1, 6, "F32", [1, 1, 1, 1, 1, 1]);
    const flat = FUNCTIONS.filter(({ kind }) => kind !== "scale");
    await assertHeld(
      backend,
      flat.map((fn): Expected => {
        const values = Float64Array.of(...fn.kind === "soft_cap" ? [0, 0, 0, 0, 0, 0] : [1, 0, 1, 0, 1, 0]);
        const held = keep(backend.mapBackward(hold(x), hold(dy), fn));
        return { what: fn.kind, held, values, bounds: values.map(() => 1e-6) };
      }),
    );
  });
});

contract("gateBackward", (claim) => {
  for (const { kind } of FUNCTIONS.slice(0, 4) as { kind: "silu" | "gelu" | "gelu_tanh" | "relu" }[]) {
    claim(`is the slope of ${kind}(gate) * up by both`, async ({ backend, hold, keep, long }) => {
      const expected = [[1, 1], [1, long], [33, 31]].flatMap(([rows, cols], seed) => {
        const gate = draw(seed + 70, rows, cols, "F32", away);
        const up = draw(seed + 20, rows, cols, "F32", NORMAL), dy = draw(seed, rows, cols, "F32", NORMAL);
        const [byGate, byUp] = backend.gateBackward(hold(gate), hold(up), hold(dy), kind).map(keep);
        const own = mapSlopes(gate, dy, FUNCTIONS.find((fn) => fn.kind === kind)!);
        return [
          near("gate", byGate, own.map((value, at) => value * up.values[at]), SLOPE),
          near("up", byUp, dy.values.map((value, at) => value * mapped(gate.values[at], { kind })), SLOPE),
        ];
      });
      await assertHeld(backend, expected);
    });
  }
});

contract("rotate, the other way", (claim) => {
  for (const layout of ["half", "neighbours"] as const) {
    claim(`is the transpose of a rotation (${layout})`, async ({ backend, hold, keep }) => {
      const [x, dy] = [1, 2].map((seed) => draw(seed, 9, 30, "F32", NORMAL)), angles = draw(3, 11, 8, "F32", NORMAL);
      const there = keep(backend.rotate(hold(x), hold(angles), { headDim: 10, layout }));
      const back = keep(backend.rotate(hold(dy), hold(angles), { headDim: 10, layout, inverse: true }));
      const [a, b] = (await backend.read(there, back)).map(({ buffer }) => new Float32Array(buffer));
      const difference = Math.abs(dot(a, dy.values) - dot(b, x.values));
      // 270 products of numbers below 3, of two products each.
      if (!(difference <= gamma(4) * 270 * 9)) throw new Error(`dy · R x and Rᵀ dy · x differ by ${difference}`);
    });
  }
});

contract("sliceBackward", (claim) => {
  claim("adds to the columns that were taken, and to no other", async ({ backend, hold, long }) => {
    const expected = [[3, 2, 7, 1, 4], [long, 1, 4, 0, 4], [9, 3, 10, 9, 1]].map(
      ([rows, runs, period, first, width], seed): Expected => {
        const before = draw(seed, rows, runs * period, "F32", INTEGERS);
        const dy = draw(seed + 5, rows, runs * width, "F32", INTEGERS),
          values = before.values.slice(),
          held = hold(before);
        backend.sliceBackward(held, hold(dy), first, period);
        dy.values.forEach((value, at) => values[Math.floor(at / width) * period + first + at % width] += value);
        return { what: `${width} of ${period}`, held, values };
      },
    );
    await assertHeld(backend, expected);
  });
});

contract("embedBackward", (claim) => {
  claim("adds every token's row to the table's, in slices, and ids that come twice", async ({ backend, hold }) => {
    const ids = Uint32Array.of(4, 9, 4, 0, 11, 4, 9, 30), dy = draw(1, ids.length, 130, "F32", INTEGERS);
    const expected = [[0, 12], [4, 5], [20, 3]].map(([firstRow, rows]): Expected => {
      const before = draw(firstRow + 2, rows, 130, "F32", INTEGERS),
        values = before.values.slice(),
        held = hold(before);
      backend.embedBackward(held, ids, hold(dy), firstRow);
      ids.forEach((id, t) => {
        if (id < firstRow || id >= firstRow + rows) return;
        for (let j = 0; j < 130; j++) values[(id - firstRow) * 130 + j] += dy.values[t * 130 + j];
      });
      return { what: `rows from ${firstRow}`, held, values };
    });
    await assertHeld(backend, expected);
  });
});

const logitSlopes = remembered((logits: Matrix, targets: Uint32Array, weights: Float32Array, cap?: number) =>
  slopes(logits.values, (moved) => {
    const capped = cap ? moved.map((logit) => cap * Math.tanh(logit / cap)) : moved, { cols } = logits;
    return weights.reduce((loss, weight, t) => {
      const row = capped.subarray(t * cols, (t + 1) * cols);
      return loss + weight * (Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0)) - row[targets[t]]);
    }, 0);
  })
);
const TARGETS = Uint32Array.of(0, 30, 7, 7, 13), WEIGHTS = Float32Array.of(0.2, 0.1, 0, 0.3, 1);

contract("crossEntropyBackward", (claim) => {
  for (const softCap of [undefined, 2]) {
    claim(
      `is the slope of the loss${softCap ? " of capped logits" : ""}, in slices`,
      async ({ backend, hold, keep }) => {
        const hidden = draw(1, 5, 6, "F32", NORMAL),
          head = draw(2, 31, 6, "F32", NORMAL),
          state = keep(backend.allocate(5, 3));
        backend.crossEntropy(state, hold(hidden), hold(head), 0, TARGETS, { start: true, softCap });
        const all = matrix(5, 31, "F32", product(hidden, turned(head))),
          want = logitSlopes(all, TARGETS, WEIGHTS, softCap);
        const largest = want.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        const expected = [[0, 31], [0, 10], [10, 21]].map(([firstRow, rows]): Expected => {
          const part = (from: ArrayLike<number>) =>
            Float64Array.from({ length: 5 * rows }, (_, at) => from[Math.floor(at / rows) * 31 + firstRow + at % rows]);
          const logits = hold(matrix(5, rows, "F32", part(all.values)));
          const held = keep(backend.crossEntropyBackward(state, logits, firstRow, TARGETS, WEIGHTS, softCap));
          // Logits of up to 8, rounded seven times here and there, in two exponentials.
          const bounds = new Float64Array(5 * rows).fill(
            largest * (gamma(14 * 8 + 40) + 2 * exponential(16) + 2 * DIVISION),
          );
          return { what: `from ${firstRow}`, held, values: part(want), bounds };
        });
        await assertHeld(backend, expected);
      },
    );
  }
});

contract("dotRows", (claim) => {
  claim("is the dot product of every row with the same row", async ({ backend, hold, keep, long }) => {
    const expected = [[1, 1], [3, long], [long, 3], [65, 33]].map(([rows, cols], seed): Expected => {
      const [x, y] = [seed, seed + 9].map((seed) => draw(seed, rows, cols, "F32", INTEGERS));
      const values = Float64Array.from(
        { length: rows },
        (_, i) => dot(x.values.subarray(i * cols, (i + 1) * cols), y.values.subarray(i * cols, (i + 1) * cols)),
      );
      return { what: `${rows} x ${cols}`, held: keep(backend.dotRows(hold(x), hold(y))), values };
    });
    await assertHeld(backend, expected);
  });

  claim("undoes what addRows adds", async ({ backend, hold, keep }) => {
    const rows = someRows(1, 5, 9), x = draw(2, 5, 7, "F32", INTEGERS), out = keep(backend.allocate(9, 7));
    backend.addRows(out, hold(x), rows, new Float32Array(5).fill(2));
    const gathered = keep(backend.allocate(5, 7));
    backend.embed(gathered, rows, out, 0);
    const values = Float64Array.from(
      { length: 5 },
      (_, i) => 2 * dot(x.values.subarray(i * 7, i * 7 + 7), x.values.subarray(i * 7, i * 7 + 7)),
    );
    await assertHeld(backend, [{ what: "squares", held: keep(backend.dotRows(hold(x), gathered)), values }]);
  });
});
