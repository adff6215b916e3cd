/** Claims about `linear`: x Wᵀ + b for every storage dtype, at shapes that no tile divides. */
import { assertHeld, contract, type Expected } from "./contract.ts";
import { gamma, SMALLEST_NORMAL, underflow } from "./bounds.ts";
import { draw, DTYPES, EDGES, INTEGERS, type Matrix, matrix, NORMAL, SPREAD } from "./matrices.ts";
import { remembered } from "./remembered.ts";

/**
 * Tokens, inputs, outputs: one of each, just under, at and over the usual tiles, and a long inner dimension; few tokens by rows
 * that are whole registers as well, which a kernel may read as they lie; and as many outputs as a vocabulary has.
 */
const shapes = (long: number): readonly (readonly [number, number, number])[] => [
  [1, 1, 1],
  [1, 7, 1],
  [2, 3, 5],
  [1, 64, 193],
  [193, 64, 1],
  [1, long, 33],
  [5, long, 7],
  [7, 31, 9],
  [8, 32, 16],
  [31, 33, 31],
  [33, 65, 63],
  [64, 64, 64],
  [63, 127, 65],
  [65, 129, 127],
  [129, 1, 129],
  [127, 193, 130],
  [1, long - long % 8, 33],
  [4, 520, 67],
  [7, 40, 9],
  // Where a row of so many can be held.
  ...long > 4096 ? [[1, 8, 65541]] as const : [],
];

/** `x Wᵀ + b` and the same sum of magnitudes, in f64 in the order of the columns. */
const product = remembered((x: Matrix, weight: Matrix, bias?: Matrix) => {
  const values = new Float64Array(x.rows * weight.rows), magnitudes = values.slice();
  for (let t = 0; t < x.rows; t++) {
    for (let i = 0; i < weight.rows; i++) {
      let sum = bias ? bias.values[i] : 0, magnitude = Math.abs(sum);
      for (let k = 0; k < x.cols; k++) {
        const term = x.values[t * x.cols + k] * weight.values[i * x.cols + k];
        sum += term;
        magnitude += Math.abs(term);
      }
      values[t * weight.rows + i] = sum;
      magnitudes[t * weight.rows + i] = magnitude;
    }
  }
  return { values, magnitudes };
});

