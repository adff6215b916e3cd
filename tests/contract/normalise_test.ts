/** Claims about `rmsNorm`, over whole rows and over heads, and about `rotate`. */
import { assertEquals, assertLessOrEqual } from "@std/assert";
import { assertHeld, contract, type Expected, type Stage } from "./contract.ts";
import { DIVISION, gamma, INVERSE_SQRT, underflow, UNIT } from "./bounds.ts";
import { decode, type Draw, draw, DTYPES, type Matrix, matrix, NORMAL } from "./matrices.ts";

/** `x * rsqrt(mean(x²) + epsilon) * gain` over runs of the gain's length. */
function normalised(x: Matrix, gain: Matrix, epsilon: number): Float64Array {
  const n = gain.cols, out = new Float64Array(x.values.length);
  for (let first = 0; first < out.length; first += n) {
    const run = x.values.subarray(first, first + n);
    const scale = 1 / Math.sqrt(run.reduce((sum, value) => sum + value * value, 0) / n + epsilon);
    run.forEach((value, j) => out[first + j] = value * scale * gain.values[j]);
  }
  return out;
}

contract("rmsNorm", (claim) => {
  // The mean: n squares and n - 1 sums, a division, the sum with epsilon (its constant rounded, too). Half of that error
  // passes the root; then the root itself and two products.
  const relative = (n: number): number => (gamma(n) + DIVISION + 2 * UNIT) / 2 + INVERSE_SQRT + 2 * UNIT;
  /** Rows, length of the gain, runs in a row. */
  const shapes = (long: number): number[][] => [
    ...[[1, 1, 1], [1, 7, 1], [3, 65, 1], [193, 64, 1], [5, 129, 1], [2, long, 1], [long, 7, 1]],
    ...[[33, 16, 3], [7, 5, 9], [1, 31, 33]],
  ];
  const check = (draws: Draw, epsilon: number) => async ({ backend, hold, keep, long }: Stage): Promise<void> => {
    const expected = DTYPES.flatMap((dtype) =>
      shapes(long).map(([rows, n, runs], seed): Expected => {
        const x = draw(seed, rows, n * runs, "F32", draws), gain = draw(seed + 50, 1, n, dtype, NORMAL);
        const held = keep(backend.rmsNorm(hold(x), hold(gain), epsilon));
        const values = normalised(x, gain, epsilon);
        const bounds = values.map((value) => relative(n) * Math.abs(value) + underflow(backend));
        return { what: `${rows} x ${n * runs}, gain ${n} ${dtype}`, held, values, bounds };
      })
    );
    await assertHeld(backend, expected);
  };
  claim("normalises rows and heads, gains of every dtype", check(NORMAL, 1e-5));
  claim("does not overflow at 1e18", check((random) => 1e18 * NORMAL(random), 1e-5));
  claim("is led by epsilon for tiny values", check((random) => 1e-9 * NORMAL(random), 1e-6));
  claim("gives zeros for zeros", check(() => 0, 1e-5));
});

/** Cosines and sines of `length` positions, as F32: the frequencies are those of base 10000. */
function angles(length: number, headDim: number): Matrix {
  const half = headDim / 2;
  return matrix(
    length,
    headDim,
    "F32",
    Array.from({ length: length * headDim }, (_, at) => {
      const position = Math.floor(at / headDim), j = at % headDim % half;
      const angle = position * 10000 ** (-2 * j / headDim);
      return at % headDim < half ? Math.cos(angle) : Math.sin(angle);
    }),
  );
}

contract("rotate", (claim) => {
  /** Length of a sequence, sequences, heads, headDim. */
  const shapes = [[1, 1, 1, 2], [1, 5, 3, 4], [7, 1, 1, 6], [33, 2, 9, 64], [5, 13, 2, 10], [129, 1, 1, 128]];

  // Two products and a sum: gamma(2) of their magnitudes.
  claim(
    "turns the pairs (j, j + headDim/2) by the angle of the position within the sequence",
    async ({ backend, hold, keep }) => {
      const expected = shapes.map(([length, sequences, heads, headDim], seed): Expected => {
        const x = draw(seed, length * sequences, heads * headDim, "F32", NORMAL), angle = angles(length, headDim);
        const half = headDim / 2, values = new Float64Array(x.values.length), bounds = values.slice();
        for (let t = 0; t < x.rows; t++) {
          for (let pair = 0; pair < heads * half; pair++) {
            const first = t * x.cols + Math.floor(pair / half) * headDim + pair % half, second = first + half;
            const row = t % length * headDim + pair % half;
            const [a, b, cos, sin] = [x.values[first], x.values[second], angle.values[row], angle.values[row + half]];
            values[first] = a * cos - b * sin;
            values[second] = b * cos + a * sin;
            bounds[first] = gamma(2) * (Math.abs(a * cos) + Math.abs(b * sin));
            bounds[second] = gamma(2) * (Math.abs(b * cos) + Math.abs(a * sin));
          }
        }
        const held = keep(backend.rotate(hold(x), hold(angle)));
        return { what: `${sequences} x ${length} tokens, ${heads} heads of ${headDim}`, held, values, bounds };
      });
      await assertHeld(backend, expected);
    },
  );

  claim("leaves position 0 as it is, to the bit", async ({ backend, hold, keep }) => {
    const x = draw(1, 9, 24, "F32", NORMAL), angle = angles(1, 8);
    const held = keep(backend.rotate(hold(x), hold(angle)));
    await assertHeld(backend, [{ what: "nine sequences of one token", held, values: x.values }]);
  });

  // Each result is off by gamma(2) (|a cos| + |b sin|) <= gamma(2) sqrt(2) times the pair's norm (Cauchy); cosines and
  // sines are rounded, so the turn itself stretches by at most one unit.
  claim("keeps the norm of every pair", async ({ backend, hold, keep }) => {
    const x = draw(2, 66, 64, "F32", NORMAL), angle = angles(33, 16);
    const turned = keep(backend.rotate(hold(x), hold(angle)));
    const y = decode((await backend.read(turned))[0], "F32");
    assertEquals(y.length, x.values.length);
    for (let first = 0; first < y.length; first += 16) {
      for (let j = first; j < first + 8; j++) {
        const norm = Math.hypot(x.values[j], x.values[j + 8]);
        assertLessOrEqual(Math.abs(Math.hypot(y[j], y[j + 8]) - norm), (2 * gamma(2) + UNIT) * norm);
      }
    }
  });
});
