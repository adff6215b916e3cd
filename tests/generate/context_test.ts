/**
 * Reading with a cache is reading anew: what a model says behind every token is what a forward pass of the whole sequence
 * says, whatever its family makes of positions.
 */
import { assert, assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import type { Backend } from "../../src/backend/backend.ts";
import { openWasm } from "../../src/backend/wasm/mod.ts";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { PareError } from "../../src/errors.ts";
import { Context } from "../../src/generate/context.ts";
import { ResidentModel } from "../../src/generate/resident.ts";
import { logits } from "../../src/stream/logits.ts";
import { rectangle } from "../../src/text/batch.ts";
import { generator } from "../contract/matrices.ts";
import { largestDifference } from "../golden/suite.ts";
import { MODELS } from "../stream/checkpoints.ts";

/** How nearly a step agrees with a whole pass, of the largest logit: sums of f32 in two orders. */
const TOLERANCE = 1e-5;

/** Ids of a vocabulary, the same for the same seed. */
function someIds(seed: number, count: number, vocabulary: number): number[] {
  const random = generator(seed);
  return Array.from({ length: count }, () => Math.floor(random() * vocabulary));
}

/** What a whole pass says behind the last of some ids. */
async function anew(ids: readonly number[], model: string, backend: Backend): Promise<Float32Array> {
  await using checkpoint = await openDirectory(`${MODELS}/${model}`);
  const all = await logits(rectangle(Uint32Array.from(ids), ids.length), { checkpoint, backend });
  return all.subarray(-all.length / ids.length);
}

/** A backend that takes so few tokens at once. */
function withBatches(backend: Backend, batchTokens: number): Backend {
  return Object.create(backend, { limits: { value: { ...backend.limits, batchTokens } } });
}

/** Runs on a model that is on a backend, and counts what stays there. */
async function on(
  model: string,
  backend: Backend,
  use: (model: ResidentModel, backend: Backend) => Promise<void>,
  batchTokens = backend.limits.batchTokens,
): Promise<void> {
  {
    await using checkpoint = await openDirectory(`${MODELS}/${model}`);
    using resident = await ResidentModel.open({ checkpoint, backend: withBatches(backend, batchTokens) });
    await use(resident, backend);
  }
  assertEquals(backend.live, 0);
}

const all = [...Deno.readDirSync(MODELS)].map(({ name }) => name).sort();

for (const name of all) {
  Deno.test(`${name}: two sequences that grow token by token, and one that ends, are read as if each were new`, async () => {
    await using backend = await openWasm({ workers: 2 });
    await on(name, backend, async (model) => {
      const { maxLength, vocabulary } = model.spec, longest = Math.min(64, maxLength);
      const first = someIds(1, longest, vocabulary), second = someIds(2, longest - 9, vocabulary);
      using context = new Context(model, { sequences: 2, length: longest });
      const same = async (found: Float32Array, ids: readonly number[]) =>
        assertLessOrEqual(largestDifference(await anew(ids, name, backend), found), TOLERANCE, `${ids.length} tokens`);
      // Where windows and stretched positions begin and end, a few steps; every token would be a pass each.
      const looks = new Set([8, 9, 17, 33, longest - 1, longest]);
      for (let length = 8; length <= longest; length++) {
        const asked = [{ sequence: 0, ids: first.slice(0, length) }];
        if (length - 5 <= second.length) asked.push({ sequence: 1, ids: second.slice(0, length - 5) });
        const found = await context.read(asked);
        assertEquals(found.length, asked.length);
        if (!looks.has(length)) continue;
        for (const [i, { ids }] of asked.entries()) await same(found[i], ids);
      }
      // What is not as it was is read again from there on.
      const other = [...first.slice(0, 11), ...someIds(3, 6, vocabulary)];
      await same((await context.read([{ sequence: 0, ids: other }]))[0], other);
    });
  });
}

Deno.test("prompts that are longer than a batch are read batch by batch, across the bounds of their sequences", async () => {
  await using opened = await openWasm({ workers: 1 });
  await on("tiny-mistral-window", opened, async (model, backend) => {
    const { vocabulary } = model.spec, reads: [number, number][] = [];
    const asked = [23, 3, 14].map((length, sequence) => ({ sequence, ids: someIds(sequence, length, vocabulary) }));
    using context = new Context(model, { sequences: 3, length: 23 });
    const found = await context.read(asked, { onRead: (tokens, of) => reads.push([tokens, of]) });
    assertEquals(reads, [[7, 40], [14, 40], [21, 40], [28, 40], [35, 40], [40, 40]]);
    for (const [i, { ids }] of asked.entries()) {
      assertLessOrEqual(largestDifference(await anew(ids, "tiny-mistral-window", backend), found[i]), TOLERANCE);
    }
    // What a batch had read when it was stopped is not read again.
    const stop = new AbortController(), longer = [{ sequence: 1, ids: someIds(1, 20, vocabulary) }];
    const onRead = () => stop.abort(new PareError("stopped"));
    await assertRejects(() => context.read(longer, { onRead, signal: stop.signal }), PareError, "stopped");
    reads.length = 0;
    const [last] = await context.read(longer, { onRead: (tokens, of) => reads.push([tokens, of]) });
    assertEquals(reads[0][1], 10);
    assertLessOrEqual(largestDifference(await anew(longer[0].ids, "tiny-mistral-window", backend), last), TOLERANCE);
  }, 7);
});

for (const dtype of ["F32", "F16"] as const) {
  Deno.test(`what was kept in ${dtype} is where it belongs when the room for it grows`, async () => {
    await using backend = await openWasm({ workers: 2 });
    await on("Austen-700K", backend, async (model) => {
      const { vocabulary } = model.spec, first = someIds(6, 300, vocabulary), second = someIds(7, 40, vocabulary);
      const read = async (...steps: number[]) => {
        using context = new Context(model, { sequences: 2, length: 512 }, dtype);
        let found: Float32Array[] = [];
        for (const length of steps) {
          const own = second.slice(0, length - 260);
          found = await context.read([
            { sequence: 0, ids: first.slice(0, length) },
            ...own.length ? [{ sequence: 1, ids: own }] : [],
          ]);
        }
        return found;
      };
      // 256 tokens have room at first; 300 that come at once have theirs from the beginning.
      const [grown, whole] = [await read(250, 270, 300), await read(300)];
      for (const [i, found] of grown.entries()) {
        assertLessOrEqual(largestDifference(whole[i], found), dtype === "F32" ? TOLERANCE : 6 * 2 ** -11);
      }
      const anewLogits = await anew(first, "Austen-700K", backend);
      assertLessOrEqual(largestDifference(anewLogits, grown[0]), dtype === "F32" ? TOLERANCE : 6 * 2 ** -11);
    });
  });
}

Deno.test("keys and values in F16 are what they are in F32, to the eleven bits that they have", async () => {
  await using backend = await openWasm({ workers: 1 });
  await on("Austen-700K", backend, async (model) => {
    const ids = someIds(4, 90, model.spec.vocabulary), found: Float32Array[] = [];
    for (const dtype of ["F32", "F16"] as const) {
      using context = new Context(model, { sequences: 1, length: 90 }, dtype);
      await context.read([{ sequence: 0, ids: ids.slice(0, 80) }]);
      found.push((await context.read([{ sequence: 0, ids }]))[0]);
    }
    const difference = largestDifference(found[0], found[1]);
    // Each of six blocks rounds its keys and values by 2^-12 at most, half a unit of eleven bits, and the next ones with them.
    assertLessOrEqual(difference, 6 * 2 ** -11);
    assert(difference > 0, "nothing was rounded");
  });
});
