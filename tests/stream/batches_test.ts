/** How sequences are cut into batches, and how far a queue may run ahead. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import { batches, Pace } from "../../src/stream/batches.ts";
import { countSequences, lengthsOf, rectangle } from "../../src/text/batch.ts";

/** Tokens of a batch. */
const MOST = 1024;

const sizes = fc.tuple(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 3000 }));

Deno.test("batches hold every sequence once, whole and in order", () => {
  fc.assert(
    fc.property(sizes, ([sequences, length]) => {
      const ids = Uint32Array.from({ length: sequences * length }, (_, i) => i),
        parts = batches(rectangle(ids, length), MOST);
      let next = 0;
      for (const part of parts) {
        assert(lengthsOf(part).every((own) => own === length));
        assertEquals(part.ids.length, countSequences(part) * length);
        assert(countSequences(part) > 0 && part.ids.every((id) => id === next++));
      }
      assertEquals(next, ids.length);
    }),
    { numRuns: 50 },
  );
});

Deno.test("a batch has no more tokens than it should, unless one sequence alone has", () => {
  fc.assert(fc.property(sizes, ([sequences, length]) => {
    for (const part of batches(rectangle(new Uint32Array(sequences * length), length), MOST)) {
      assert(part.ids.length <= MOST || countSequences(part) === 1);
    }
  }));
});

Deno.test("sequences of unequal lengths stay whole and in order, and a batch is as full as it can be", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 1500 }), { minLength: 1, maxLength: 40 }), (lengths) => {
    const offsets = Uint32Array.from([0, ...lengths.map((_, i) => lengths.slice(0, i + 1).reduce((a, b) => a + b))]);
    const ids = Uint32Array.from({ length: offsets.at(-1)! }, (_, i) => i), parts = batches({ ids, offsets }, MOST);
    assertEquals(parts.flatMap((part) => [...part.ids]), [...ids]);
    assertEquals(parts.flatMap(lengthsOf), lengths);
    for (const [i, part] of parts.entries()) {
      assertEquals([part.offsets[0], part.offsets.at(-1)], [0, part.ids.length]);
      assert(part.ids.length <= MOST || countSequences(part) === 1);
      if (parts[i + 1]) assert(part.ids.length + lengthsOf(parts[i + 1])[0] > MOST);
    }
  }));
});

Deno.test("the first sequences fall into the same batches however many follow", () => {
  fc.assert(fc.property(sizes, fc.nat({ max: 50 }), ([sequences, length], more) => {
    const cut = (sequences: number) =>
      batches(rectangle(new Uint32Array(sequences * length), length), MOST).map(countSequences);
    const few = cut(sequences), many = cut(sequences + more);
    assertEquals(many.slice(0, few.length - 1), few.slice(0, -1));
  }));
});

Deno.test("a step waits for the step before it, not for its own", async () => {
  const open: (() => void)[] = [];
  let passed = 0;
  const pace = new Pace(() => new Promise<void>((resolve) => open.push(resolve)));
  const steps = (async () => {
    for (let i = 0; i < 3; i++, passed++) await pace.step();
  })();
  const settle = () => new Promise((resolve) => setTimeout(resolve));
  await settle();
  assertEquals([passed, open.length], [1, 2]);
  open[0]();
  await settle();
  assertEquals([passed, open.length], [2, 3]);
  open[1]();
  await steps;
});

Deno.test("a step reports the failure of the fence before it, and the abort", async () => {
  const failing = new Pace(() => Promise.reject(new Error("device lost")));
  await failing.step();
  await assertRejects(() => failing.step(), Error, "device lost");
  const stop = new AbortController(), stopped = new Pace(() => Promise.resolve(), stop.signal);
  await stopped.step();
  stop.abort(new Error("enough"));
  await assertRejects(() => stopped.step(), Error, "enough");
});
