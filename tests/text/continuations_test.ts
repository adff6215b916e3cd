/** Requests in one array: each comes back as it was given, and what neighbours have in common is there once. */
import { assertEquals } from "@std/assert";
import { compareIds, Continuations, type Continued } from "../../src/text/continuations.ts";
import { logLikelihoods } from "../../src/stream/likelihood.ts";
import { fc } from "../fuzz/seed.ts";
import { ReferenceBackend } from "../reference/backend.ts";
import { watch } from "../stream/checkpoints.ts";

const ids = (least: number, most: number, id = fc.nat(3)) =>
  fc.array(id, { minLength: least, maxLength: most }).map((all) => Uint32Array.from(all));

/** Contexts of a few tokens, so that neighbours often have the same one. */
const asked = (id?: fc.Arbitrary<number>): fc.Arbitrary<Continued[]> =>
  fc.array(fc.record({ context: ids(1, 3, id), continuation: ids(1, 4, id) }), { minLength: 1, maxLength: 700 });
const requests = asked();

/** Of a large vocabulary: most ids fit two bytes, and now and then one needs four. */
const wide = asked(fc.oneof({ weight: 100, arbitrary: fc.nat(3) }, fc.constantFrom(65_535, 65_536, 2 ** 32 - 1)));

Deno.test("requests come back as they were given, however many, and wherever room was given back", () => {
  fc.assert(fc.property(fc.oneof(requests, wide), fc.nat(700), (all, fitted) => {
    const packed = new Continuations();
    for (const [i, request] of all.entries()) {
      if (i === fitted) packed.fit();
      packed.push(request);
    }
    assertEquals(packed.length, all.length);
    for (const [i, { context, continuation }] of all.entries()) {
      const found = packed.at(i);
      assertEquals([[...found.context], [...found.continuation]], [[...context], [...continuation]]);
    }
  }));
});

Deno.test("the choices of a question have its context in one place", () => {
  const context = Uint32Array.of(1, 2, 3), packed = new Continuations();
  for (const id of [4, 5, 6]) packed.push({ context: context.slice(), continuation: Uint32Array.of(id) });
  const [first, second, third] = [0, 1, 2].map((i) => packed.at(i).context.byteOffset);
  assertEquals([second, third], [first, first]);
});

Deno.test("sequences are in the order of their first difference, and what another goes on from is before it", () => {
  fc.assert(fc.property(ids(0, 5), ids(0, 5), (a, b) => {
    // Digits: as texts they have the same order.
    const [one, other] = [a, b].map((each) => each.join("")), expected = one < other ? -1 : Number(one > other);
    assertEquals(Math.sign(compareIds(a, b)), expected);
  }));
});

Deno.test("every request is answered as it is alone, whatever it shares with others and however it is cut", async () => {
  await using watched = await watch("tiny-qwen2");
  const options = { checkpoint: watched.checkpoint, backend: new ReferenceBackend(), longest: 4 };
  const alone = new Map<string, unknown>();
  await fc.assert(
    fc.asyncProperty(fc.array(requests.map(([first]) => first), { minLength: 1, maxLength: 8 }), async (all) => {
      const { answers } = await logLikelihoods(all, options);
      for (const [i, request] of all.entries()) {
        const key = `${request.context} ${request.continuation}`;
        if (!alone.has(key)) alone.set(key, (await logLikelihoods([request], options)).answers.at(0));
        assertEquals(answers.at(i), alone.get(key));
      }
    }),
    { numRuns: 20 },
  );
});
