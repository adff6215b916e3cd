/** Claims about `copy`: the same bytes, and from then on a tensor of its own. */
import { assertEquals } from "@std/assert";
import { assertSameBytes, contract } from "./contract.ts";
import { draw, DTYPES, edge, NORMAL } from "./matrices.ts";

contract("copy", (claim) => {
  claim("has the bytes, the shape and the dtype, edges included", async ({ backend, hold, keep, long }) => {
    const cases = DTYPES.flatMap((dtype) =>
      [[1, 1], [1, 3], [3, 1], [33, 65], [130, 127], [2, long]].map(([rows, cols], seed) => {
        const from = draw(seed, rows, cols, dtype, edge(dtype)), held = keep(backend.copy(hold(from)));
        assertEquals([held.rows, held.cols, held.dtype], [rows, cols, dtype]);
        return { from, held, what: `${rows} x ${cols} ${dtype}` };
      })
    );
    const found = await backend.read(...cases.map(({ held }) => held));
    cases.forEach(({ from, what }, i) => assertSameBytes(found[i], from.bytes, what));
  });

  claim("stays as it was when the tensor changes, and the other way round", async ({ backend, hold, keep }) => {
    for (const dtype of DTYPES) {
      const from = draw(1, 31, 67, dtype, NORMAL), first = hold(from), second = keep(backend.copy(first));
      const mask = keep(backend.selectSmallest(keep(backend.score(first, { kind: "magnitude" })), {
        group: 1,
        sparsity: 0.5,
        rule: "count",
      }));
      backend.apply(first, mask);
      const third = keep(backend.copy(first));
      const [untouched, changed] = await backend.read(second, first);
      assertSameBytes(untouched, from.bytes, `the copy, ${dtype}`);
      backend.apply(second, mask);
      const [before, after] = await backend.read(third, second);
      assertSameBytes(before, changed, `a later copy, ${dtype}`);
      assertSameBytes(after, changed, `the copy once it is changed, ${dtype}`);
    }
  });

  claim("outlives the tensor", async ({ backend, keep }) => {
    const from = draw(2, 33, 65, "F16", NORMAL);
    const first = backend.upload(from.bytes, from.rows, from.cols, from.dtype), second = keep(backend.copy(first));
    first[Symbol.dispose]();
    assertSameBytes((await backend.read(second))[0], from.bytes, "copy");
  });
});
