/** Claims about `slice`: columns out of every run of columns. */
import { assertHeld, contract, type Expected } from "./contract.ts";
import { draw, edge } from "./matrices.ts";

contract("slice", (claim) => {
  claim(
    "takes the same columns of every run, one run after the other, exactly",
    async ({ backend, hold, keep, long }) => {
      const shapes = [[1, 1, 1, 0, 1], [3, 2, 7, 2, 5], [65, 9, 12, 0, 4], [33, 3, 48, 31, 17], [
        2,
        1,
        long,
        3,
        long - 5,
      ]];
      const expected = shapes.map(([rows, runs, period, first, width], seed): Expected => {
        const x = draw(seed, rows, runs * period, "F32", edge("F32"));
        const held = keep(backend.slice(hold(x), first, width, period));
        const values = x.values.filter((_, at) => at % period >= first && at % period < first + width);
        return { what: `${first} to ${first + width} of ${runs} x ${period}`, held, values };
      });
      await assertHeld(backend, expected);
    },
  );

  claim(
    "parts a fused projection into q, k and v, by head and one after the other",
    async ({ backend, hold, keep }) => {
      const x = draw(7, 13, 3 * 2 * 5, "F32", (random) => random());
      const part = (first: number, width: number, period: number): Expected => {
        const values = x.values.filter((_, at) => at % period >= first && at % period < first + width);
        return { what: `${first} of ${period}`, held: keep(backend.slice(hold(x), first, width, period)), values };
      };
      await assertHeld(backend, [...[0, 5, 10].map((j) => part(j, 5, 15)), ...[0, 10, 20].map((j) => part(j, 10, 30))]);
    },
  );
});
