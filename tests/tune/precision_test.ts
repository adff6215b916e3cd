/**
 * All weights of other families in BF16: experts, whose gradients come and go within a block, and linears that are stored
 * transposed. What is rounded at random is the same whoever computes it and whatever is kept on the way.
 */
import { assertEquals, assertLess } from "@std/assert";
import { openBackend } from "../../src/backend/open.ts";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { readSpec } from "../../src/model/read.ts";
import { rectangle } from "../../src/text/batch.ts";
import { WholeModel } from "../../src/tune/full.ts";
import { tune } from "../../src/tune/tune.ts";
import { FIXTURES } from "../checkpoint/folders.ts";

const LENGTH = 16;
const windows = (step: number) =>
  rectangle(Uint32Array.from({ length: 4 * LENGTH }, (_, at) => (at * 31 + step * 17) % 61), LENGTH);

/** Trains a few steps. */
async function trained(model: string, workers: number, records: number) {
  await using checkpoint = await openCheckpoint(`${FIXTURES}/${model}`);
  await using backend = await openBackend("wasm", { workers });
  const spec = readSpec(checkpoint), before = backend.live;
  const found = await (async () => {
    using trainee = await WholeModel.open(backend, checkpoint, spec, () => undefined, { dtype: "BF16", seed: 3 });
    const { evaluations } = await tune({
      ...{ backend, spec, trainee, windowsOf: windows, heldOut: windows(9), records, microBatch: 2, evalEvery: 10 },
      schedule: { peak: 1e-2, warmup: 1, steps: 4, decay: "linear" },
      optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0, clip: 1 },
    });
    const dtypes = new Set(trainee.parameters.filter(({ rows }) => rows > 1).map(({ dtype }) => dtype));
    const numbers = trainee.parameters.map(({ weight, first, second }) => [weight, first, second]);
    return { losses: evaluations.map(({ loss }) => loss), dtypes: [...dtypes], numbers };
  })();
  assertEquals(backend.live, before, "live tensors");
  return found;
}

for (const model of ["tiny-mixtral", "tiny-gpt2"]) {
  Deno.test(`${model} in BF16: the same numbers with one worker and two, with records and without`, async () => {
    const one = await trained(model, 1, 0), two = await trained(model, 2, 2 ** 29);
    assertEquals(one.dtypes, ["BF16"]);
    assertLess(one.losses[1], one.losses[0]);
    assertEquals(one, two);
  });
}
