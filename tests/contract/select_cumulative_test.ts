/** Claims about `selectCumulative`, Wanda's variant: the published bisection, stated with a sort and prefix sums. */
import { assertMasks, contract, type ExpectedMask, hold } from "./contract.ts";
import { type Draw, draw, matrix, NORMAL, SPREAD, STEPS } from "./matrices.ts";
import { cumulative } from "./selection.ts";

const shapes = (
  long: number,
) => [[1, 1], [1, 2], [2, 1], [1, 129], [129, 1], [3, 33], [7, 64], [33, 65], [5, long], [65, 193]];

const KINDS: Readonly<Record<string, Draw>> = {
  "normal": (random) => Math.abs(NORMAL(random)),
  "spread": (random) => Math.abs(SPREAD(random)),
  "steps": (random) => Math.abs(STEPS(random)),
  "equal": () => 0.75,
  "zeros": () => 0,
  "mostly zeros": (random) => Math.max(0, NORMAL(random)),
};

contract("selectCumulative", (claim) => {
  for (const [kind, each] of Object.entries(KINDS)) {
    claim(`is the published bisection on ${kind} scores`, async (backend, long) => {
      using scope = new DisposableStack();
      const expected = shapes(long).flatMap(([rows, cols], seed) =>
        (kind === "spread" ? [0.2, 0.5, 0.7] : [0.5]).map((sparsity): ExpectedMask => {
          const scores = draw(seed, rows, cols, "F32", each);
          const removed = cumulative(scores.values, rows, cols, sparsity);
          const held = scope.use(backend.selectCumulative(scope.use(hold(backend, scores)), sparsity));
          return { what: `${rows} x ${cols}, ${sparsity}`, held, removes: (i, j) => removed.has(i * cols + j) };
        })
      );
      await assertMasks(backend, expected);
    });
  }

  // One outlier holds nearly the whole sum: even alpha 0.8 takes all others, alpha near 0 takes all but the largest few.
  claim("ends where no alpha comes near the sparsity", async (backend) => {
    using scope = new DisposableStack();
    const scores = matrix(3, 65, "F32", Array.from({ length: 195 }, (_, at) => at % 65 === 7 ? 1e6 : 1 + at / 1000));
    const removed = cumulative(scores.values, 3, 65, 0.5);
    const held = scope.use(backend.selectCumulative(scope.use(hold(backend, scores)), 0.5));
    await assertMasks(backend, [{ what: "outlier", held, removes: (i, j) => removed.has(i * 65 + j) }]);
  });

  // Equal steps of about 0.1 all err to the same side: a plain f32 sum of thousands drifts by whole steps.
  claim("sums wider than f32", async (backend, long) => {
    using scope = new DisposableStack();
    const rows = 8, step = (at: number): number => 0.1 + Math.floor(at / long) * 0.013 + at % long * 1e-9;
    const scores = matrix(rows, long, "F32", Array.from({ length: rows * long }, (_, at) => step(at)));
    const removed = cumulative(scores.values, rows, long, 0.3);
    const held = scope.use(backend.selectCumulative(scope.use(hold(backend, scores)), 0.3));
    await assertMasks(backend, [{ what: "long rows", held, removes: (i, j) => removed.has(i * long + j) }]);
  });

  claim("does not overflow at scores of 1e30", async (backend) => {
    using scope = new DisposableStack();
    const scores = draw(3, 5, 33, "F32", (random) => 1e30 * random()), removed = cumulative(scores.values, 5, 33, 0.5);
    const held = scope.use(backend.selectCumulative(scope.use(hold(backend, scores)), 0.5));
    await assertMasks(backend, [{ what: "large", held, removes: (i, j) => removed.has(i * 33 + j) }]);
  });
});
