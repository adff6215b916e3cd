/** Claims about `norm`, over whole rows and over heads, and about `rotate`. */
import { assertEquals, assertLessOrEqual } from "@std/assert";
import type { NormOptions, RotateOptions } from "../../src/backend/backend.ts";
import { assertHeld, assertSameBytes, contract, type Expected, type Stage } from "./contract.ts";
import { DIVISION, gamma, INVERSE_SQRT, underflow, UNIT } from "./bounds.ts";
import { decode, type Draw, draw, DTYPES, type Matrix, matrix, NORMAL } from "./matrices.ts";
import { remembered } from "./remembered.ts";

/** A norm without the tensors that its options name. */
type Norm = Omit<NormOptions, "bias">;

/**
 * The exact results and their bounds. The mean square: n squares and n - 1 sums, a division, the sum with epsilon (its
 * constant rounded, too); half of that error passes the root, then the root itself and two products, and with a unit offset
 * the sum 1 + gain.
 *
 * Of a layer norm a number's distance from the mean is off by its own three roundings and by the mean's error. A mean that
 * is found once is off by `first`: that of n quotients and their sum. Found again of the distances, it is off by the same
 * share of their size alone. The bias takes one rounding more.
 */
const normalised = remembered((
  x: Matrix,
  gain: Matrix,
  { kind, epsilon, unitOffset }: Norm,
  least: number,
  bias?: Matrix,
) => {
  const n = gain.cols, values = new Float64Array(x.values.length), bounds = values.slice();
  const summed = gamma(n + 1) + DIVISION;
  for (let start = 0; start < values.length; start += n) {
    const run = x.values.subarray(start, start + n), at = start % x.cols / n % gain.rows * n;
    const average = (numbers: Float64Array): number => numbers.reduce((sum, value) => sum + value) / n;
    const mean = kind === "layer" ? average(run) : 0, far = run.map((value) => value - mean);
    const first = kind === "layer" ? summed * average(run.map(Math.abs)) : 0;
    const off = far.map((value) => kind === "layer" ? gamma(3) * (Math.abs(value) + first) : 0);
    const shift = kind === "layer" ? summed * (average(far.map(Math.abs)) + first) : 0;
    const square = average(far.map((value) => value ** 2)) + epsilon, scale = 1 / Math.sqrt(square);
    const moved = average(far.map((value, j) => (2 * Math.abs(value) + off[j] + shift) * (off[j] + shift))) / square;
    const relative = (gamma(n) + DIVISION + 2 * UNIT + moved) / 2 + INVERSE_SQRT + (unitOffset ? 3 : 2) * UNIT;
    far.forEach((value, j) => {
      const factor = (unitOffset ? 1 : 0) + gain.values[at + j], result = value * scale * factor;
      const added = bias ? bias.values[at + j] : 0;
      values[start + j] = result + added;
      bounds[start + j] = relative * Math.abs(result) + (1 + relative) * (off[j] + shift) * scale * Math.abs(factor) +
        (bias ? UNIT * (Math.abs(result) * (1 + relative) + Math.abs(added)) : 0) + least;
    });
  }
  return { values, bounds };
});

contract("norm", (claim) => {
  /** Rows, length of the gain, runs in a row, rows of the gain. */
  const shapes = (long: number): number[][] => [
    ...[[1, 1, 1, 1], [1, 7, 1, 1], [3, 65, 1, 1], [193, 64, 1, 1], [5, 129, 1, 1], [2, long, 1, 1], [521, 7, 1, 1]],
    ...[[33, 16, 3, 1], [7, 5, 9, 1], [1, 31, 33, 1], [9, 12, 6, 6], [3, 33, 8, 4], [2, 21, 45, 45], [5, 7, 5, 3]],
  ];
  const check =
    (draws: Draw, options: Norm, biased = false) => async ({ backend, hold, keep, long }: Stage): Promise<void> => {
      const expected = DTYPES.flatMap((dtype, which) =>
        shapes(long).map(([rows, n, runs, gains], seed): Expected => {
          const x = draw(seed, rows, n * runs, "F32", draws), gain = draw(seed + 50, gains, n, dtype, NORMAL);
          const bias = biased ? draw(seed + 99, gains, n, DTYPES[(which + 1) % DTYPES.length], NORMAL) : undefined;
          const held = keep(backend.norm(hold(x), hold(gain), { ...options, bias: bias && hold(bias) }));
          const what = `${rows} x ${n * runs}, gain ${gains} x ${n} ${dtype}`;
          return { what, held, ...normalised(x, gain, options, underflow(backend), bias) };
        })
      );
      await assertHeld(backend, expected);
    };
  const rms = (epsilon: number): Norm => ({ kind: "rms", epsilon });
  const layer = (epsilon: number): Norm => ({ kind: "layer", epsilon });
  claim("rms normalises rows and heads, gains of every dtype and of a row for every head", check(NORMAL, rms(1e-5)));
  claim("rms does not overflow at 1e18", check((random) => 1e18 * NORMAL(random), rms(1e-5)));
  claim("rms is led by epsilon for tiny values", check((random) => 1e-9 * NORMAL(random), rms(1e-6)));
  claim("rms gives zeros for zeros", check(() => 0, rms(1e-5)));
  claim("rms multiplies with 1 + gain by a unit offset", check(NORMAL, { ...rms(1e-6), unitOffset: true }));
  claim("rms adds a bias of another dtype than the gain", check(NORMAL, rms(1e-5), true));
  claim("layer centres rows and heads", check(NORMAL, layer(1e-5)));
  claim("layer adds a bias of another dtype than the gain", check(NORMAL, layer(1e-5), true));
  claim("layer multiplies with 1 + gain by a unit offset", check(NORMAL, { ...layer(1e-6), unitOffset: true }, true));
  claim("layer does not overflow at 1e18", check((random) => 1e18 * NORMAL(random), layer(1e-5)));
  claim("layer gives the bias where all numbers are equal", check(() => 3, layer(1e-5), true));

  // A variance as the mean square less the square of the mean would be off by a hundred times the numbers here.
  claim("layer keeps its digits where the mean is a hundred thousand times the spread", async (stage) => {
    const { backend, hold, keep } = stage, options = layer(1e-5);
    const x = draw(1, 9, 65, "F32", (random) => 1e5 + NORMAL(random)), gain = draw(2, 1, 65, "F32", () => 1);
    const held = keep(backend.norm(hold(x), hold(gain), options));
    const { values, bounds } = normalised(x, gain, options, underflow(backend));
    assertLessOrEqual(Math.max(...bounds), 1e-4);
    await assertHeld(backend, [{ what: "1e5 and a little", held, values, bounds }]);
  });
});

