/** Claims about `eliminate`: what goes, what the rest becomes, and that it is the best that the rest can become. */
import { assert, assertEquals } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import type { Choice, Dtype, EliminationFormula, InverseFactor } from "../../src/backend/backend.ts";
import {
  assertHeld,
  assertMasks,
  assertSameBytes,
  contract,
  type Expected,
  type ExpectedMask,
  type Stage,
} from "./contract.ts";
import { eliminateClearly, type Rule, type Worth } from "./elimination.ts";
import { decades, dot, factor, hessian, norm, solveError } from "./hessians.ts";
import { decode, draw, DTYPES, generator, type Matrix, matrix, NORMAL, UNIFORM } from "./matrices.ts";
import { remembered } from "./remembered.ts";

/** Outputs and inputs: one of each, and beside every block below. */
const SHAPES = [[1, 1], [1, 33], [33, 1], [5, 7], [33, 65], [7, 128], [65, 130]] as const;
/** Columns of a block: one, some that divide nothing, the published 128, and more than there are. */
const BLOCKS = [1, 7, 32, 128, 500];
/** Of the Hessians here: U's rows are then mostly their diagonal, and an error does not grow on its way to the right. */
const CONDITION = 10;

/** Shares to remove by a threshold: one of them with each formula and block, so that every two meet. */
const SPARSITIES = [0.3, 0.5];

/** Every second one, or the others: over the shapes all meet, each with half of them. */
const inTurn = (start: number) => (_: unknown, at: number): boolean => (start + at) % 2 === 0;

/** The identity, as a factor's U. */
const identity = (n: number): Matrix =>
  matrix(n, n, "F32", Array.from({ length: n * n }, (_, at) => Number(at % (n + 1) === 0)));

/** U of a Hessian of `CONDITION` in a random basis. */
const random = remembered((n: number): Matrix =>
  matrix(n, n, "F32", factor(hessian(n, decades(n, CONDITION)).values, n))
);

/** A factor of known numbers on the backend. */
function held({ hold }: Stage, upper: Matrix, dead?: ArrayLike<number>): InverseFactor {
  const flags = matrix(1, upper.cols, "F32", Float32Array.from({ length: upper.cols }, (_, j) => dead?.[j] ?? 0));
  return { upper: hold(upper), dead: hold(flags), damping: 0, [Symbol.dispose]() {} };
}

/** A choice on the backend and the same in words. */
interface Both {
  readonly choice: Choice;
  readonly rule: Rule;
}

/** Random numbers of which every third is to go. */
const thirds = remembered((rows: number, cols: number): { scores: Matrix; rule: Rule } => {
  const scores = draw(rows + cols, rows, cols, "F32", UNIFORM);
  const order = scores.values.toSorted(), limit = order[Math.floor(scores.values.length * (1 / 3))];
  return { scores, rule: { kind: "mask", removes: (i, j) => scores.values[i * cols + j] < limit } };
});

/** Removes every third weight by a mask. */
function everyThird({ backend, hold, keep }: Stage, rows: number, cols: number): Both {
  const { scores, rule } = thirds(rows, cols);
  const mask = backend.selectSmallest(hold(scores), { group: rows, sparsity: 1 / 3, rule: "count" });
  return { choice: { kind: "mask", mask: keep(mask) }, rule };
}

/** A formula on the backend, and in words. */
interface Named {
  readonly formula: EliminationFormula;
  readonly worth: Worth;
}

const byThreshold = remembered((worth: Worth, sparsity: number): Rule => ({ kind: "threshold", worth, sparsity }));
const byGroups = remembered((worth: Worth, n: number, m: number): Rule => ({ kind: "groups", worth, n, m }));

/** Removes a share of every block's weights. */
const threshold = ({ formula, worth }: Named, sparsity: number): Both => ({
  choice: { kind: "threshold", formula, sparsity },
  rule: byThreshold(worth, sparsity),
});

/** Keeps n of m. */
const groups = ({ formula, worth }: Named, n: number, m: number): Both => ({
  choice: { kind: "groups", formula, n, m },
  rule: byGroups(worth, n, m),
});

