/** Sequences of unequal lengths: each is on its own, whatever stands beside it. */
import { assert, assertEquals } from "@std/assert";
import { logits } from "../../src/stream/logits.ts";
import { tokenLosses } from "../../src/stream/losses.ts";
import { type Batch, rectangle } from "../../src/text/batch.ts";
import { ReferenceBackend } from "../reference/backend.ts";
import { watch } from "./checkpoints.ts";
import { randomTokens } from "./random_model.ts";

/** Longer and shorter than the tiny models' windows of 16 tokens and LongRoPE's original 32. */
const LENGTHS = [5, 1, 40, 17, 33, 2];

function ragged(vocabulary: number): Batch {
  const { ids } = randomTokens(1, LENGTHS.reduce((a, b) => a + b), vocabulary);
  return {
    ids,
    offsets: Uint32Array.from([0, ...LENGTHS.map((_, i) => LENGTHS.slice(0, i + 1).reduce((a, b) => a + b))]),
  };
}

for (const model of ["llama3", "mistral-window", "phi3-longrope", "llama-dynamic", "opt", "bloom", "qwen3-moe"]) {
  Deno.test(`tiny-${model}: a sequence has the logits that it has alone`, async () => {
    await using watched = await watch(`tiny-${model}`);
    const options = { checkpoint: watched.checkpoint, backend: new ReferenceBackend() }, batch = ragged(128);
    const together = await logits(batch, options), vocabulary = together.length / batch.ids.length;
    for (const [i, length] of LENGTHS.entries()) {
      const start = batch.offsets[i],
        alone = await logits(rectangle(batch.ids.slice(start, start + length), length), options);
      assertEquals(together.subarray(start * vocabulary, (start + length) * vocabulary), alone);
    }
    assertEquals(options.backend.live, 0);
  });
}

/** Sequences by the tokens that each adds to the one it goes on from: a root with two that go on, one of them further. */
const TREE = { lengths: [9, 12, 3, 4, 1, 6], parents: Int32Array.of(-1, 0, 0, 2, -1, 4) };

for (
  const model of ["llama3", "mistral-window", "phi3-longrope", "llama-dynamic", "opt", "bloom", "gemma2", "qwen3-moe"]
) {
  Deno.test(`tiny-${model}: a sequence that goes on from others has the logits of all in one piece`, async () => {
    await using watched = await watch(`tiny-${model}`);
    const options = { checkpoint: watched.checkpoint, backend: new ReferenceBackend() }, { lengths, parents } = TREE;
    const offsets = new Uint32Array(lengths.length + 1);
    lengths.forEach((length, i) => offsets[i + 1] = offsets[i] + length);
    const { ids } = randomTokens(1, offsets.at(-1)!, 128), together = await logits({ ids, offsets, parents }, options);
    const vocabulary = together.length / ids.length;
    const path = (i: number): number[] =>
      i < 0 ? [] : [...path(parents[i]), ...ids.subarray(offsets[i], offsets[i + 1])];
    for (const i of lengths.keys()) {
      const whole = Uint32Array.from(path(i)), alone = await logits(rectangle(whole, whole.length), options);
      assertEquals(
        together.subarray(offsets[i] * vocabulary, offsets[i + 1] * vocabulary),
        alone.subarray(alone.length - lengths[i] * vocabulary),
      );
    }
    assertEquals(options.backend.live, 0);
  });
}

Deno.test("the loss of a token is minus the logarithm of the next one's probability, and the last of a sequence has none", async () => {
  await using watched = await watch("tiny-qwen2");
  const options = { checkpoint: watched.checkpoint, backend: new ReferenceBackend() }, batch = ragged(128);
  const { losses } = await tokenLosses(batch, options), all = await logits(batch, options);
  const vocabulary = all.length / batch.ids.length,
    last = new Set([...batch.offsets.subarray(1)].map((end) => end - 1));
  for (const [t, loss] of losses.entries()) {
    if (last.has(t)) {
      assert(Number.isNaN(loss));
      continue;
    }
    const row = all.subarray(t * vocabulary, (t + 1) * vocabulary), largest = row.reduce((a, b) => Math.max(a, b));
    const expected = largest + Math.log(row.reduce((sum, x) => sum + Math.exp(x - largest), 0)) - row[batch.ids[t + 1]];
    // The state of a cross entropy is three f32.
    assert(Math.abs(loss - expected) <= 4 * 2 ** -24 * (Math.abs(largest) + Math.abs(expected) + 1), `${t}: ${loss}`);
  }
});
