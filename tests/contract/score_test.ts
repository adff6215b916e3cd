/** Claims about `score`: the published formulas, to the bit, since every mask bit hangs on them. */
import { assertHeld, contract, type Expected, type Stage } from "./contract.ts";
import { DIVISION, gamma, INVERSE_SQRT } from "./bounds.ts";
import { type Draw, draw, DTYPES, edge, type Matrix, matrix, NORMAL, SPREAD, STEPS } from "./matrices.ts";

const shapes = (long: number) => [[1, 1], [1, 129], [129, 1], [3, 5], [33, 31], [65, 193], [2, long]];

/** A statistic: positive, over twelve decades. */
const SQUARE: Draw = (random) => SPREAD(random) ** 2;

/** Scores of a weight by a statistic, and what they must be: `|w| * sqrt(statistic)`, each step rounded to f32, as published. */
function activation({ backend, hold, keep }: Stage, weight: Matrix, statistic: Matrix): Expected {
  const held = keep(backend.score(hold(weight), { kind: "activation", statistic: hold(statistic) }));
  const roots = statistic.values.map((value) => Math.fround(Math.sqrt(value)));
  const values = weight.values.map((w, at) => Math.fround(Math.abs(w) * roots[at % weight.cols]));
  return { what: `${weight.rows} x ${weight.cols} ${weight.dtype}`, held, values };
}

/** RIA's score, a sum of zero giving 0. */
function relative({ rows, cols, values: w }: Matrix, statistic: Matrix): Float64Array {
  const byRow = new Float64Array(rows), byCol = new Float64Array(cols);
  w.forEach((weight, at) => {
    byRow[Math.floor(at / cols)] += Math.abs(weight);
    byCol[at % cols] += Math.abs(weight);
  });
  const share = (weight: number, sum: number): number => sum && Math.abs(weight) / sum;
  return w.map((weight, at) =>
    (share(weight, byRow[Math.floor(at / cols)]) + share(weight, byCol[at % cols])) *
    statistic.values[at % cols] ** 0.25
  );
}

contract("score", (claim) => {
  claim("magnitude is |w|, to the bit, edges included", async ({ backend, hold, keep, long }) => {
    const expected = DTYPES.flatMap((dtype) =>
      [NORMAL, STEPS, edge(dtype)].flatMap((each) =>
        shapes(long).map(([rows, cols], seed): Expected => {
          const weight = draw(seed, rows, cols, dtype, each), held = hold(weight);
          const values = weight.values.map(Math.abs);
          return {
            what: `${rows} x ${cols} ${dtype}`,
            held: keep(backend.score(held, { kind: "magnitude" })),
            values,
          };
        })
      )
    );
    await assertHeld(backend, expected);
  });

  claim("activation is |w| * sqrt(statistic), rounded after the root and after the product", async (stage) => {
    const expected = DTYPES.flatMap((dtype) =>
      [NORMAL, STEPS].flatMap((each) =>
        shapes(stage.long).map(([rows, cols], seed) =>
          activation(stage, draw(seed, rows, cols, dtype, each), draw(seed + 50, 1, cols, "F32", SQUARE))
        )
      )
    );
    await assertHeld(stage.backend, expected);
  });

  claim("activation is exact at the edges: zeros, 1e30, subnormal weights and statistics", async (stage) => {
    const expected = DTYPES.flatMap((dtype) => {
      const finite: Draw = (random) => Math.max(-1e30, Math.min(1e30, edge(dtype)(random)));
      const few = [0, 1, 1e10, 1e-10, 4, 2 ** -126, 2 ** -149, 3 * 2 ** -140, 2 ** -131];
      const statistic = matrix(1, 33, "F32", Array.from({ length: 33 }, (_, j) => few[j % few.length]));
      return activation(stage, draw(1, 31, 33, dtype, finite), statistic);
    });
    await assertHeld(stage.backend, expected);
  });

  // Small integers times powers of two on both sides: their products lie among the subnormal numbers, many of them in
  // the very middle between two.
  claim("activation rounds subnormal products to nearest, ties to even", async (stage) => {
    const expected = [20, 24, 30].map((down, seed) => {
      const weight = draw(
        seed,
        33,
        65,
        "F32",
        (random) => Math.floor(random() * 64) * 2 ** -Math.floor(122 + 20 * random()),
      );
      const roots = draw(seed + 50, 1, 65, "F32", (random) => (1 + Math.floor(random() * 16)) * 2 ** -down);
      return activation(stage, weight, matrix(1, 65, "F32", roots.values.map((root) => root ** 2)));
    });
    await assertHeld(stage.backend, expected);
  });

  // Two sums wider than f32 whose quotients are rounded, their sum, two roots and two products: ten roundings beside the
  // divisions' and roots' own.
  claim("relative is |w| (1 / row + 1 / column) * statistic^(1/4)", async ({ backend, hold, keep, long }) => {
    const expected = DTYPES.flatMap((dtype) =>
      [NORMAL, STEPS].flatMap((each) =>
        shapes(long).map(([rows, cols], seed): Expected => {
          const weight = draw(seed, rows, cols, dtype, each), statistic = draw(seed + 50, 1, cols, "F32", SQUARE);
          const values = relative(weight, statistic);
          const bounds = values.map((value) => (2 * DIVISION + 2 * INVERSE_SQRT + gamma(10)) * value);
          const held = keep(backend.score(hold(weight), { kind: "relative", statistic: hold(statistic) }));
          return { what: `${rows} x ${cols} ${dtype}`, held, values, bounds };
        })
      )
    );
    await assertHeld(backend, expected);
  });

  claim("relative is 0 in rows and columns of zeros, and for a statistic of 0", async ({ backend, hold, keep }) => {
    const dense = draw(1, 33, 65, "F16", (random) => 0.5 + random());
    const zero = (at: number): boolean => Math.floor(at / 65) % 7 === 3 || at % 65 % 11 === 5;
    const weight = matrix(33, 65, "F16", dense.values.map((value, at) => zero(at) ? 0 : value));
    const statistic = matrix(1, 65, "F32", Array.from({ length: 65 }, (_, j) => j === 9 ? 0 : j + 1));
    const values = relative(weight, statistic);
    const bounds = values.map((value) => (2 * DIVISION + 2 * INVERSE_SQRT + gamma(10)) * value);
    const held = keep(backend.score(hold(weight), { kind: "relative", statistic: hold(statistic) }));
    await assertHeld(backend, [{ what: "zeros", held, values, bounds }]);
  });
});