/** A statistic for these columns, and what each formula says in words. */
const worths = remembered((upper: Matrix) => {
  const n = upper.cols, statistic = draw(n + 1, 1, n, "F32", (random) => 0.1 + random());
  const roots = statistic.values.map((value) => Math.fround(Math.sqrt(value)));
  const magnitude: Worth = (size) => size, activation: Worth = (size, j) => size * roots[j];
  const curvature: Worth = (size, j) => (size / upper.values[j * (n + 1)]) ** 2;
  return { statistic, magnitude, activation, curvature };
});

/** Every formula. */
function formulas({ hold }: Stage, upper: Matrix): Named[] {
  const { statistic, magnitude, activation, curvature } = worths(upper);
  return [
    { formula: { kind: "magnitude" }, worth: magnitude },
    { formula: { kind: "activation", statistic: hold(statistic) }, worth: activation },
    { formula: { kind: "curvature" }, worth: curvature },
  ];
}

/** Random weights, others with every attempt. */
const weights = remembered((seed: number, rows: number, cols: number, dtype: Dtype) => (attempt: number): Matrix =>
  draw(seed + attempt, rows, cols, dtype, NORMAL)
);

const NONE: ArrayLike<number> = [];

/** Eliminates on the backend, and says what must be left. */
function eliminate(
  stage: Stage,
  weights: (attempt: number) => Matrix,
  upper: Matrix,
  { choice, rule }: Both,
  block: number,
  dead = NONE,
): Expected & { readonly mask: ExpectedMask } {
  const { weight, removed, ...left } = eliminateClearly(weights, upper, dead, rule, block);
  const what = `${weight.rows} x ${weight.cols} ${weight.dtype}, ${rule.kind}, blocks of ${block}`;
  const result = stage.hold(weight);
  const mask = stage.keep(stage.backend.eliminate(result, held(stage, upper, dead), choice, block));
  const removes = (row: number, col: number) => removed[row * weight.cols + col] === 1;
  return { what, held: result, ...left, mask: { what, held: mask, removes } };
}

/** Holds weights and masks against what they must be. */
async function assertEliminated({ backend }: Stage, expected: readonly ReturnType<typeof eliminate>[]): Promise<void> {
  await assertHeld(backend, expected);
  await assertMasks(backend, expected.map(({ mask }) => mask));
}

