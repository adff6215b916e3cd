/** OWL's sparsities from outlier ratios, by hand and by their laws. */
import { assertAlmostEquals, assertEquals, assertLessOrEqual } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import { OWL_SPREAD, owlSparsities } from "../../src/method/mod.ts";

Deno.test("densities lie between their ends as the ratios do, and their mean is what was asked", () => {
  // 0, 0.5 and 1 of the range, times 0.16, are 0, 0.08 and 0.16: their mean is 0.08.
  owlSparsities([1, 2, 3], 0.7).forEach((sparsity, i) => assertAlmostEquals(sparsity, [0.78, 0.7, 0.62][i], 1e-12));
  // 0, 0.16, 0.16: their mean is 0.32 / 3.
  owlSparsities([5, 9, 9], 0.5).forEach((sparsity, i) =>
    assertAlmostEquals(sparsity, 0.5 + 0.32 / 3 - [0, 0.16, 0.16][i], 1e-12)
  );
});

Deno.test("equal ratios everywhere are a uniform sparsity", () => {
  for (const ratios of [[3], [2, 2, 2, 2], [0, 0]]) assertEquals(owlSparsities(ratios, 0.6), ratios.map(() => 0.6));
});

Deno.test("more outliers never mean more sparsity, the mean is kept, and no block is farther off than twice the spread", () => {
  fc.assert(fc.property(
    fc.array(fc.double({ min: 0, max: 30, noNaN: true }), { minLength: 1, maxLength: 40 }),
    fc.double({ min: 0.2, max: 0.8, noNaN: true }),
    (ratios, sparsity) => {
      const found = owlSparsities(ratios, sparsity);
      assertAlmostEquals(found.reduce((a, b) => a + b) / found.length, sparsity, 1e-12);
      for (const share of found) assertLessOrEqual(Math.abs(share - sparsity), 2 * OWL_SPREAD + 1e-12);
      for (const [i, a] of ratios.entries()) {
        for (const [j, b] of ratios.entries()) if (a > b) assertLessOrEqual(found[i], found[j]);
      }
    },
  ));
});

Deno.test("what would be below 0 or no share any more stays a share", () => {
  assertEquals(owlSparsities([0, 1], 0.01)[1], 0);
  assertLessOrEqual(owlSparsities([0, 1], 0.99)[0], 1 - Number.EPSILON);
});
