/** Claims about `inverseFactor`: U with H⁻¹ = Uᵀ U, what is dead, and what damping it took. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { assertSameBytes, contract, type Stage } from "./contract.ts";
import { damped, decades, factor, factorError, hessian, norm, onesAnd } from "./hessians.ts";
import { decode, draw, INTEGERS, type Matrix, matrix, NORMAL } from "./matrices.ts";
import { remembered } from "./remembered.ts";

/** Around one, two and three blocks of 64 columns, and the smallest. */
const SIZES = [1, 2, 3, 31, 63, 64, 65, 127, 128, 129, 193];

/** U and the dead columns of a Hessian, and the damping; undefined where there is none. */
async function solve({ backend, hold, keep }: Stage, h: Matrix, damping: number) {
  const found = await backend.inverseFactor(hold(h), damping);
  if (!found) return undefined;
  keep(found);
  const [upper, dead] = (await backend.read(found.upper, found.dead)).map((bytes) => decode(bytes, "F32"));
  return { upper, dead: [...dead], damping: found.damping };
}

/** Holds U against the f64 factor of the damped Hessian. */
function assertFactor(found: Float64Array, h: Matrix, damping: number, bound: number, what: string): void {
  const want = factor(damped(h, damping), h.cols);
  const error = norm(want.map((value, at) => value - found[at])) / norm(want);
  assert(error <= bound, `${what}: expected U within ${bound}, found ${error}`);
}

const NONE: readonly number[] = [];

/** Inputs, and which of them are dead. */
const DEAD = [[1, [0]], [33, [0, 7, 32]], [129, [63, 64, 128]], [65, [...Array(65).keys()]]] as const;

/** `xᵀ x` of so many tokens. */
const gram = remembered((seed: number, tokens: number, n: number, dead: readonly number[] = NONE): Matrix => {
  const x = draw(seed, tokens, n, "F32", INTEGERS).values.slice(), sums = new Float64Array(n * n);
  for (const j of dead) for (let t = 0; t < tokens; t++) x[t * n + j] = 0;
  for (let t = 0; t < tokens; t++) {
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) sums[i * n + j] += x[t * n + i] * x[t * n + j];
  }
  return matrix(n, n, "F32", sums);
});

/** `a bᵀ` of square matrices. */
function timesTransposed(a: Float64Array, b: Float64Array, n: number): Float64Array {
  const product = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += a[i * n + k] * b[j * n + k];
      product[i * n + j] = sum;
    }
  }
  return product;
}

