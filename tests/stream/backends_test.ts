/** The pass on the real backends against the same pass in plain f64, for every family: statistics, masks, perplexity. */
import { assertEquals, assertLess, assertRejects } from "@std/assert";
import type { Backend } from "../../src/backend/backend.ts";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { PareError } from "../../src/errors.ts";
import { evaluate } from "../../src/stream/evaluate.ts";
import { BACKENDS } from "../golden/backends.ts";
import { ReferenceBackend } from "../reference/backend.ts";
import { fromFloats, toFloats } from "../reference/floats.ts";
import { MODELS, overlay } from "./checkpoints.ts";
import { pruned } from "./pruned.ts";
import { randomTokens } from "./random_model.ts";

/** Single precision against f64, as the algorithms' page allows between two correct programs. */
const STATISTIC_TOLERANCE = 1e-5;
/** Likewise: 99.99 % of the mask of a model of this depth. */
const MASK_TOLERANCE = 1e-4;
/** Likewise: 0.01 % of perplexity. */
const PERPLEXITY_TOLERANCE = 1e-4;

/** Several sequences of an odd length. */
const TOKENS = randomTokens(7, 33, 128);

async function results(model: string, backend: Backend) {
  await using checkpoint = await openDirectory(`${MODELS}/${model}`);
  const statistics = new Map<string, Float32Array>();
  const { weights } = await pruned(checkpoint, backend, {
    calibration: TOKENS,
    onStatistic: (linear, statistic) => void statistics.set(linear, statistic),
  });
  const { perplexity } = await evaluate(TOKENS, { checkpoint, backend });
  assertEquals(backend.live, 0);
  // A bit for each weight: whether it stays.
  const masks = new Map(
    [...weights].map(([name, bytes]) => {
      const { dtype } = checkpoint.tensors.get(name)!;
      return [name, Uint8Array.from(toFloats(bytes, dtype), (value) => Number(value !== 0))];
    }),
  );
  return { statistics, masks, perplexity };
}

for (const { name, ignore, open } of BACKENDS) {
  for (const model of ["tiny-llama3", "tiny-mistral", "tiny-qwen2", "tiny-qwen3"]) {
    Deno.test({
      name: `${model} on ${name}: statistics, masks and perplexity are those of plain f64`,
      ignore,
      fn: async () => {
        await using backend = await open();
        const got = await results(model, backend), want = await results(model, new ReferenceBackend());
        assertLess(Math.abs(got.perplexity / want.perplexity - 1), PERPLEXITY_TOLERANCE);
        for (const [linear, statistic] of want.statistics) {
          const found = got.statistics.get(linear)!;
          const largest = statistic.reduce((most, value, j) => Math.max(most, Math.abs(found[j] / value - 1)), 0);
          assertLess(largest, STATISTIC_TOLERANCE, linear);
        }
        assertEquals([...got.masks.keys()], [...want.masks.keys()]);
        let different = 0, all = 0;
        for (const [weight, mask] of want.masks) {
          const found = got.masks.get(weight)!;
          assertEquals(found.length, mask.length);
          different += mask.reduce((count, bit, i) => count + Number(bit !== found[i]), 0);
          all += mask.length;
        }
        assertLess(different / all, MASK_TOLERANCE);
      },
    });
  }

  Deno.test({
    name: `activations that overflow on ${name} are an error that names the linear, never a mask`,
    ignore,
    fn: async () => {
      await using backend = await open();
      await using dense = await openDirectory(`${MODELS}/tiny-llama3`);
      const weight = "model.layers.1.mlp.up_proj.weight";
      const huge = toFloats((await dense.read([weight])).get(weight)!, "F32").map((value) => value * 1e30);
      const checkpoint = overlay(dense, new Map([[weight, fromFloats(huge, "F32")]]));
      const { message } = await assertRejects(() => pruned(checkpoint, backend, { calibration: TOKENS }), PareError);
      assertEquals(
        [message, backend.live],
        ["model.layers.1.mlp.down_proj: the model's activations overflow: its inputs' squares sum to NaN or Inf", 0],
      );
    },
  });
}