contract("eliminate", (claim) => {
  claim("removes what a mask says and spreads the error to the right, whatever the block and dtype", async (stage) => {
    for (const [at, [rows, cols]] of SHAPES.entries()) {
      const upper = random(cols), mask = everyThird(stage, rows, cols);
      const expected = BLOCKS.flatMap((block, i) =>
        DTYPES.filter(inTurn(at + i)).map((dtype) =>
          eliminate(stage, weights(rows, rows, cols, dtype), upper, mask, block)
        )
      );
      await assertEliminated(stage, expected);
    }
  });

  claim("removes by a threshold over all rows of a block, from the weights before it", async (stage) => {
    for (const [at, [rows, cols]] of SHAPES.entries()) {
      const upper = random(cols);
      for (const [i, formula] of formulas(stage, upper).entries()) {
        const expected = BLOCKS.filter(inTurn(at + i)).map((block, j) => {
          const both = threshold(formula, SPARSITIES[(i + j) % SPARSITIES.length]);
          return eliminate(stage, weights(rows + 1, rows, cols, "F32"), upper, both, block);
        });
        await assertEliminated(stage, expected);
      }
    }
  });

  claim(
    "keeps n of m, chosen from the weights as they are then, also where no block is whole groups",
    async (stage) => {
      for (
        const [n, m, rows, cols] of [[2, 4, 33, 64], [4, 8, 7, 136], [1, 3, 5, 33], [3, 7, 31, 63], [1, 65, 3, 130]]
      ) {
        const upper = random(cols);
        for (const formula of formulas(stage, upper)) {
          const both = groups(formula, n, m);
          const expected = BLOCKS.map((block) =>
            eliminate(stage, weights(rows + 2, rows, cols, "F32"), upper, both, block)
          );
          await assertEliminated(stage, expected);
        }
      }
    },
  );

  claim("removes the same kinds of weights in F16 and BF16", async (stage) => {
    const upper = random(64), [, , curvature] = formulas(stage, upper);
    const rules = [threshold(curvature, 0.5), groups(curvature, 2, 4)];
    for (const dtype of ["F16", "BF16"] as const) {
      // Each size once: a checkpoint's few bits make ties, and a tie is no clear case for f32.
      const order = shuffled(9 * 64), weight = matrix(9, 64, dtype, order.map((at) => distinct(at, dtype)));
      await assertEliminated(stage, rules.map((both) => eliminate(stage, () => weight, upper, both, 32)));
    }
  });

  // All numbers here are exact in f32, and most lie in the middle between two of the dtype.
  claim("rounds once, to nearest, ties to even", async (stage) => {
    for (const [dtype, half] of [["F16", 2 ** -11], ["BF16", 2 ** -8]] as const) {
      const steps = [0, 1, 2, 3, 5, 7, 1 + 2 ** -8, 1 - 2 ** -8, 3 - 2 ** -8];
      const rounded = [0, 0, 2, 4, 4, 8, 2, 0, 2].map((step) => 1 + step * half);
      const n = steps.length + 1, upper = identity(n).values.slice();
      steps.forEach((step, k) => upper[k + 1] = -step * half);
      const weight = stage.hold(matrix(1, n, dtype, Array(n).fill(1)));
      const mask = stage.backend.selectSmallest(
        stage.hold(matrix(1, n, "F32", Array.from({ length: n }, (_, j) => j))),
        { group: 1, sparsity: 1.5 / n, rule: "count" },
      );
      const choice = { kind: "mask", mask: stage.keep(mask) } as const;
      using _ = stage.backend.eliminate(weight, held(stage, matrix(n, n, "F32", upper)), choice, 4);
      assertEquals([...decode((await stage.backend.read(weight))[0], dtype)], [0, ...rounded], dtype);
    }
  });

  claim("with the identity for U leaves every kept weight as it is", async (stage) => {
    const { backend, hold } = stage;
    for (const dtype of DTYPES) {
      for (const [rows, cols] of SHAPES) {
        const weight = draw(rows, rows, cols, dtype, NORMAL), left = hold(weight), applied = hold(weight);
        const { choice } = everyThird(stage, rows, cols);
        using _ = backend.eliminate(left, held(stage, identity(cols)), choice, 32);
        if (choice.kind === "mask") backend.apply(applied, choice.mask);
        const [found, want] = await backend.read(left, applied);
        assertSameBytes(found, want, `${rows} x ${cols} ${dtype}`);
      }
    }
  });

  claim("of a sparsity of 0, an empty mask or m:m removes nothing", async (stage) => {
    const { backend, hold, keep } = stage, formula = { kind: "curvature" } as const, factor = held(stage, random(64));
    for (const dtype of DTYPES) {
      const weight = draw(1, 33, 64, dtype, NORMAL), scores = keep(backend.score(hold(weight), { kind: "magnitude" }));
      const mask = keep(backend.selectSmallest(scores, { group: 1, sparsity: 0, rule: "count" }));
      const none: Choice[] = [
        { kind: "threshold", formula, sparsity: 0 },
        { kind: "groups", formula, n: 4, m: 4 },
        { kind: "mask", mask },
      ];
      for (const choice of none) {
        const left = hold(weight);
        using _ = backend.eliminate(left, factor, choice, 32);
        assertSameBytes((await backend.read(left))[0], weight.bytes, `${choice.kind} ${dtype}`);
      }
    }
  });

  claim("makes dead columns zero and takes nothing from them", async (stage) => {
    const cols = 65, dead = Array.from({ length: cols }, (_, j) => Number(j === 0 || j === 31 || j === 64));
    const alive = hessian(1, decades(cols, CONDITION)).values.map((value, at) => {
      const i = Math.floor(at / cols), j = at % cols;
      return dead[i] || dead[j] ? Number(i === j) : value;
    });
    const upper = matrix(cols, cols, "F32", factor(alive, cols));
    const [, , curvature] = formulas(stage, upper);
    const rules = [everyThird(stage, 31, cols), threshold(curvature, 0.5), groups(curvature, 3, 5)];
    // Which of the zeros of dead columns count as removed makes no difference.
    const expected = rules.map((both) => eliminate(stage, weights(3, 31, cols, "F32"), upper, both, 32, dead));
    await assertHeld(stage.backend, expected);
    for (const { values } of expected) assert(Array.from(values).every((value, at) => !dead[at % cols] || value === 0));
  });

  // Once the last weight of a row is removed no change of the weights to its right can lower tr(D H Dᵀ): its gradient
  // there, D H, is zero. The judge knows H alone, no factor.
  claim("leaves weights that no change to the right of the last removed column could better", async (stage) => {
    const { backend, hold, keep } = stage, rows = 9, cols = 65, last = 40;
    const h = hessian(2, decades(cols, CONDITION)), weight = draw(4, rows, cols, "F32", NORMAL), left = hold(weight);
    const scores = draw(5, rows, cols, "F32", UNIFORM);
    const low = matrix(rows, cols, "F32", scores.values.map((score, at) => at % cols <= last ? score : 1));
    const mask = keep(backend.selectSmallest(hold(low), { group: 1, sparsity: 20 / cols, rule: "count" }));
    const solved = keep((await backend.inverseFactor(hold(h), 0))!);
    using _ = backend.eliminate(left, solved, { kind: "mask", mask }, 16);
    const after = decode((await backend.read(left))[0], "F32"), change = weight.values.map((w, at) => w - after[at]);
    for (let i = 0; i < rows; i++) {
      const row = change.subarray(i * cols, (i + 1) * cols);
      // The largest eigenvalue is 1, so the gradient is off by no more than the weights are.
      const bound = solveError(cols, CONDITION) * norm(weight.values.subarray(i * cols, (i + 1) * cols));
      assertEquals(after.subarray(i * cols, (i + 1) * cols).filter((value) => value === 0).length, 20);
      for (let k = last + 1; k < cols; k++) {
        const gradient = dot(row, h.values.subarray(k * cols, (k + 1) * cols));
        assert(
          Math.abs(gradient) <= bound,
          `row ${i}, column ${k}: expected a gradient within ${bound}, found ${gradient}`,
        );
      }
    }
  });

  // With nothing kept to the left of what is removed, the rest is free as a whole: plain least squares.
  claim("of the leftmost columns costs what least squares costs", async (stage) => {
    const { backend, hold, keep } = stage, cols = 65, gone = 20;
    const h = hessian(3, decades(cols, CONDITION)), weight = draw(6, 1, cols, "F32", NORMAL), left = hold(weight);
    const scores = matrix(1, cols, "F32", Array.from({ length: cols }, (_, j) => j));
    const mask = keep(backend.selectSmallest(hold(scores), { group: 1, sparsity: (gone + 0.5) / cols, rule: "count" }));
    const solved = keep((await backend.inverseFactor(hold(h), 0))!);
    using _ = backend.eliminate(left, solved, { kind: "mask", mask }, 128);
    const after = decode((await backend.read(left))[0], "F32");
    const cost = (change: Float64Array): number =>
      change.reduce((sum, d, j) => sum + d * dot(change, h.values.subarray(j * cols, (j + 1) * cols)), 0);
    const best = cost(leastSquares(h, weight.values, gone)), found = cost(weight.values.map((w, j) => w - after[j]));
    const bound = best * (1 + solveError(cols, CONDITION));
    assert(found <= bound, `expected a cost up to ${bound}, found ${found}`);
    assert(found >= best * (1 - solveError(cols, CONDITION)), `expected a cost from ${best} on, found ${found}`);
  });

  // Every score is a power of two times a whole number that is its alone, so that no two are near each other.
  claim("with a diagonal Hessian removes what Wanda's score with the same groups removes", async (stage) => {
    const shape = fc.record({
      rows: fc.integer({ min: 1, max: 9 }),
      runs: fc.integer({ min: 1, max: 9 }),
      seed: fc.nat(1000),
      sparsity: fc.integer({ min: 1, max: 9 }).map((tenths) => tenths / 10),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ rows, runs, seed, sparsity }) => {
        using scope = new DisposableStack();
        const { backend } = stage, cols = 4 * runs, random = generator(seed + 1);
        const put = ({ bytes, rows, cols, dtype }: Matrix) => scope.use(backend.upload(bytes, rows, cols, dtype));
        const powers = Array.from({ length: cols }, () => 2 ** Math.floor(random() * 8));
        const weights = shuffled(rows * cols, seed + 1).map((rank, at) => (rank + 1) / powers[at % cols]);
        const weight = matrix(rows, cols, "F32", weights);
        const squares = matrix(1, cols, "F32", powers.map((power) => power ** 2));
        const h = Array.from({ length: cols * cols }, (_, at) => at % (cols + 1) ? 0 : squares.values[at % cols]);
        const solved = scope.use((await backend.inverseFactor(put(matrix(cols, cols, "F32", h)), 0))!);
        const scores = scope.use(backend.score(put(weight), { kind: "activation", statistic: put(squares) }));
        const masks = [
          backend.selectSmallest(scores, { group: rows, sparsity, rule: "threshold" }),
          backend.selectGroups(scores, 2, 4),
        ].map((mask) => scope.use(mask));
        const formula = { kind: "curvature" } as const;
        const choices: Choice[] = [{ kind: "threshold", formula, sparsity }, { kind: "groups", formula, n: 2, m: 4 }];
        for (const [which, choice] of choices.entries()) {
          const left = put(weight), want = put(weight);
          using _ = backend.eliminate(left, solved, choice, 128);
          backend.apply(want, masks[which]);
          const [found, expected] = await backend.read(left, want);
          assertSameBytes(found, expected, `${rows} x ${cols}, ${choice.kind}`);
        }
      }),
      { numRuns: 10, seed: 9 },
    );
  });

  claim("leaves the factor as it was", async (stage) => {
    const { backend } = stage, upper = random(65), solved = held(stage, upper);
    using _ = backend.eliminate(
      stage.hold(draw(1, 33, 65, "F16", NORMAL)),
      solved,
      everyThird(stage, 33, 65).choice,
      32,
    );
    const [found, dead] = await backend.read(solved.upper, solved.dead);
    assertSameBytes(found, upper.bytes, "U");
    assertSameBytes(dead, new Uint8Array(65 * 4), "dead columns");
  });
});

