/** Claims about `selectCumulative`, Wanda's variant: the published bisection, stated with a sort and prefix sums. */
import { assertMasks, contract, type ExpectedMask } from "./contract.ts";
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
    claim(`is the published bisection on ${kind} scores`, async ({ backend, hold, keep, long }) => {
      const expected = shapes(long).flatMap(([rows, cols], seed) =>
        [0.3, 0.7].map((sparsity): ExpectedMask => {
          const scores = draw(seed, rows, cols, "F32", each);
          const removed = cumulative(scores.values, rows, cols, sparsity);
          const held = keep(backend.selectCumulative(hold(scores), sparsity));
          return { what: `${rows} x ${cols}, ${sparsity}`, held, removes: (i, j) => removed.has(i * cols + j) };
        })
      );
      await assertMasks(backend, expected);
    });
  }

  // One outlier holds nearly the whole sum: even alpha 0.8 takes all others, alpha near 0 takes all but the largest few.
  claim("ends where no alpha comes near the sparsity", async ({ backend, hold, keep }) => {
    const scores = matrix(3, 65, "F32", Array.from({ length: 195 }, (_, at) => at % 65 === 7 ? 1e6 : 1 + at / 1000));
    const removed = cumulative(scores.values, 3, 65, 0.5);
    const held = keep(backend.selectCumulative(hold(scores), 0.5));
    await assertMasks(backend, [{ what: "outlier", held, removes: (i, j) => removed.has(i * 65 + j) }]);
  });

  // Equal steps, of which an f32 sum loses 0.45 units every time in its last binade: it drifts by a tenth of a step.
  // The last score sweeps the limit over a whole step from row to row, so that some rows lie that close to it. Two
  // fifths of equal steps are two fifths of the sum: the bisection ends at its first alpha, where scores differ a little.
  claim("sums wider than f32", async ({ backend, hold, keep, long }) => {
    const rows = 33, binade = 2 ** Math.floor(Math.log2(long / 10)), unit = binade * 2 ** -23;
    const step = (Math.round(0.1 / unit) + 0.45) * unit, differ = Math.floor(0.4 * long) - 50;
    const values = Array.from({ length: rows * long }, (_, at) => {
      const row = Math.floor(at / long), j = at % long;
      return j === long - 1
        ? step * (1.5 + 2.5 * row / rows)
        : step + Math.min(Math.max(0, j - differ), 100) * 2 ** -27;
    });
    const scores = matrix(rows, long, "F32", values), removed = cumulative(scores.values, rows, long, 0.4);
    const held = keep(backend.selectCumulative(hold(scores), 0.4));
    await assertMasks(backend, [{ what: "long rows", held, removes: (i, j) => removed.has(i * long + j) }]);
  });

  // PyTorch multiplies an f32 tensor by an f32 alpha: 0.4 becomes 0.4000000059604645. Row 0 has a running sum of exactly
  // that product, one unit above 0.4 times the sum. Row 1 takes a second score at every later alpha of the bisection.
  claim("takes alpha as f32", async ({ backend, hold, keep }) => {
    const limit = (total: number): number => Math.fround(Math.fround(0.4) * total);
    let total = 1001;
    while (limit(total) === Math.fround(0.4 * total) || Math.fround(total - limit(total)) + limit(total) !== total) {
      total++;
    }
    const scores = matrix(2, 3, "F32", [0, limit(total), total - limit(total), 2000, 2002, 5998]);
    const held = keep(backend.selectCumulative(hold(scores), 0.5));
    await assertMasks(backend, [{ what: `sum ${total}`, held, removes: (i, j) => j < 2 - i }]);
  });

  claim("does not overflow at scores of 1e30", async ({ backend, hold, keep }) => {
    const scores = draw(3, 5, 33, "F32", (random) => 1e30 * random()), removed = cumulative(scores.values, 5, 33, 0.5);
    const held = keep(backend.selectCumulative(hold(scores), 0.5));
    await assertMasks(backend, [{ what: "large", held, removes: (i, j) => removed.has(i * 33 + j) }]);
  });
});
