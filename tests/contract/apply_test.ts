/** Claims about `apply`: removed weights become positive zero in their own dtype, all other bits stay. */
import { assertSameBytes, contract } from "./contract.ts";
import { draw, DTYPES, edge, NORMAL, STEPS, UNIFORM } from "./matrices.ts";
import { smallest } from "./selection.ts";
import { BYTES } from "../../src/backend/backend.ts";

const shapes = (long: number) => [[1, 1], [1, 2], [3, 1], [1, 129], [3, 33], [5, 64], [33, 65], [65, 127], [2, long]];

contract("apply", (claim) => {
  for (const [name, each] of [["usual", () => NORMAL], ["tied", () => STEPS], ["edge", edge]] as const) {
    claim(
      `zeroes what the mask removes and keeps every other bit of ${name} weights`,
      async ({ backend, hold, keep, long }) => {
        const cases = DTYPES.flatMap((dtype) =>
          shapes(long).map(([rows, cols], seed) => {
            const weight = draw(seed, rows, cols, dtype, each(dtype)),
              scores = draw(seed + 9, rows, cols, "F32", UNIFORM);
            const selection = { group: rows, sparsity: 0.5, rule: "count" } as const;
            const held = hold(weight);
            backend.apply(held, keep(backend.selectSmallest(hold(scores), selection)));
            const bytes = weight.bytes.slice(), size = BYTES[dtype];
            for (const at of smallest(scores.values, rows, cols, selection)) bytes.fill(0, at * size, (at + 1) * size);
            return { held, bytes, what: `${rows} x ${cols} ${dtype}` };
          })
        );
        const found = await backend.read(...cases.map(({ held }) => held));
        cases.forEach(({ bytes, what }, i) => assertSameBytes(found[i], bytes, what));
      },
    );
  }

  claim("twice is the same as once", async ({ backend, hold, keep }) => {
    for (const dtype of DTYPES) {
      const weight = hold(draw(1, 31, 67, dtype, NORMAL));
      const scores = keep(backend.score(weight, { kind: "magnitude" }));
      const mask = keep(backend.selectSmallest(scores, { group: 1, sparsity: 0.6, rule: "count" }));
      backend.apply(weight, mask);
      const [once] = await backend.read(weight);
      backend.apply(weight, mask);
      const [twice] = await backend.read(weight);
      assertSameBytes(twice, once, dtype);
    }
  });

  claim("leaves zeros that the same selection finds again", async ({ backend, hold, keep }) => {
    const weight = hold(draw(2, 31, 67, "F16", NORMAL));
    const scores = keep(backend.score(weight, { kind: "magnitude" }));
    const mask = keep(backend.selectSmallest(scores, { group: 1, sparsity: 0.5, rule: "count" }));
    backend.apply(weight, mask);
    const again = keep(backend.score(weight, { kind: "magnitude" }));
    const second = keep(backend.selectSmallest(again, { group: 1, sparsity: 0.5, rule: "count" }));
    const [one, two] = await backend.read(mask, second);
    assertSameBytes(two, one, "mask");
  });
});
