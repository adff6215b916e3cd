/** Claims about `setRows`: rows written where they belong, rounded as their new place asks. */
import { assertHeld, contract, type Expected } from "./contract.ts";
import { fromFloats, toFloats } from "../reference/floats.ts";
import { type Draw, draw, DTYPES, NORMAL, someRows, SPREAD } from "./matrices.ts";

/** Magnitudes that F16 has as subnormal numbers too, and the zeros that it rounds to. */
const WIDE: Draw = (random) => SPREAD(random) * 2 ** -(random() * 16);

contract("setRows", (claim) => {
  claim(
    "writes every row in its own place, to the nearest number, and leaves the others",
    async ({ backend, hold, long }) => {
      const expected: Expected[] = [];
      for (const dtype of DTYPES) {
        const shapes = [[1, 1, 2], [3, 7, 6], [65, 129, 34], [193, 193, 12], [2, 3, 2 * Math.floor(long / 2)], [
          9,
          11,
          66,
        ]];
        for (const [seed, [count, all, cols]] of shapes.entries()) {
          const out = draw(seed, all, cols, dtype, NORMAL), x = draw(seed + 50, count, cols, "F32", WIDE);
          const held = hold(out), rows = someRows(seed, count, all), values = out.values.slice();
          backend.setRows(held, hold(x), rows);
          const rounded = toFloats(fromFloats(Float32Array.from(x.values), dtype), dtype);
          rows.forEach((row, i) => values.set(rounded.subarray(i * cols, (i + 1) * cols), row * cols));
          expected.push({ what: `${count} of ${all} rows of ${cols} ${dtype}`, held, values });
        }
      }
      await assertHeld(backend, expected);
    },
  );

  claim("undoes what was gathered, in rows of an odd width as well", async ({ backend, hold, keep }) => {
    const table = draw(1, 37, 9, "F32", NORMAL), held = hold(table), rows = someRows(2, 20, 37);
    const gathered = keep(backend.allocate(20, 9)), copy = keep(backend.allocate(37, 9));
    backend.embed(gathered, rows, held, 0);
    backend.setRows(copy, gathered, rows);
    const values = table.values.map((value, at) => rows.includes(Math.floor(at / 9)) ? value : 0);
    await assertHeld(backend, [{ what: "set rows are the gathered ones", held: copy, values }]);
  });
});
