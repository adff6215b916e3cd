/** Claims about `score`: the formulas of algorithms.md, to the bit, since every mask bit hangs on them. */
import type { Formula } from "../../src/backend/backend.ts";
import { assertHeld, contract, type Expected } from "./contract.ts";
import { SMALLEST_NORMAL, underflow } from "./bounds.ts";
import { draw, DTYPES, edge, matrix, NORMAL, SPREAD, STEPS } from "./matrices.ts";

const shapes = (long: number) => [[1, 1], [1, 129], [129, 1], [3, 5], [33, 31], [65, 193], [2, long]];

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

  claim(
    "activation is |w| * sqrt(statistic), rounded after the root and after the product",
    async ({ backend, hold, keep, long }) => {
      const expected = DTYPES.flatMap((dtype) =>
        [NORMAL, STEPS].flatMap((each) =>
          shapes(long).map(([rows, cols], seed): Expected => {
            const weight = draw(seed, rows, cols, dtype, each);
            const statistic = draw(seed + 50, 1, cols, "F32", (random) => SPREAD(random) ** 2);
            const formula: Formula = { kind: "activation", statistic: hold(statistic) };
            const held = keep(backend.score(hold(weight), formula));
            const roots = statistic.values.map((value) => Math.fround(Math.sqrt(value)));
            const values = weight.values.map((w, at) => Math.fround(Math.abs(w) * roots[at % cols]));
            return { what: `${rows} x ${cols} ${dtype}`, held, values };
          })
        )
      );
      await assertHeld(backend, expected);
    },
  );

  claim(
    "activation holds at the edges: zeros, 1e30, subnormal weights (which WebGPU may flush in F32 and BF16)",
    async ({ backend, hold, keep }) => {
      const expected = DTYPES.map((dtype): Expected => {
        const finite = (random: () => number): number => Math.max(-1e30, Math.min(1e30, edge(dtype)(random)));
        const weight = draw(1, 31, 33, dtype, finite);
        const statistic = matrix(1, 33, "F32", Array.from({ length: 33 }, (_, j) => [0, 1, 1e10, 1e-10, 4][j % 5]));
        const formula: Formula = { kind: "activation", statistic: hold(statistic) };
        const held = keep(backend.score(hold(weight), formula));
        const roots = statistic.values.map((value) => Math.fround(Math.sqrt(value)));
        const values = weight.values.map((w, at) => Math.fround(Math.abs(w) * roots[at % 33]));
        const bounds = values.map((value, at) => {
          const flushed = Math.abs(weight.values[at]) < SMALLEST_NORMAL ? SMALLEST_NORMAL * roots[at % 33] : 0;
          return backend.name === "webgpu" ? Math.max(flushed, value < SMALLEST_NORMAL ? underflow(backend) : 0) : 0;
        });
        return { what: dtype, held, values, bounds };
      });
      await assertHeld(backend, expected);
    },
  );
});