/** 0 to count - 1 in a random order (Fisher and Yates). */
function shuffled(count: number, seed = 1): number[] {
  const order = Array.from({ length: count }, (_, i) => i), random = generator(seed);
  for (let i = count - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    [order[i], order[other]] = [order[other], order[i]];
  }
  return order;
}

/** The `at`-th number of a dtype from 2^-4 on, every other one negative. */
const distinct = (at: number, dtype: "F16" | "BF16"): number => {
  const fraction = dtype === "F16" ? 10 : 7;
  const bits = Math.floor(at / 2 ** fraction), size = 2 ** (bits - 4) * (1 + at % 2 ** fraction / 2 ** fraction);
  return at % 2 ? -size : size;
};

/** The change of a row whose first `gone` weights become zero and whose others are free: D_K = -H_KK⁻¹ H_KR D_R. */
function leastSquares({ values: h, cols: n }: Matrix, row: Float64Array, gone: number): Float64Array {
  const change = row.map((weight, j) => j < gone ? weight : 0), size = n - gone;
  const a = Array.from({ length: size }, (_, i) => {
    const line = h.subarray((gone + i) * n, (gone + i + 1) * n);
    return [...line.subarray(gone), -dot(line, change)];
  });
  // Gauss and Jordan: positive definite, so no pivot need be searched.
  for (let k = 0; k < size; k++) {
    for (let i = 0; i < size; i++) {
      if (i === k) continue;
      const share = a[i][k] / a[k][k];
      for (let j = k; j <= size; j++) a[i][j] -= share * a[k][j];
    }
  }
  a.forEach((line, i) => change[gone + i] = line[size] / line[i]);
  return change;
}
