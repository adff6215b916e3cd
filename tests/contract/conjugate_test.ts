/** Claims about `conjugate`: a step is the formula, and steps lead to the least of a quadratic over what is kept. */
import { assert, assertEquals } from "@std/assert";
import { DIVISION, gamma } from "./bounds.ts";
import { assertHeld, contract } from "./contract.ts";
import { decades, dot, hessian, norm } from "./hessians.ts";
import { decode, draw, type Matrix, matrix, NORMAL } from "./matrices.ts";

const shapes = (long: number) => [[1, 1], [3, 7], [33, 65], [5, 128], [2, long]] as const;

/** 1 where a weight is kept, 0 where it is removed. */
const halves = (rows: number, cols: number): Matrix =>
  draw(rows * 7 + cols, rows, cols, "F32", (random) => Number(random() < 0.5));

/** The product of two matrices' numbers, one by one. */
const times = (a: Matrix, b: Matrix): Matrix =>
  matrix(a.rows, a.cols, "F32", a.values.map((value, at) => value * b.values[at]));

contract("conjugate", (claim) => {
  claim("is the step of Hestenes and Stiefel in every row, on what the mask keeps", async (stage) => {
    const { backend, hold, keep, long } = stage;
    for (const [rows, cols] of shapes(long)) {
      const kept = halves(rows, cols), mask = keep(backend.zeros(hold(kept)));
      const x = draw(1, rows, cols, "F32", NORMAL), r = times(draw(2, rows, cols, "F32", NORMAL), kept);
      const p = times(draw(3, rows, cols, "F32", NORMAL), kept);
      // A product that leans the way of p, as one with a positive matrix does, and says something where nothing is kept.
      const lean = draw(4, rows, cols, "F32", NORMAL);
      const product = matrix(rows, cols, "F32", lean.values.map((value, at) => value / 4 + 2 * p.values[at]));
      const held = { x: hold(x), r: hold(r), p: hold(p) };
      backend.conjugate(held, hold(product), mask);
      const after = { x: x.values.slice(), r: r.values.slice(), p: p.values.slice() };
      const bounds = {
        x: new Float64Array(rows * cols),
        r: new Float64Array(rows * cols),
        p: new Float64Array(rows * cols),
      };
      for (let i = 0; i < rows; i++) {
        const row = ({ values }: { values: Float64Array }) => values.subarray(i * cols, (i + 1) * cols);
        const q = row(product).map((value, j) => value * row(kept)[j]), size = (a: Float64Array) => a.map(Math.abs);
        const before = dot(row(r), row(r)), curve = dot(row(p), q), alpha = curve > 0 ? before / curve : 0;
        // Two sums of `cols` products, relative to their magnitudes, and a division.
        const spread = curve > 0 ? dot(size(row(p)), size(q)) / curve : 1;
        const alphaError = Math.abs(alpha) * (gamma(cols + 1) * (1 + spread) + DIVISION);
        const residual = row(r).map((value, j) => value - alpha * q[j]);
        const residualError = residual.map((_, j) =>
          alphaError * Math.abs(q[j]) + gamma(2) * (Math.abs(row(r)[j]) + Math.abs(alpha * q[j]))
        );
        const next = dot(residual, residual), beta = before > 0 ? next / before : 0;
        const nextError = 2 * dot(size(residual), residualError) + dot(residualError, residualError) +
          gamma(cols + 1) * next;
        const betaError = before > 0 ? nextError / before + beta * (gamma(cols + 1) + DIVISION) : 0;
        for (let j = 0; j < cols; j++) {
          const at = i * cols + j, direction = row(p)[j];
          after.x[at] += alpha * direction;
          after.r[at] = residual[j];
          after.p[at] = residual[j] + beta * direction;
          bounds.x[at] = alphaError * Math.abs(direction) +
            gamma(2) * (Math.abs(x.values[at]) + Math.abs(alpha * direction));
          bounds.r[at] = residualError[j];
          bounds.p[at] = residualError[j] + betaError * Math.abs(direction) +
            gamma(2) * (Math.abs(residual[j]) + Math.abs(beta * direction));
        }
      }
      const of = (which: "x" | "r" | "p") => ({
        what: `${which} of ${rows} x ${cols}`,
        held: held[which],
        values: after[which],
        bounds: bounds[which],
      });
      await assertHeld(backend, [of("x"), of("r"), of("p")]);
    }
  });

  claim(
    "stays where it is without a residual, or along a direction that does not rise",
    async ({ backend, hold, keep }) => {
      const zero = matrix(2, 33, "F32", new Float64Array(66)), x = draw(1, 2, 33, "F32", NORMAL);
      const mask = keep(backend.zeros(hold(draw(2, 2, 33, "F32", () => 1)))),
        down = matrix(2, 33, "F32", x.values.map((v) => -v));
      const still = { x: hold(x), r: hold(zero), p: hold(zero) }, falling = { x: hold(x), r: hold(x), p: hold(x) };
      backend.conjugate(still, hold(zero), mask);
      backend.conjugate(falling, hold(down), mask);
      const same = [still.x, falling.x, falling.r].map((held, at) => ({ what: `${at}`, held, values: x.values }));
      await assertHeld(backend, [...same, { what: "the direction", held: still.p, values: zero.values }]);
    },
  );

  // The judge is the quadratic itself: at its least over what is kept, the gradient vanishes there.
  claim("leads to the least of a quadratic over what is kept, and never goes up", async ({ backend, hold, keep }) => {
    const rows = 9,
      cols = 65,
      condition = 10,
      h = hessian(4, decades(cols, condition)),
      target = draw(5, rows, cols, "F32", NORMAL);
    const kept = halves(rows, cols), mask = keep(backend.zeros(hold(kept))), a = hold(h);
    const pull = (left: ArrayLike<number>, i: number, j: number) =>
      dot(
        Float64Array.from({ length: cols }, (_, k) => left[i * cols + k]),
        h.values.subarray(j * cols, (j + 1) * cols),
      );
    const start = times(target, kept), missing = target.values.map((value, at) => value - start.values[at]);
    const r = hold(
      matrix(rows, cols, "F32", kept.values.map((k, at) => k * pull(missing, Math.floor(at / cols), at % cols))),
    );
    const x = hold(start), p = keep(backend.copy(r));
    let last = Infinity;
    for (let step = 0; step <= 40; step++) {
      const change = decode((await backend.read(x))[0], "F32").map((value, at) => target.values[at] - value);
      const cost = change.reduce((sum, d, at) => sum + d * pull(change, Math.floor(at / cols), at % cols), 0);
      // x has the roundings of a product of `cols` terms, of two sums as long and of what they give: less than `4 cols`. A cost
      // is quadratic in it.
      assert(cost <= last * (1 + gamma(8 * cols)), `step ${step}: a cost of ${cost} after ${last}`);
      last = cost;
      if (step === 40) {
        change.forEach((_, at) => {
          if (!kept.values[at]) return assertEquals(change[at], target.values[at], "what is removed is zero");
          // The recurrence of the residual drifts from the true one by the roundings of 40 steps: x, r and p have a product and
          // a sum each, and their two factors a division each.
          const bound = gamma(40 * 8) *
            norm(target.values.subarray(Math.floor(at / cols) * cols, (Math.floor(at / cols) + 1) * cols));
          const gradient = pull(change, Math.floor(at / cols), at % cols);
          assert(Math.abs(gradient) <= bound, `${at}: expected a gradient within ${bound}, found ${gradient}`);
        });
        break;
      }
      using product = backend.linear(p, a);
      backend.conjugate({ x, r, p }, product, mask);
    }
  });
});
