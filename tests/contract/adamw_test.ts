/** Claims about `adamw`: a step is the formula within f32's rounding, and what a mask removes is left alone. */
import { DIVISION, gamma, INVERSE_SQRT, underflow } from "./bounds.ts";
import { assertHeld, contract } from "./contract.ts";
import { draw, matrix, NORMAL } from "./matrices.ts";

const shapes = (long: number) => [[1, 1], [3, 7], [33, 65], [5, 128], [2, long]] as const;
/** What PyTorch takes unless it is told otherwise. */
const DEFAULTS = { rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0, step: 1 };

contract("adamw", (claim) => {
  claim("is the step of Loshchilov and Hutter on what the mask keeps", async ({ backend, hold, keep, long }) => {
    const cases = [
      DEFAULTS,
      { ...DEFAULTS, step: 40, decay: 0.1, scale: 0.37 },
      { ...DEFAULTS, rate: 0, step: 3 },
      { ...DEFAULTS, rate: 0.1, beta1: 0.5, beta2: 0.9, epsilon: 1e-2, step: 7 },
    ];
    for (const [rows, cols] of shapes(long)) {
      for (const [which, options] of cases.entries()) {
        const kept = draw(rows + which, rows, cols, "F32", (random) => Number(random() < 0.5));
        const mask = which % 2 ? keep(backend.zeros(hold(kept))) : undefined;
        const w = draw(1, rows, cols, "F32", NORMAL), m = draw(2, rows, cols, "F32", NORMAL);
        const g = draw(3, rows, cols, "F32", NORMAL), root = draw(4, rows, cols, "F32", NORMAL);
        const v = matrix(rows, cols, "F32", root.values.map((value) => value * value));
        const held = { weight: hold(w), first: hold(m), second: hold(v) };
        backend.adamw(held.weight, held, hold(g), { ...options, mask });
        const { rate, beta1, beta2, epsilon, decay, step } = options, scale = "scale" in options ? options.scale : 1;
        const after = [w, m, v].map(({ values }) => values.slice());
        const bounds = after.map(({ length }) => new Float64Array(length));
        for (let at = 0; at < rows * cols; at++) {
          if (mask && kept.values[at] === 0) continue;
          const gradient = scale * g.values[at], share = 1 - beta1;
          const mean = beta1 * m.values[at] + share * gradient;
          // Constants are rounded too: a difference, a product, a sum; the scaled gradient before.
          const meanError = gamma(5) *
            (Math.abs(m.values[at]) + 2 * share * (Math.abs(gradient) + Math.abs(m.values[at])));
          const square = beta2 * v.values[at] + (1 - beta2) * gradient ** 2;
          // All terms are positive: so many roundings, each of what it is relative to.
          const squareError = gamma(9);
          const below = Math.sqrt(square) / Math.sqrt(1 - beta2 ** step) + epsilon;
          // A root, which WGSL may take as 1 / inverseSqrt; half of the square's error; a quotient and a sum.
          const belowError = squareError / 2 + INVERSE_SQRT + 2 * DIVISION + gamma(4);
          const size = rate / (1 - beta1 ** step), change = size * mean / below;
          after[0][at] = (1 - rate * decay) * w.values[at] - change;
          after[1][at] = mean;
          after[2][at] = square;
          bounds[0][at] = gamma(4) * Math.abs(w.values[at]) + Math.abs(change) * (gamma(4) + DIVISION + belowError) +
            size * meanError / below * (1 + belowError) + underflow(backend);
          bounds[1][at] = meanError + underflow(backend);
          bounds[2][at] = squareError * square + 4 * underflow(backend);
        }
        const names = ["weight", "first", "second"] as const;
        await assertHeld(
          backend,
          names.map((name, at) => ({
            what: `${name} of ${rows} x ${cols}, case ${which}`,
            held: held[name],
            values: after[at],
            bounds: bounds[at],
          })),
        );
      }
    }
  });

  claim("moves nothing by a gradient of zero, and by the rate where a gradient is new", async (stage) => {
    const { backend, hold } = stage, cols = 37;
    const w = draw(1, 2, cols, "F32", NORMAL), zero = matrix(2, cols, "F32", new Float64Array(2 * cols));
    const still = { weight: hold(w), first: hold(zero), second: hold(zero) };
    backend.adamw(still.weight, still, hold(zero), DEFAULTS);
    await assertHeld(
      backend,
      ["weight", "first", "second"].map((name, at) => ({
        what: `${name} without a gradient`,
        held: still[name as keyof typeof still],
        values: at ? zero.values : w.values,
      })),
    );
    // Whatever its size: in the first step the moments are the gradient's own, and their quotient its sign.
    const g = draw(2, 2, cols, "F32", (random) => (random() < 0.5 ? -1 : 1) * 2 ** (random() * 12 - 6));
    backend.adamw(still.weight, still, hold(g), DEFAULTS);
    const values = w.values.map((value, at) => value - DEFAULTS.rate * Math.sign(g.values[at]));
    // Epsilon against the smallest gradient, and the roundings of a weight and of the quotient.
    const bounds = w.values.map((value) =>
      gamma(2) * Math.abs(value) + DEFAULTS.rate * (DEFAULTS.epsilon * 2 ** 6 + gamma(20) + INVERSE_SQRT + 3 * DIVISION)
    );
    await assertHeld(backend, [{ what: "the first step", held: still.weight, values, bounds }]);
  });
});
