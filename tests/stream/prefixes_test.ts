/** What sequences begin with is there once: every one is still a path, and parts are no larger than they should be. */
import { assert, assertEquals } from "@std/assert";
import { batches } from "../../src/stream/batches.ts";
import { sharePrefixes as share } from "../../src/stream/prefixes.ts";
import { compareIds } from "../../src/text/continuations.ts";
import { type Batch, lengthsOf, startsOf } from "../../src/text/batch.ts";
import { fc } from "../fuzz/seed.ts";

/** Sequences in any order, as a batch; where each ends stands in the same order. */
function sharePrefixes(all: readonly Uint32Array[], most: number, longest?: number) {
  const order = [...all.keys()].sort((a, b) => compareIds(all[a], all[b]));
  const { batch, ends } = share({ count: all.length, ids: (i) => all[order[i]] }, most, longest);
  return { batch, ends: all.map((_, i) => ends[order.indexOf(i)]) };
}

/** Tokens of a batch. */
const MOST = 64;

/** The tokens of the path that ends with a sequence. */
function path({ ids, offsets, parents }: Batch, sequence: number): number[] {
  const own = [...ids.subarray(offsets[sequence], offsets[sequence + 1])], parent = parents![sequence];
  return parent < 0 ? own : [...path({ ids, offsets, parents }, parent), ...own];
}

/** Different sequences that are made of a few pieces, so that many begin alike. */
const sequences = fc.array(
  fc.array(fc.constantFrom(...[1, 9, 20].flatMap((length) => [1, 2].map((id) => Array(length).fill(id)))), {
    minLength: 1,
    maxLength: 6,
  }).map((pieces) => pieces.flat()),
  { minLength: 1, maxLength: 30 },
).map((all) => [...new Map(all.map((ids) => [ids.join(), Uint32Array.from(ids)])).values()]);

Deno.test("every sequence is a path, and no part larger than a batch or twice its longest path", () => {
  fc.assert(fc.property(sequences, (all) => {
    const { batch, ends } = sharePrefixes(all, MOST);
    assertEquals([...ends].map((end) => path(batch, end)), all.map((ids) => [...ids]));
    const parts = batches(batch, MOST);
    assertEquals(parts.flatMap(({ ids }) => [...ids]), [...batch.ids]);
    for (const part of parts) {
      const starts = startsOf(part),
        longest = lengthsOf(part).reduce((most, own, i) => Math.max(most, starts[i] + own), 0);
      assert(part.ids.length <= Math.max(MOST, 2 * longest));
      assertEquals(part.parents![0], -1);
    }
  }));
});

/** So many ids from one on. */
const run = (first: number, length: number): number[] => Array.from({ length }, (_, i) => first + i);

Deno.test("a context is there once for its continuations, and what contexts begin with once for them", () => {
  const examples = run(0, 20), contexts = [[...examples, ...run(100, 10)], [...examples, ...run(200, 12)]];
  const all = contexts.flatMap((context) =>
    [[context[0]], run(300, 3), run(400, 5)].map((end) => [...context, ...end])
  );
  const { batch } = sharePrefixes([...all, examples].map((ids) => Uint32Array.from(ids)), 1000);
  assertEquals(batch.ids.length, 20 + 10 + 1 + 3 + 5 + 12 + 1 + 3 + 5);
});

Deno.test("what is cut repeats what its parts begin with, and whole subtrees stay together", () => {
  const context = run(0, 30), ends = run(0, 4).map((i) => [...context, ...run(100 * (i + 1), 15)]);
  const { batch } = sharePrefixes(ends.map((ids) => Uint32Array.from(ids)), MOST);
  // 30 + 15 + 15 fit 64; twice the longest path is 90, and 30 + 4 * 15.
  assertEquals(batches(batch, MOST).map(({ ids }) => ids.length), [90]);
  const more = run(0, 5).map((i) => [...context, ...run(100 * (i + 1), 15)]);
  const { batch: cut } = sharePrefixes(more.map((ids) => Uint32Array.from(ids)), MOST);
  assertEquals(batches(cut, MOST).map(({ ids }) => ids.length), [90, 45]);
});

Deno.test("sequences longer than the angles of shorter ones are left alone, and short common pieces are", () => {
  const long = [[...run(0, 40), 1], [...run(0, 40), 2]].map((ids) => Uint32Array.from(ids));
  assertEquals(sharePrefixes(long, MOST, 40).batch.ids.length, 82);
  assertEquals(sharePrefixes(long, MOST, 41).batch.ids.length, 42);
  const few = [[...run(0, 7), 100], [...run(0, 7), 200]].map((ids) => Uint32Array.from(ids));
  assertEquals(sharePrefixes(few, MOST).batch.ids.length, 16);
});
