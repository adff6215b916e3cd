/** Claims about `countAbove`: how many scores of a row are above a limit, the limit itself not among them. */
import { assertHeld, contract, type Expected } from "./contract.ts";
import { draw, matrix, SPREAD, STEPS } from "./matrices.ts";

contract("countAbove", (claim) => {
  claim("counts what is above the limit in every row, ties with it not", async ({ backend, hold, keep, long }) => {
    const expected = [[1, 1], [1, 129], [129, 1], [33, 65], [3, long]].flatMap(([rows, cols], seed) => {
      const scores = draw(seed, rows, cols, "F32", (random) => Math.abs((seed % 2 ? SPREAD : STEPS)(random)));
      const held = hold(scores);
      return [0, 0.25, 0.75, 1, 2 ** 12].map((limit): Expected => ({
        what: `${rows} x ${cols} above ${limit}`,
        held: keep(backend.countAbove(held, limit)),
        values: Array.from({ length: rows }, (_, i) => {
          return scores.values.subarray(i * cols, (i + 1) * cols).filter((score) => score > limit).length;
        }),
      }));
    });
    await assertHeld(backend, expected);
  });

  claim("tells neighbouring numbers apart", async ({ backend, hold, keep }) => {
    const scores = hold(matrix(1, 3, "F32", [1 - 2 ** -24, 1, 1 + 2 ** -23]));
    const above = (limit: number) => keep(backend.countAbove(scores, limit));
    await assertHeld(backend, [
      { what: "below 1", held: above(1 - 2 ** -24), values: [2] },
      { what: "1", held: above(1), values: [1] },
      { what: "above 1", held: above(1 + 2 ** -23), values: [0] },
    ]);
  });
});