/** Cosines and sines of the first `length` positions, as F32: the frequencies are those of base 10000. */
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
  /** Tokens, heads, headDim, dimensions that turn. */
  const shapes = [
    ...[[1, 1, 2, 2], [5, 3, 4, 4], [7, 1, 6, 6], [66, 9, 64, 64], [65, 2, 10, 10], [129, 1, 128, 128]],
    ...[[7, 3, 16, 4], [33, 2, 20, 18], [3, 1, 7, 2], [65, 3, 24, 10]],
  ];

  // Two products and a sum: gamma(2) of their magnitudes.
  const check = (layout: RotateOptions["layout"]) => async ({ backend, hold, keep }: Stage): Promise<void> => {
    const expected = shapes.map(([tokens, heads, headDim, turned], seed): Expected => {
      // More rows of angles than tokens: those beyond are ignored.
      const x = draw(seed, tokens, heads * headDim, "F32", NORMAL), angle = angles(tokens + seed % 3, turned);
      const half = turned / 2, values = x.values.slice(), bounds = new Float64Array(values.length);
      for (let t = 0; t < tokens; t++) {
        for (let pair = 0; pair < heads * half; pair++) {
          const head = t * x.cols + Math.floor(pair / half) * headDim, j = pair % half;
          const first = head + (layout === "half" ? j : 2 * j), second = first + (layout === "half" ? half : 1);
          const row = t * turned + j;
          const [a, b, cos, sin] = [x.values[first], x.values[second], angle.values[row], angle.values[row + half]];
          values[first] = a * cos - b * sin;
          values[second] = b * cos + a * sin;
          bounds[first] = gamma(2) * (Math.abs(a * cos) + Math.abs(b * sin));
          bounds[second] = gamma(2) * (Math.abs(b * cos) + Math.abs(a * sin));
        }
      }
      const held = keep(backend.rotate(hold(x), hold(angle), { headDim, layout }));
      return { what: `${tokens} tokens, ${turned} of ${heads} heads of ${headDim}`, held, values, bounds };
    });
    await assertHeld(backend, expected);
  };
  claim("turns the pairs (j, j + r/2) by the angles of their row and copies the rest of a head", check("half"));
  claim("turns the pairs (2j, 2j + 1) by the angles of their row and copies the rest", check("neighbours"));

  claim("leaves angles of zero as they are, to the bit", async ({ backend, hold, keep }) => {
    const x = draw(1, 9, 24, "F32", NORMAL),
      still = matrix(9, 8, "F32", Array(9).fill([1, 1, 1, 1, 0, 0, 0, 0]).flat());
    for (const layout of ["half", "neighbours"] as const) {
      const held = keep(backend.rotate(hold(x), hold(still), { headDim: 12, layout }));
      await assertHeld(backend, [{ what: layout, held, values: x.values }]);
    }
  });

  claim("of a token depends on its own row alone, to the bit", async ({ backend, hold, keep }) => {
    const x = draw(3, 40, 36, "F32", NORMAL), angle = angles(40, 12), last = 39;
    const row = ({ cols, values }: Matrix): Matrix => matrix(1, cols, "F32", values.subarray(last * cols));
    const options = { headDim: 12, layout: "half" } as const;
    const all = keep(backend.rotate(hold(x), hold(angle), options));
    const one = keep(backend.rotate(hold(row(x)), hold(row(angle)), options));
    const [whole, alone] = await backend.read(all, one);
    assertSameBytes(alone, whole.subarray(last * 36 * 4), "the last token");
  });

  // Each result is off by gamma(2) (|a cos| + |b sin|) <= gamma(2) sqrt(2) times the pair's norm (Cauchy); cosines and
  // sines are rounded, so the turn itself stretches by at most one unit.
  claim("keeps the norm of every pair", async ({ backend, hold, keep }) => {
    const x = draw(2, 66, 64, "F32", NORMAL), angle = angles(66, 16);
    const turned = keep(backend.rotate(hold(x), hold(angle), { headDim: 16, layout: "half" }));
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
