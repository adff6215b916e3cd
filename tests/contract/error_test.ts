/** Claims about `error`: what a change of a weight costs, with a second moment and with its diagonal. */
import { assertHeld, contract, type Expected } from "./contract.ts";
import { gamma, underflow } from "./bounds.ts";
import { draw, DTYPES, INTEGERS, type Matrix, matrix, NORMAL } from "./matrices.ts";
import { remembered } from "./remembered.ts";

/** Outputs and inputs. */
const SHAPES = [[1, 1], [1, 65], [65, 1], [3, 5], [33, 31], [65, 130], [127, 64]];

/** `xᵀ x` of random inputs: symmetric, and with a diagonal that is not the whole of it. */
const moment = remembered((seed: number, n: number): Matrix => {
  const { values: x } = draw(seed, 2 * n, n, "F32", INTEGERS), sums = new Float64Array(n * n);
  for (let t = 0; t < 2 * n; t++) {
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) sums[i * n + j] += x[t * n + i] * x[t * n + j];
  }
  return matrix(n, n, "F32", sums);
});

const diagonal = remembered(({ values, cols }: Matrix): Matrix =>
  matrix(1, cols, "F32", Array.from({ length: cols }, (_, j) => values[j * cols + j]))
);

/** `tr(M S Mᵀ)` and the same sum of magnitudes. */
function trace(m: Float64Array, rows: number, { values: s, rows: full, cols: n }: Matrix): [number, number] {
  let sum = 0, magnitude = 0;
  const add = (term: number): void => {
    sum += term;
    magnitude += Math.abs(term);
  };
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < n; j++) {
      if (full === 1) add(m[i * n + j] ** 2 * s[j]);
      else for (let k = 0; k < n; k++) add(m[i * n + j] * s[j * n + k] * m[i * n + k]);
    }
  }
  return [sum, magnitude];
}

/**
 * What `error` must give. A difference, two products and sums over the inputs (twice) and the outputs, all of them f32 at
 * worst and in any order: gamma(2 inputs + outputs + 4) of the sum of magnitudes.
 */
const cost = remembered((before: Matrix, after: Matrix, second: Matrix) => {
  const change = before.values.map((weight, at) => weight - after.values[at]);
  const both = [change, before.values].map((m) => trace(m, before.rows, second));
  const roundings = gamma(2 * before.cols + before.rows + 4);
  return { values: both.map(([sum]) => sum), bounds: both.map(([, magnitude]) => roundings * magnitude) };
});

/** A weight of which every third is removed and the others updated. */
const updated = remembered(({ rows, cols, dtype, values }: Matrix): Matrix =>
  matrix(rows, cols, dtype, values.map((weight, at) => at % 3 ? weight * 1.125 : 0))
);

contract("error", (claim) => {
  for (const whole of [true, false]) {
    claim(
      `is tr(D S Dᵀ) and tr(W S Wᵀ), S ${whole ? "whole" : "a diagonal"}, whatever the dtype`,
      async ({ backend, hold, keep }) => {
        const expected = DTYPES.flatMap((dtype) =>
          SHAPES.map(([rows, cols], seed): Expected => {
            const before = draw(seed, rows, cols, dtype, NORMAL), all = moment(seed + 20, cols);
            const after = updated(before);
            const second = whole ? all : diagonal(all);
            const held = keep(backend.error(hold(before), hold(after), hold(second)));
            return { what: `${rows} x ${cols} ${dtype}`, held, ...cost(before, after, second) };
          })
        );
        await assertHeld(backend, expected);
      },
    );
  }

  claim("of no change is exactly 0", async ({ backend, hold, keep }) => {
    for (const dtype of DTYPES) {
      const before = draw(1, 33, 65, dtype, NORMAL), all = moment(3, 65), first = hold(before), second = hold(before);
      for (const each of [all, diagonal(all)]) {
        const held = keep(backend.error(first, second, hold(each))), { values, bounds } = cost(before, before, each);
        await assertHeld(backend, [{ what: dtype, held, values, bounds: [0, bounds[1]] }]);
      }
    }
  });

  claim("compares weights of different dtypes", async ({ backend, hold, keep }) => {
    const before = draw(1, 31, 33, "F32", NORMAL),
      after = matrix(31, 33, "BF16", before.values),
      second = moment(4, 33);
    const held = keep(backend.error(hold(before), hold(after), hold(second)));
    await assertHeld(backend, [{ what: "rounding to BF16", held, ...cost(before, after, second) }]);
  });

  claim("of a diagonal is that of the whole matrix with zeros beside it", async ({ backend, hold, keep }) => {
    const before = draw(1, 31, 65, "F16", NORMAL), after = draw(2, 31, 65, "F16", NORMAL);
    const row = diagonal(moment(5, 65));
    const full = matrix(65, 65, "F32", Array.from({ length: 65 * 65 }, (_, at) => at % 66 ? 0 : row.values[at / 66]));
    const [b, a] = [hold(before), hold(after)];
    await assertHeld(
      backend,
      [row, full].map((each): Expected => {
        const held = keep(backend.error(b, a, hold(each)));
        return { what: `${each.rows} rows`, held, ...cost(before, after, row) };
      }),
    );
  });

  claim("of a weight of zeros is 0 of 0", async ({ backend, hold, keep }) => {
    const zeros = keep(backend.allocate(5, 33));
    const held = keep(backend.error(zeros, zeros, hold(moment(6, 33))));
    await assertHeld(backend, [{ what: "zeros", held, values: [0, 0], bounds: [0, 0].fill(underflow(backend)) }]);
  });
});
