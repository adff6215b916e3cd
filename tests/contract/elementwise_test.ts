/** Claims about `add`, and about the functions of one number: `map` and `gate`. */
import type { Backend, MapFunction } from "../../src/backend/backend.ts";
import { mapped } from "../reference/functions.ts";
import { assertHeld, contract, type Expected, type Stage } from "./contract.ts";
import { CAP, DIVISION, exponential, gamma, SMALLEST_NORMAL, underflow, UNIT } from "./bounds.ts";
import { type Draw, draw, matrix, NORMAL, SPREAD } from "./matrices.ts";

/** Beyond this, f32 has exp(-x) as zero and exp(x) as infinity: what their error is no longer matters. */
const EXP_ENDS = 104;

const shapes = (long: number) => [[1, 1], [1, long], [long, 1], [3, 5], [33, 31], [65, 129]];

contract("add", (claim) => {
  claim("is the rounded sum of every pair", async ({ backend, hold, keep, long }) => {
    const expected = shapes(long).map(([rows, cols], seed): Expected => {
      const x = draw(seed, rows, cols, "F32", SPREAD), y = draw(seed + 50, rows, cols, "F32", SPREAD);
      const held = keep(backend.add(hold(x), hold(y)));
      return { what: `${rows} x ${cols}`, held, values: x.values.map((value, i) => value + y.values[i]) };
    });
    await assertHeld(backend, expected);
  });

  claim("holds at the edges: 1e30 + 1e30, x - x, zeros of either sign", async ({ backend, hold, keep }) => {
    const x = matrix(1, 6, "F32", [1e30, 1e30, 0, -0, -0, 2 ** -126]),
      y = matrix(1, 6, "F32", [1e30, -1e30, -0, -0, 1, -(2 ** -126)]);
    const held = keep(backend.add(hold(x), hold(y)));
    await assertHeld(backend, [{ what: "edges", held, values: x.values.map((value, i) => value + y.values[i]) }]);
  });

  claim("of a tensor and itself doubles it and leaves it as it was", async ({ backend, hold, keep }) => {
    const x = draw(1, 31, 33, "F32", NORMAL), held = hold(x);
    const twice = keep(backend.add(held, held));
    await assertHeld(backend, [
      { what: "x + x", held: twice, values: x.values.map((value) => 2 * value) },
      { what: "x", held, values: x.values },
    ]);
  });
});

/** A function of one number, how it is drawn to, and how far f32 may be from it. */
interface Case {
  readonly fn: MapFunction;
  /** The absolute error of a correct program at x, and so at any number nearby. */
  readonly bound: (x: number, exact: number, backend: Backend) => number;
}

/**
 * g / (1 + e), e = exp(-z), z off by a share `moved` of itself: the error of e counts by its share e / (1 + e) of the
 * denominator, then a sum and a division (or a reciprocal and a product). Where 1 / (1 + e) leaves the normal numbers
 * (z < -87) it may come out as zero: that much of |g| may be lost.
 */
const gated = (g: number, z: number, moved: number, exact: number): number => {
  const share = 1 / (1 + Math.exp(z)), size = Math.min(Math.abs(z), EXP_ENDS);
  const relative = share * (exponential(size) + Math.expm1(moved * size)) + DIVISION + 3 * UNIT;
  return relative * Math.abs(exact) + SMALLEST_NORMAL * Math.abs(g);
};

/** `exp` may lose all of what is below this, and what is multiplied with it. */
const LOST = 2 * SMALLEST_NORMAL;

/**
 * The approximation of Φ's tail is within 1.5e-8, a quarter of a unit; its ten terms have one sign but for two, which are a
 * fifth of the sum, so that they lose some ten roundings of 1.4 times the sum; its argument is a division more.
 */
const TAIL = 0.25 * UNIT + 1.4 * gamma(20) + DIVISION;

const CASES: readonly Case[] = [
  { fn: { kind: "silu" }, bound: (x, exact) => gated(x, x, 0, exact) },
  {
    fn: { kind: "gelu" },
    // The square is rounded twice before the exponential; the difference from x is rounded, too.
    bound: (x, exact) => {
      const tail = x < 0 ? -exact : x - exact, half = Math.min(x * x / 2, EXP_ENDS);
      const relative = exponential(half) + Math.expm1(2 * UNIT * half) + TAIL + gamma(3);
      return relative * tail + UNIT * Math.abs(exact) + LOST * (1 + Math.abs(x));
    },
  },
  {
    fn: { kind: "gelu_tanh" },
    // Twice the argument of the tanh: two constants, three products and a sum.
    bound: (x, exact) => gated(x, 2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3), gamma(6), exact),
  },
  { fn: { kind: "relu" }, bound: () => 0 },
  { fn: { kind: "scale", factor: 0.3 }, bound: (_, exact) => gamma(2) * Math.abs(exact) },
  { fn: { kind: "soft_cap", cap: 30 }, bound: (_, exact) => CAP * Math.abs(exact) },
];

const far: Draw = (random) => {
  const ends = [0, -0, 20, 80, 88, 89, 104, 1000, 1e30];
  return (random() < 0.5 ? -1 : 1) * ends[Math.floor(random() * ends.length)];
};

contract("map", (claim) => {
  for (const { fn, bound } of CASES) {
    const check = (draws: Draw) => async ({ backend, hold, keep, long }: Stage): Promise<void> => {
      const expected = shapes(long).map(([rows, cols], seed): Expected => {
        const x = draw(seed, rows, cols, "F32", draws), values = x.values.map((value) => mapped(value, fn));
        const bounds = values.map((value, i) => bound(x.values[i], value, backend) + underflow(backend));
        return { what: `${rows} x ${cols}`, held: keep(backend.map(hold(x), fn)), values, bounds };
      });
      await assertHeld(backend, expected);
    };
    claim(`${fn.kind} is its formula for usual values`, check((random) => 6 * NORMAL(random)));
    claim(`${fn.kind} is its formula for small values`, check((random) => 2 ** -20 * SPREAD(random)));
    claim(`${fn.kind} is its formula far out, and never NaN`, check(far));
  }
});

contract("gate", (claim) => {
  for (const { fn, bound } of CASES) {
    const { kind } = fn;
    if (kind === "scale" || kind === "soft_cap") continue;
    const check = (draws: Draw) => async ({ backend, hold, keep, long }: Stage): Promise<void> => {
      const expected = shapes(long).map(([rows, cols], seed): Expected => {
        const gate = draw(seed, rows, cols, "F32", draws), up = draw(seed + 50, rows, cols, "F32", NORMAL);
        const activated = gate.values.map((value) => mapped(value, fn));
        const values = activated.map((value, i) => value * up.values[i]);
        const bounds = activated.map((value, i) => {
          const off = bound(gate.values[i], value, backend) + underflow(backend);
          return off * Math.abs(up.values[i]) + UNIT * Math.abs(values[i]) + underflow(backend);
        });
        return { what: `${rows} x ${cols}`, held: keep(backend.gate(hold(gate), hold(up), kind)), values, bounds };
      });
      await assertHeld(backend, expected);
    };
    claim(`is ${kind}(gate) * up for usual values`, check((random) => 12 * NORMAL(random)));
    claim(`is ${kind}(gate) * up far out, and never NaN`, check(far));
  }
});
