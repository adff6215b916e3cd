/** Claims about `add` and `swiglu`. */
import { assertHeld, contract, type Expected, type Stage } from "./contract.ts";
import { DIVISION, exponential, SMALLEST_NORMAL, underflow, UNIT } from "./bounds.ts";
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

contract("swiglu", (claim) => {
  // silu(g) = g / (1 + e), e = exp(-g): the error of e counts by its share e / (1 + e) of the denominator, then a sum,
  // a division (or a reciprocal and a product) and the product with `up`. Where 1 / (1 + e) leaves the normal numbers
  // (g < -87) it may come out as zero: that much of |gate * up| may be lost.
  const check = (draws: Draw) => async ({ backend, hold, keep, long }: Stage): Promise<void> => {
    const expected = shapes(long).map(([rows, cols], seed): Expected => {
      const gate = draw(seed, rows, cols, "F32", draws), up = draw(seed + 50, rows, cols, "F32", NORMAL);
      const values = gate.values.map((g, i) => g / (1 + Math.exp(-g)) * up.values[i]);
      const bounds = values.map((value, i) => {
        const g = gate.values[i], share = 1 / (1 + Math.exp(g));
        const relative = share * exponential(Math.min(Math.abs(g), EXP_ENDS)) + DIVISION + 3 * UNIT;
        return relative * Math.abs(value) + SMALLEST_NORMAL * Math.abs(g * up.values[i]) + underflow(backend);
      });
      const held = keep(backend.swiglu(hold(gate), hold(up)));
      return { what: `${rows} x ${cols}`, held, values, bounds };
    });
    await assertHeld(backend, expected);
  };
  claim("is silu(gate) * up for usual values", check((random) => 12 * NORMAL(random)));
  claim("is silu(gate) * up for small values", check((random) => 2 ** -20 * SPREAD(random)));
  claim(
    "tends to up * gate and to zero far out, and is never NaN",
    check((random) => {
      const far = [0, -0, 20, 80, 88, 89, 104, 1000, 1e30];
      return (random() < 0.5 ? -1 : 1) * far[Math.floor(random() * far.length)];
    }),
  );
});
