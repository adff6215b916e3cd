/** Claims about what a backend holds: `allocate`, `upload`, `read`, disposing. */
import { assert, assertEquals, assertGreaterOrEqual, assertThrows } from "@std/assert";
import { BYTES } from "../../src/backend/backend.ts";
import { PareError } from "../../src/errors.ts";
import { assertHeld, contract, type Expected, upload } from "./contract.ts";
import { draw, DTYPES, edge, INTEGERS, NORMAL } from "./matrices.ts";

const shapes = (long: number) => [[1, 1], [1, 2], [3, 1], [5, 7], [1, long], [129, 33]];

contract("hold", (claim) => {
  claim("allocate gives zeros, F32 unless said", async ({ backend, keep, long }) => {
    const tensors = DTYPES.flatMap((dtype) =>
      shapes(long).map(([rows, cols]) => keep(backend.allocate(rows, cols, dtype)))
    );
    const found = await backend.read(...tensors);
    tensors.forEach(({ rows, cols, dtype }, i) =>
      assertEquals(found[i], new Uint8Array(rows * cols * BYTES[dtype]), `${rows} x ${cols} ${dtype}`)
    );
    assertEquals(keep(backend.allocate(2, 3)).dtype, "F32");
  });

  claim("allocate gives zeros where another tensor was freed", async ({ backend }) => {
    for (let round = 0; round < 3; round++) {
      {
        using used = upload(backend, draw(round + 1, 33, 65, "F32", NORMAL));
        using twice = backend.add(used, used);
        assertEquals(twice.rows, 33);
      }
      using fresh = backend.allocate(33, 65);
      assertEquals((await backend.read(fresh))[0], new Uint8Array(33 * 65 * 4));
    }
  });

  claim(
    "read gives back every uploaded byte, in the order asked, with shape and dtype kept",
    async ({ backend, hold, long }) => {
      const all = DTYPES.flatMap((dtype) =>
        shapes(long).map(([rows, cols], seed) => draw(seed + 1, rows, cols, dtype, edge(dtype)))
      );
      const tensors = all.map((one) => hold(one));
      tensors.forEach(({ rows, cols, dtype }, i) =>
        assertEquals([rows, cols, dtype], [all[i].rows, all[i].cols, all[i].dtype])
      );
      const found = await backend.read(...tensors);
      all.forEach(({ rows, cols, dtype, bytes }, i) => assertEquals(found[i], bytes, `${rows} x ${cols} ${dtype}`));
    },
  );

  claim("upload takes a view at any offset, and its bytes may be reused at once", async ({ backend }) => {
    for (const dtype of DTYPES) {
      const { bytes } = draw(1, 5, 7, dtype, NORMAL), larger = new Uint8Array(bytes.length + 5);
      const view = larger.subarray(3, 3 + bytes.length);
      view.set(bytes);
      using held = backend.upload(view, 5, 7, dtype);
      larger.fill(255);
      assertEquals((await backend.read(held))[0], bytes, dtype);
    }
  });

  claim("read gives copies of the caller's own, also of one tensor twice", async ({ backend }) => {
    const x = draw(1, 3, 5, "F32", NORMAL);
    using held = upload(backend, x);
    const [one, two] = await backend.read(held, held);
    one.fill(7);
    const [three] = await backend.read(held);
    assertEquals([two, three], [x.bytes, x.bytes]);
    assertEquals([one.byteOffset, one.buffer.byteLength], [0, x.bytes.length], "a buffer of its own");
  });

  claim("read takes masks among tensors, and nothing at all", async ({ backend }) => {
    const x = draw(1, 3, 33, "F32", (random) => Math.abs(INTEGERS(random)));
    using held = upload(backend, x);
    using mask = backend.selectSmallest(held, { group: 1, sparsity: 0, rule: "count" });
    assertEquals([mask.rows, mask.cols], [3, 33]);
    assertEquals(await backend.read(mask, held, mask), [new Uint8Array(24), x.bytes, new Uint8Array(24)]);
    assertEquals(await backend.read(), []);
  });

  // Several times what a backend begins with; each is written, used and freed while the others live.
  claim("grows: eight tensors of a mebibyte, a sum of each two, all read", async ({ backend, hold, keep }) => {
    const rows = 512, cols = 512, all = Array.from({ length: 8 }, (_, i) => draw(i + 1, rows, cols, "F32", INTEGERS));
    const tensors = all.map((one) => hold(one));
    const sums = tensors.map((one, i) => keep(backend.add(one, tensors[(i + 1) % 8])));
    const expected = sums.map((held, i): Expected => {
      return { what: `sum ${i}`, held, values: all[i].values.map((value, at) => value + all[(i + 1) % 8].values[at]) };
    });
    await assertHeld(backend, expected);
  });

  claim("live counts tensors and masks, and disposing twice does nothing", async ({ backend }) => {
    const start = backend.live, x = upload(backend, draw(1, 3, 33, "F32", () => 1)), y = backend.add(x, x);
    const mask = backend.selectGroups(y, 1, 3);
    assertEquals(backend.live, start + 3);
    for (const one of [x, mask, y, x, y, mask]) one[Symbol.dispose]();
    assertEquals(backend.live, start);
    await backend.read();
    assertEquals(backend.live, start);
  });

  claim("says what it can hold, and refuses more at the call", ({ backend }) => {
    const { memoryBytes, batchTokens, spoolAbove, bindingBytes = Infinity } = backend.limits;
    assert(Number.isInteger(batchTokens) && batchTokens > 0);
    for (const bytes of [spoolAbove, memoryBytes, bindingBytes]) assertGreaterOrEqual(bytes, 4096);
    const least = Math.min(memoryBytes, bindingBytes);
    if (backend.name === "wasm") assertGreaterOrEqual(memoryBytes, 2 ** 32 - 2 ** 26);
    // More than all memory, in one row, which no binding may cut.
    if (least < Infinity) assertThrows(() => backend.allocate(1, Math.floor(least / 4) + 1), PareError);
    return Promise.resolve();
  });

  claim("says what it is and where its time went", async ({ backend }) => {
    assert(backend.description.length > 0);
    for (const [operation, seconds] of Object.entries(await backend.seconds())) {
      assertGreaterOrEqual(seconds, 0, operation);
    }
  });
});
