/** Perplexity against a direct computation from logits. */
import { assertEquals, assertLess } from "@std/assert";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { evaluate } from "../../src/stream/evaluate.ts";
import { logits } from "../../src/stream/logits.ts";
import { rectangle } from "../../src/text/batch.ts";
import { temporary } from "../checkpoint/folders.ts";
import { ReferenceBackend } from "../reference/backend.ts";
import { overlay, watch } from "./checkpoints.ts";
import { pruned } from "./pruned.ts";
import { randomTokens, writeRandomModel } from "./random_model.ts";

/** Of the tiny models. */
const VOCABULARY = 128;
/** A cross entropy's state and the logits are f32: a few roundings of 2^-24 of logits below 20. */
const TOLERANCE = 1e-5;

/** Mean loss of every window from all logits: log-sum-exp and means in f64. */
function directLosses(all: Float32Array, { ids, sequences, length }: ReturnType<typeof randomTokens>): number[] {
  const vocabulary = all.length / ids.length;
  return Array.from({ length: sequences }, (_, window) => {
    let sum = 0;
    for (let t = window * length; t < (window + 1) * length - 1; t++) {
      const row = all.subarray(t * vocabulary, (t + 1) * vocabulary);
      sum += Math.log(row.reduce((total, logit) => total + Math.exp(logit), 0)) - row[ids[t + 1]];
    }
    return sum / (length - 1);
  });
}

for (
  const [family, sequences, length] of [
    ["llama3", 70, 16],
    ["qwen2", 3, 2],
    ["qwen3", 1, 2],
    ["qwen2", 2, 128],
  ] as const
) {
  Deno.test(`tiny-${family}: the perplexity of ${sequences} windows of ${length} tokens is that of its logits`, async () => {
    await using watched = await watch(`tiny-${family}`);
    const { checkpoint } = watched,
      backend = new ReferenceBackend(),
      windows = randomTokens(sequences, length, VOCABULARY);
    const { perplexity, losses } = await evaluate(windows, { checkpoint, backend });
    const direct = directLosses(await logits(windows, { checkpoint, backend }), windows);
    assertEquals(losses.length, sequences);
    for (const [i, loss] of losses.entries()) assertLess(Math.abs(loss - direct[i]), TOLERANCE);
    assertLess(Math.abs(perplexity / Math.exp(direct.reduce((a, b) => a + b) / sequences) - 1), TOLERANCE);
    assertEquals(backend.live, 0);
  });
}

/** Two windows in two batches; it notes what is put on it. */
class Watched extends ReferenceBackend {
  override readonly limits = { ...new ReferenceBackend().limits, batchTokens: 2 };
  readonly uploads: string[] = [];

  override upload(...[bytes, rows, cols, dtype]: Parameters<ReferenceBackend["upload"]>) {
    this.uploads.push(`${dtype} ${rows} x ${cols}`);
    return super.upload(bytes, rows, cols, dtype);
  }
}

Deno.test("a head in several slices gives the perplexity of all logits, and reads spooled states and itself once", async () => {
  using folder = temporary();
  // 18 MB of head; a slice has at most 16 MiB.
  const vocabulary = 140_000, size = { blocks: 1, hidden: 64, intermediate: 32, heads: 2, kvHeads: 1, vocabulary };
  await writeRandomModel(`${folder.path}/model`, size);
  await using checkpoint = await openDirectory(`${folder.path}/model`);
  const backend = new Watched(), options = { checkpoint, backend, spool: { always: true } };
  const windows = randomTokens(2, 2, vocabulary), { losses } = await evaluate(windows, options);
  const count = (what: string) => backend.uploads.filter((upload) => upload === what).length;
  assertEquals(count("F32 2 x 64"), 2 * 2, "each batch once for the block, once for the head");
  const slices = [131_072, vocabulary - 131_072].map((rows) => `F16 ${rows} x 64`);
  assertEquals(slices.map(count), [1, 1], "each slice of the head once for all batches");
  const direct = directLosses(await logits(windows, options), windows);
  for (const [i, loss] of losses.entries()) assertLess(Math.abs(loss - direct[i]), TOLERANCE);
});

Deno.test("windows are on their own: each has the loss that it has alone", async () => {
  await using watched = await watch("tiny-llama3");
  const options = { checkpoint: watched.checkpoint, backend: new ReferenceBackend() },
    windows = randomTokens(5, 9, 128);
  const { losses } = await evaluate(windows, options);
  for (const [i, loss] of losses.entries()) {
    const alone = rectangle(windows.ids.slice(9 * i, 9 * i + 9), 9);
    assertEquals((await evaluate(alone, options)).losses, [loss]);
  }
});

Deno.test("the last token of a window is predicted, and predicts nothing", async () => {
  await using watched = await watch("tiny-llama3");
  const options = { checkpoint: watched.checkpoint, backend: new ReferenceBackend() };
  const perplexity = async (...ids: number[]) =>
    (await evaluate(rectangle(new Uint32Array(ids), ids.length), options)).perplexity;
  const all = await logits(rectangle(new Uint32Array([7, 9]), 2), options);
  const share = (id: number) =>
    Math.exp(all[id]) / all.subarray(0, 128).reduce((sum, logit) => sum + Math.exp(logit), 0);
  for (const id of [0, 9, 127]) assertLess(Math.abs(await perplexity(7, id) * share(id) - 1), TOLERANCE);
});

Deno.test("spooled hidden states give the same perplexity to the last bit", async () => {
  await using watched = await watch("tiny-qwen3");
  const options = { checkpoint: watched.checkpoint, backend: new ReferenceBackend() },
    windows = randomTokens(18, 16, 128);
  assertEquals(await evaluate(windows, { ...options, spool: { always: true } }), await evaluate(windows, options));
});

Deno.test("sparsity is the share of zeros among the linears' weights", async () => {
  await using watched = await watch("tiny-llama3");
  const { checkpoint } = watched, backend = new ReferenceBackend(), windows = randomTokens(1, 2, 128);
  assertEquals((await evaluate(windows, { checkpoint, backend })).sparsity, 0);
  const half = await pruned(checkpoint, backend, { name: "magnitude", ask: { pattern: { n: 2, m: 4 } } });
  assertEquals((await evaluate(windows, { checkpoint: overlay(checkpoint, half.weights), backend })).sparsity, 0.5);
  const one = await pruned(checkpoint, backend, {
    name: "magnitude",
    ask: { pattern: { n: 1, m: 2 } },
    leave: { include: ["layers.1.mlp.up_proj"] },
  });
  const weights = 3 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 80 * 64);
  const { sparsity } = await evaluate(windows, { checkpoint: overlay(checkpoint, one.weights), backend });
  assertEquals(sparsity, 80 * 64 / 2 / weights);
});