contract("linear", (claim) => {
  claim("is exactly x Wᵀ where f32 is exact, whatever the shape and dtype", async ({ backend, hold, keep, long }) => {
    for (const dtype of DTYPES) {
      const expected = shapes(long).map(([tokens, inputs, outputs], seed): Expected => {
        const x = draw(seed + 1, tokens, inputs, "F32", INTEGERS),
          weight = draw(seed + 100, outputs, inputs, dtype, INTEGERS);
        const held = keep(backend.linear(hold(x), hold(weight)));
        return { what: `${tokens} x ${inputs} by ${outputs} ${dtype}`, held, values: product(x, weight).values };
      });
      await assertHeld(backend, expected);
    }
  });

  claim("is exactly x Wᵀ over many blocks in every dimension", async ({ backend, hold, keep, long }) => {
    const tokens = Math.ceil(long / 16) + 4, inputs = 1021, outputs = tokens - 2;
    const x = draw(1, tokens, inputs, "F32", INTEGERS), weight = draw(2, outputs, inputs, "BF16", INTEGERS);
    const held = keep(backend.linear(hold(x), hold(weight)));
    await assertHeld(backend, [{ what: `${tokens} tokens`, held, values: product(x, weight).values }]);
  });

  claim("adds a bias of any dtype, exactly where f32 is exact", async ({ backend, hold, keep }) => {
    const expected: Expected[] = [];
    for (const [tokens, inputs, outputs] of [[1, 1, 1], [3, 5, 7], [2, 24, 37], [33, 31, 65], [65, 64, 129]]) {
      for (const dtype of DTYPES) {
        const x = draw(1, tokens, inputs, "F32", INTEGERS), weight = draw(2, outputs, inputs, "F16", INTEGERS);
        const bias = draw(3, 1, outputs, dtype, INTEGERS);
        const [a, w, b] = [x, weight, bias].map((each) => hold(each));
        const held = keep(backend.linear(a, w, b));
        expected.push({ what: `bias ${dtype}, ${outputs} outputs`, held, values: product(x, weight, bias).values });
      }
    }
    await assertHeld(backend, expected);
  });

  // |error| <= gamma(K + 2) * sum of magnitudes: K products, K - 1 sums and the bias, in any order (Higham, section 3.1).
  claim("keeps the rounding of an f32 sum, over six decades of magnitude", async ({ backend, hold, keep, long }) => {
    for (const draws of [NORMAL, SPREAD]) {
      const expected = DTYPES.flatMap((dtype) =>
        [[5, long, 7], [65, 129, 127], [1, 193, 33], [1, long - long % 8, 9]].map(
          ([tokens, inputs, outputs]): Expected => {
            const x = draw(4, tokens, inputs, "F32", draws), weight = draw(5, outputs, inputs, dtype, draws);
            const bias = draw(6, 1, outputs, dtype, draws);
            const [a, w, b] = [x, weight, bias].map((each) => hold(each));
            const { values, magnitudes } = product(x, weight, bias);
            const bounds = magnitudes.map((magnitude) => gamma(inputs + 2) * magnitude);
            return {
              what: `${tokens} x ${inputs} by ${outputs} ${dtype}`,
              held: keep(backend.linear(a, w, b)),
              values,
              bounds,
            };
          },
        )
      );
      await assertHeld(backend, expected);
    }
  });

  // x has one number a row, so every result is one weight times a power of two: exact, whatever is summed around it.
  claim("multiplies the edges of every dtype exactly", async ({ backend, hold, keep }) => {
    const expected = DTYPES.flatMap((dtype) =>
      [[37, 37], [8, 40]].map(([tokens, size]): Expected => {
        const finite = EDGES[dtype].filter((value) => Math.abs(value) < 1e30);
        const weight = draw(7, size, size, dtype, (random) => finite[Math.floor(random() * finite.length)]);
        const x = matrix(
          tokens,
          size,
          "F32",
          Array.from({ length: tokens * size }, (_, at) => {
            return at % size === Math.floor(at / size) * 3 % size ? 0.5 : 0;
          }),
        );
        const { values, magnitudes } = product(x, weight);
        const bounds = magnitudes.map((magnitude) => magnitude >= SMALLEST_NORMAL ? 0 : underflow(backend));
        return {
          what: `${dtype}, ${tokens} tokens`,
          held: keep(backend.linear(hold(x), hold(weight))),
          values,
          bounds,
        };
      })
    );
    await assertHeld(backend, expected);
  });

  claim(
    "does not overflow where the result does not: 1e30 times 65504, and 1e30 - 1e30",
    async ({ backend, hold, keep }) => {
      const x = matrix(3, 2, "F32", [1e30, 1e30, 1e30, -1e30, -1e30, 1e-30]),
        weight = matrix(2, 2, "F16", [65504, 65504, 1, -1]);
      const { values, magnitudes } = product(x, weight);
      const held = keep(backend.linear(hold(x), hold(weight)));
      await assertHeld(backend, [{ what: "large", held, values, bounds: magnitudes.map((each) => gamma(4) * each) }]);
    },
  );

  claim("of a sum of inputs is the sum of the results, exactly where f32 is exact", async ({ backend, hold, keep }) => {
    const [x, y] = [8, 9].map((seed) => hold(draw(seed, 33, 65, "F32", INTEGERS)));
    const weight = hold(draw(10, 31, 65, "BF16", INTEGERS));
    const whole = keep(backend.linear(keep(backend.add(x, y)), weight));
    const parts = keep(backend.add(keep(backend.linear(x, weight)), keep(backend.linear(y, weight))));
    const [found] = await backend.read(parts);
    await assertHeld(backend, [{ what: "linearity", held: whole, values: new Float32Array(found.buffer) }]);
  });
});
