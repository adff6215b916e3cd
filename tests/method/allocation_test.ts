/** The sparsities of blocks by every allocation: by hand, by their laws, and as an independent program gives them. */
import { assertAlmostEquals, assertEquals, assertLessOrEqual } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import { ALLOCATIONS, owl, OWL_SPREAD } from "../../src/method/mod.ts";
import { readResults } from "../golden/methods.ts";

Deno.test("densities lie between their ends as the ratios do, and their mean is what was asked", () => {
  // 0, 0.5 and 1 of the range, times 0.16, are 0, 0.08 and 0.16: their mean is 0.08.
  owl.share([1, 2, 3], 0.7).forEach((sparsity, i) => assertAlmostEquals(sparsity, [0.78, 0.7, 0.62][i], 1e-12));
  // 0, 0.16, 0.16: their mean is 0.32 / 3.
  owl.share([5, 9, 9], 0.5).forEach((sparsity, i) =>
    assertAlmostEquals(sparsity, 0.5 + 0.32 / 3 - [0, 0.16, 0.16][i], 1e-12)
  );
});

Deno.test("equal ratios everywhere are a uniform sparsity", () => {
  for (const ratios of [[3], [2, 2, 2, 2], [0, 0]]) assertEquals(owl.share(ratios, 0.6), ratios.map(() => 0.6));
});

Deno.test("more outliers never mean more sparsity, the mean is kept, and no block is farther off than twice the spread", () => {
  fc.assert(fc.property(
    fc.array(fc.double({ min: 0, max: 30, noNaN: true }), { minLength: 1, maxLength: 40 }),
    fc.double({ min: 0.2, max: 0.8, noNaN: true }),
    (ratios, sparsity) => {
      const found = owl.share(ratios, sparsity);
      assertAlmostEquals(found.reduce((a, b) => a + b) / found.length, sparsity, 1e-12);
      for (const share of found) assertLessOrEqual(Math.abs(share - sparsity), 2 * OWL_SPREAD + 1e-12);
      for (const [i, a] of ratios.entries()) {
        for (const [j, b] of ratios.entries()) if (a > b) assertLessOrEqual(found[i], found[j]);
      }
    },
  ));
});

Deno.test("what would be below 0 or no share any more stays a share", () => {
  assertEquals(owl.share([0, 1], 0.01)[1], 0);
  assertLessOrEqual(owl.share([0, 1], 0.99)[0], 1 - Number.EPSILON);
});

// The statistics are stored rounded to what was measured; the formulas are the same operations in f64, in another order.
Deno.test("on the golden statistics every allocation gives the golden sparsities", () => {
  const { allocation } = readResults(new URL("../golden/Austen-700K/methods", import.meta.url).pathname);
  const known = { outliers: allocation.outliers_per_cent, median: allocation.median };
  for (const [sparsity, golden] of Object.entries(allocation.sparsities)) {
    for (const { name, statistic, share } of ALLOCATIONS.values()) {
      const found = share(statistic ? known[statistic] : known.median.map((_, block) => block), Number(sparsity));
      // A step of 0.02 over six blocks is the spread of 0.1.
      const want = golden[name === "atp" ? "atp 0.02" : name];
      found.forEach((value, block) => assertAlmostEquals(value, want[block], 1e-12, `${name}, ${sparsity}, ${block}`));
    }
  }
});