contract("inverseFactor", (claim) => {
  for (const condition of [1, 10, 1e3, 1e6]) {
    claim(`is the factor of an f64 program, at a condition of ${condition}`, async (stage) => {
      for (const n of condition === 1e6 ? [64, 129, 193] : SIZES) {
        const h = hessian(n, decades(n, condition)), found = await solve(stage, h, 0);
        assertFactor(found!.upper, h, 0, factorError(n, condition), `n = ${n}`);
        assertEquals([found!.damping, found!.dead.some(Boolean)], [0, false]);
      }
    });
  }

  // U H Uᵀ - I is at most twice U's own error, times the root of the condition (U's own) and of n (from the largest
  // singular value to the Frobenius norm).
  claim("makes U H Uᵀ the identity", async (stage) => {
    const condition = 10;
    for (const n of SIZES) {
      const h = hessian(n, decades(n, condition)), { upper } = (await solve(stage, h, 0))!;
      // H is its own transpose, so both products are of rows with rows.
      const residual = timesTransposed(timesTransposed(upper, h.values, n), upper, n);
      for (let j = 0; j < n; j++) residual[j * (n + 1)] -= 1;
      const bound = 2 * factorError(n, condition) * Math.sqrt(condition * n);
      assert(norm(residual) <= bound, `n = ${n}: expected the identity within ${bound}, found ${norm(residual)}`);
    }
  });

  claim("has zeros below the diagonal and a positive diagonal", async (stage) => {
    for (const n of SIZES) {
      const { upper } = (await solve(stage, hessian(n + 7, decades(n, 10)), 0.01))!;
      const wrong = upper.findIndex((value, at) => {
        const i = Math.floor(at / n), j = at % n;
        return !(i < j || (i === j ? value > 0 : value === 0));
      });
      assertEquals(wrong, -1, `n = ${n}: found ${upper[wrong]} in row ${Math.floor(wrong / n)}, column ${wrong % n}`);
    }
  });

  claim("adds the damping, a share of the diagonal's mean", async (stage) => {
    for (const damping of [0.001, 0.01, 1]) {
      const h = hessian(3, decades(65, 1e3)), found = (await solve(stage, h, damping))!;
      assertFactor(found.upper, h, damping, factorError(65, 1 / damping), `damping ${damping}`);
      assertEquals(found.damping, damping);
    }
  });

  claim("finds the dead inputs and goes on without them", async (stage) => {
    for (const [n, dead] of DEAD) {
      const h = gram(n, 2 * n, n, dead), found = (await solve(stage, h, 0.01))!;
      assertEquals(found.dead, Array.from({ length: n }, (_, j) => Number(dead.some((one) => one === j))));
      // A dead diagonal of 1 is far below the others': the condition is at most that of the damping.
      assertFactor(found.upper, h, 0.01, factorError(n, n / 0.01), `n = ${n}`);
    }
  });

  claim("takes fewer tokens than inputs, with damping", async (stage) => {
    for (const [tokens, n] of [[1, 33], [5, 65], [40, 129]]) {
      const h = gram(n, tokens, n), found = (await solve(stage, h, 0.01))!;
      assertFactor(found.upper, h, found.damping, factorError(n, n / 0.01), `${tokens} tokens, n = ${n}`);
      assertEquals(found.damping, 0.01);
    }
  });

  // One eigenvalue is negative; the mean of all n is a little below 1, so what is needed is clear.
  for (const [lowest, raise] of [[-0.05, 10], [-0.5, 100], [-5, 1000]]) {
    claim(`raises the damping ${raise} times for an eigenvalue of ${lowest}, and says so`, async (stage) => {
      for (const n of [33, 130]) {
        const h = hessian(n, onesAnd(n, lowest)), found = (await solve(stage, h, 0.01))!;
        // A product of f64 numbers, in whatever order: units of 2^-53.
        assertAlmostEquals(found.damping, 0.01 * raise, 2 ** -50 * raise);
        assertFactor(found.upper, h, 0.01 * raise, factorError(n, 100), `n = ${n}`);
      }
    });
  }

  claim("is undefined where no damping is enough, and where the Hessian is not finite", async (stage) => {
    const n = 130,
      usual = hessian(1, decades(n, 10)),
      not = (at: number, value: number) => {
        const values = usual.values.slice(), mirrored = at % n * n + Math.floor(at / n);
        [values[at], values[mirrored]] = [value, value];
        return matrix(n, n, "F32", values);
      };
    const wrong = {
      "an eigenvalue of -50": hessian(2, onesAnd(n, -50)),
      "all negative": matrix(1, 1, "F32", [-1]),
      "NaN first": not(0, NaN),
      "NaN on the diagonal": not(70 * n + 70, NaN),
      "NaN last": not(n * n - 1, NaN),
      "infinity": not(5 * n + 5, Infinity),
    };
    for (const [what, h] of Object.entries(wrong)) assertEquals(await solve(stage, h, 0.01), undefined, what);
    // Undamped: ten times nothing is nothing.
    assertEquals(await solve(stage, hessian(3, onesAnd(n, -0.05)), 0), undefined, "no damping");
  });

  claim("leaves the Hessian as it was, also after raising the damping", async ({ backend, hold, keep }) => {
    for (const h of [hessian(1, decades(65, 10)), hessian(2, onesAnd(65, -0.5)), gram(3, 9, 65, [4])]) {
      const held = hold(h), found = await backend.inverseFactor(held, 0.01);
      if (found) keep(found);
      assertSameBytes((await backend.read(held))[0], h.bytes, "Hessian");
    }
  });

  claim("keeps its digits in a Hessian of any size", async (stage) => {
    for (const scale of [2 ** -40, 2 ** 40]) {
      const h = hessian(1, decades(65, 10).map((value) => value * scale)), found = (await solve(stage, h, 0.01))!;
      assertFactor(found.upper, h, 0.01, factorError(65, 10), `scale ${scale}`);
    }
  });

  claim("of a diagonal is the roots of its inverses", async (stage) => {
    const n = 67, diagonal = draw(1, 1, n, "F32", (random) => 4 ** Math.floor(NORMAL(random) * 6)).values;
    const h = matrix(n, n, "F32", Array.from({ length: n * n }, (_, at) => at % (n + 1) ? 0 : diagonal[at % n]));
    const { upper } = (await solve(stage, h, 0))!;
    diagonal.forEach((value, j) => {
      const want = 1 / Math.sqrt(value), bound = factorError(1, 1) * want;
      assert(
        Math.abs(upper[j * n + j] - want) <= bound * 4,
        `column ${j}: expected ${want}, found ${upper[j * n + j]}`,
      );
    });
    assertEquals(upper.filter((value, at) => value !== 0 && at % (n + 1)).length, 0, "numbers beside the diagonal");
  });
});
