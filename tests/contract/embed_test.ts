/** Claims about `embed`: rows of a table of any dtype, whole or in slices. */
import { assertHeld, contract, type Expected } from "./contract.ts";
import { draw, DTYPES, edge, generator, matrix, NORMAL } from "./matrices.ts";
import { SMALLEST_NORMAL, underflow } from "./bounds.ts";

contract("embed", (claim) => {
  claim("copies rows of every dtype exactly, also rows that straddle words", async ({ backend, hold, keep, long }) => {
    const expected: Expected[] = [];
    for (const dtype of DTYPES) {
      for (const [tokens, words, cols] of [[1, 1, 1], [5, 3, 7], [33, 129, 65], [193, 31, 64], [2, 5, long]]) {
        const table = draw(cols, words, cols, dtype, NORMAL), random = generator(tokens);
        const ids = Uint32Array.from({ length: tokens }, () => random() * words);
        const out = keep(backend.allocate(tokens, cols));
        backend.embed(out, ids, hold(table), 0);
        const values = [...ids].flatMap((id) => [...table.values.subarray(id * cols, (id + 1) * cols)]);
        expected.push({ what: `${dtype} ${words} x ${cols}, ${tokens} tokens`, held: out, values });
      }
    }
    await assertHeld(backend, expected);
  });

  claim(
    "keeps the edges of every dtype (subnormals of F32 and BF16 may be flushed on WebGPU)",
    async ({ backend, hold, keep }) => {
      const expected = DTYPES.map((dtype): Expected => {
        const table = draw(11, 9, 37, dtype, edge(dtype)), out = keep(backend.allocate(9, 37));
        backend.embed(out, Uint32Array.from({ length: 9 }, (_, t) => t), hold(table), 0);
        const bounds = table.values.map((value) => Math.abs(value) < SMALLEST_NORMAL ? underflow(backend) : 0);
        return { what: dtype, held: out, values: table.values, bounds };
      });
      await assertHeld(backend, expected);
    },
  );

  claim("takes a table in slices and leaves the rows of other slices alone", async ({ backend, hold }) => {
    const words = 23, cols = 9, table = draw(12, words, cols, "F16", NORMAL);
    const ids = Uint32Array.of(22, 0, 7, 8, 7, 15, 16, 1, 21),
      out = hold(draw(13, ids.length, cols, "F32", NORMAL));
    for (const [first, end] of [[8, 16], [0, 8], [16, 23]]) {
      const slice = matrix(end - first, cols, "F16", table.values.subarray(first * cols, end * cols));
      const held = hold(slice);
      backend.embed(out, ids, held, first);
    }
    const values = [...ids].flatMap((id) => [...table.values.subarray(id * cols, (id + 1) * cols)]);
    await assertHeld(backend, [{ what: "three slices", held: out, values }]);
  });

  claim("does not touch a row whose id the slice lacks", async ({ backend, hold }) => {
    const before = draw(14, 3, 5, "F32", NORMAL), table = draw(15, 4, 5, "BF16", NORMAL);
    const out = hold(before);
    backend.embed(out, Uint32Array.of(9, 10, 14), hold(table), 10);
    const values = [...before.values.subarray(0, 5), ...table.values.subarray(0, 5), ...before.values.subarray(10)];
    await assertHeld(backend, [{ what: "ids 9 and 14 of rows 10 to 13", held: out, values }]);
  });
});
