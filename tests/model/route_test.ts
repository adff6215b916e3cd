/** Which tokens go to which experts, and how much each counts. */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { route } from "../../src/model/route.ts";
import type { Mlp } from "../../src/model/spec.ts";
import { fc } from "../fuzz/seed.ts";

const experts = (count: number) => new Array<Mlp>(count).fill(undefined as unknown as Mlp);

Deno.test("a token goes to the experts of its largest logits, ties to the lower, by the softmax of all or of the chosen", () => {
  const logits = new Float32Array([1, 3, 2, 0, /* second token */ 5, 5, 5, 5]);
  const softmax = (row: number[], at: number) => Math.exp(row[at]) / row.reduce((sum, x) => sum + Math.exp(x), 0);
  const all = route(logits, { experts: experts(4), chosen: 2, normalized: false });
  assertEquals(all.map(({ tokens }) => [...tokens]), [[1], [0, 1], [0], []]);
  assertAlmostEquals(all[1].weights[0], softmax([1, 3, 2, 0], 1), 1e-7);
  assertAlmostEquals(all[2].weights[0], softmax([1, 3, 2, 0], 2), 1e-7);
  assertAlmostEquals(all[0].weights[0], 0.25, 1e-7);
  const own = route(logits, { experts: experts(4), chosen: 2, normalized: true });
  assertAlmostEquals(own[1].weights[0], softmax([3, 2], 0), 1e-7);
  assertAlmostEquals(own[0].weights[0], 0.5, 1e-7);
});

Deno.test("every token has as many experts as asked, and normalized weights sum to 1", () => {
  const cases = fc.integer({ min: 1, max: 6 }).chain((count) =>
    fc.record({
      count: fc.constant(count),
      chosen: fc.integer({ min: 1, max: count }),
      logits: fc.array(
        fc.array(fc.double({ min: -60, max: 60, noNaN: true }), { minLength: count, maxLength: count }),
        {
          minLength: 1,
          maxLength: 5,
        },
      ),
    })
  );
  fc.assert(fc.property(cases, ({ count, chosen, logits }) => {
    const routes = route(new Float32Array(logits.flat()), { experts: experts(count), chosen, normalized: true });
    for (let token = 0; token < logits.length; token++) {
      const weights = routes.flatMap(({ tokens, weights }) => {
        const at = tokens.indexOf(token);
        return at < 0 ? [] : [weights[at]];
      });
      assertEquals(weights.length, chosen);
      // As many roundings to f32 as there are weights.
      assertAlmostEquals(weights.reduce((a, b) => a + b), 1, chosen * 2 ** -24);
    }
  }));
});
