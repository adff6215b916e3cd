/** Claims about `addRows`: weighted rows added where they belong. */
import { gamma, underflow } from "./bounds.ts";
import { assertHeld, contract, type Expected } from "./contract.ts";
import { draw, INTEGERS, NORMAL, someRows } from "./matrices.ts";

contract("addRows", (claim) => {
  claim("adds every row times its weight to its own row and leaves the others", async ({ backend, hold, long }) => {
    const shapes = [[1, 1, 1], [3, 7, 5], [65, 129, 33], [193, 193, 12], [2, 3, long], [130, 401, 31]];
    const expected = shapes.map(([count, all, cols], seed): Expected => {
      const out = draw(seed, all, cols, "F32", NORMAL), x = draw(seed + 50, count, cols, "F32", NORMAL);
      const rows = someRows(seed + 1, count, all),
        weights = Float32Array.from(draw(seed, 1, count, "F32", NORMAL).values);
      const held = hold(out), values = out.values.slice(), bounds = new Float64Array(values.length);
      backend.addRows(held, hold(x), rows, weights);
      rows.forEach((row, i) => {
        for (let j = 0; j < cols; j++) {
          const at = row * cols + j, term = weights[i] * x.values[i * cols + j];
          // A product and a sum.
          bounds[at] = gamma(2) * (Math.abs(term) + Math.abs(values[at])) + underflow(backend);
          values[at] += term;
        }
      });
      return { what: `${count} of ${all} rows of ${cols}`, held, values, bounds };
    });
    await assertHeld(backend, expected);
  });

  claim("undoes what it gathered: the rows of a table, embedded, times -1", async ({ backend, hold, keep }) => {
    const table = draw(1, 37, 9, "F32", INTEGERS), held = hold(table), rows = someRows(2, 20, 37);
    const gathered = keep(backend.allocate(20, 9));
    backend.embed(gathered, rows, held, 0);
    backend.addRows(held, gathered, rows, new Float32Array(20).fill(-1));
    const values = table.values.map((value, at) => rows.includes(Math.floor(at / 9)) ? 0 : value);
    await assertHeld(backend, [{ what: "gathered rows are 0", held, values }]);
  });
});
