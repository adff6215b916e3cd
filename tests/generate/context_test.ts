/**
 * Reading with a cache is reading anew: what a model says behind every token is what a forward pass of the whole sequence
 * says, whatever its family makes of positions.
 */
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import type { Backend } from "../../src/backend/backend.ts";
import { openWasm } from "../../src/backend/wasm/mod.ts";
import { openDirectory } from "../../src/checkpoint/directory.ts";
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

/** Runs on a model that is on a backend, and counts what stays there. */
async function on(
  model: string,
  backend: Backend,
  use: (model: ResidentModel, backend: Backend) => Promise<void>,
): Promise<void> {
  {
    await using checkpoint = await openDirectory(`${MODELS}/${model}`);
    using resident = await ResidentModel.open({ checkpoint, backend });
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
