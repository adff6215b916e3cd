/** What a plan foretells, beside what a run of the same request then does. */
import { assertAlmostEquals, assertEquals, assertGreater, assertLess } from "@std/assert";
import { findMethod, makeRequest } from "../../src/method/mod.ts";
import { readSpec } from "../../src/model/read.ts";
import { planPrune } from "../../src/stream/plan.ts";
import { prune } from "../../src/stream/prune.ts";
import { chooseTargets, type TargetOptions } from "../../src/stream/target.ts";
import { ReferenceBackend } from "../reference/backend.ts";
import { watch, type Watched } from "./checkpoints.ts";
import { randomTokens } from "./random_model.ts";

/** A backend on which no trial is run: its linear takes no time. */
const QUICK = Object.assign(new ReferenceBackend(), {
  linear: () => ({ [Symbol.dispose]: () => {} }),
}) as unknown as ReferenceBackend;

function requested({ checkpoint }: Watched, name: string, leave: TargetOptions) {
  const method = findMethod(name), request = makeRequest(method, {}), spec = readSpec(checkpoint);
  return { method, request, spec, targets: chooseTargets(spec, request, leave) };
}

for (
  const [name, leave] of [
    ["magnitude", {}],
    ["magnitude", { blocks: "0,2" }],
    ["wanda", {}],
    ["wanda", { blocks: "1" }],
    ["wanda", { include: ["layers.1.mlp.*"] }],
  ] as const
) {
  Deno.test(`the plan of ${name} ${JSON.stringify(leave)} is what the run reads of blocks, prunes and counts`, async () => {
    await using watched = await watch("tiny-qwen2");
    const { method, request, spec, targets } = requested(watched, name, leave), { checkpoint } = watched;
    const calibration = method.statistic === "none" ? undefined : randomTokens(2, 8, 128);
    const plan = await planPrune(QUICK, checkpoint, spec, targets, { method, calibration });
    assertEquals(watched.reads, []);

    const reports = await prune({
      checkpoint,
      backend: new ReferenceBackend(),
      method,
      request,
      targets,
      calibration,
      write: () => Promise.resolve(),
    });
    const { offset, bytes } = checkpoint.tensors.get("model.embed_tokens.weight")!;
    const ofBlocks = watched.reads.filter((read) => read.offset < offset || read.offset >= offset + bytes);
    assertEquals(plan.readBytes, ofBlocks.reduce((sum, { length }) => sum + length, 0));
    assertEquals(plan.linears, reports.length);
    assertEquals(plan.weights, reports.reduce((sum, { rows, cols }) => sum + rows * cols, 0));
    assertEquals(plan.hiddenBytes, calibration ? 2 * 8 * 64 * 4 : 0);
    assertEquals(plan.spooled, false);
  });
}

Deno.test("the plan says whether hidden states go to a file, and then they are not in its peak memory", async () => {
  await using watched = await watch("tiny-qwen2");
  const { method, spec, targets } = requested(watched, "wanda", {});
  const plan = (sequences: number, always = false) =>
    planPrune(QUICK, watched.checkpoint, spec, targets, {
      method,
      calibration: randomTokens(sequences, 128, 128),
      spool: { always },
    });
  const little = await plan(8), spooled = await plan(8, true);
  assertEquals([little.spooled, spooled.spooled], [false, true]);
  assertEquals(little.peakBytes - spooled.peakBytes, little.hiddenBytes);
  const most = QUICK.limits.spoolAbove / (128 * 64 * 4);
  assertEquals([(await plan(most)).spooled, (await plan(most + 1)).spooled], [false, true]);
});

Deno.test("the peak memory is what the process holds by then and what the pass adds, and that is more for a Hessian", async () => {
  await using watched = await watch("tiny-qwen2");
  const plan = (name: string, held: number) => {
    const { method, spec, targets } = requested(watched, name, {}), calibration = randomTokens(2, 8, 128);
    return planPrune(QUICK, watched.checkpoint, spec, targets, { method, calibration, held: () => held });
  };
  const [little, much, solves] = [await plan("wanda", 1e8), await plan("wanda", 3e8), await plan("sparsegpt", 1e8)];
  assertEquals(much.peakBytes - little.peakBytes, 2e8);
  assertGreater(solves.peakBytes, little.peakBytes);
  assertGreater(little.peakBytes, 1e8);
});

Deno.test("floating-point operations are counted as the pass does them", async () => {
  await using watched = await watch("tiny-qwen2");
  const { method, spec, targets } = requested(watched, "wanda", { blocks: "0-1" });
  const calibration = randomTokens(3, 10, 128);
  const { flops } = await planPrune(QUICK, watched.checkpoint, spec, targets, { method, calibration });
  // tiny-qwen2: hidden 64, 4 heads of 16, 2 kv heads, MLP 96. Attention: scores and mix, each over (t + 1) positions.
  const attention = 2 * Array.from({ length: 10 }, (_, t) => 2 * 4 * 16 * (t + 1)).reduce((a, b) => a + b);
  const linears = 2 * 10 * (2 * 64 * 64 + 2 * 32 * 64 + 2 * 96 * 64), down = 2 * 10 * 96 * 64;
  // Two blocks observed, without the down projection; one propagated.
  assertEquals(flops, 3 * (3 * (linears + attention) + down));
});

Deno.test("the estimated time is the work divided by the backend's rate, and the writing of the model", async () => {
  await using watched = await watch("tiny-qwen2");
  const { method, spec, targets } = requested(watched, "wanda", {}), { checkpoint } = watched;
  // A backend whose trial (768 cubed) takes 50 ms, by a clock that only the trial moves.
  let time = 0;
  const slow = Object.assign(new ReferenceBackend(), {
    linear: () => ({ [Symbol.dispose]: () => {} }),
    read: () => Promise.resolve(void (time += 50)),
  }) as unknown as ReferenceBackend;
  const { now } = performance, calibration = randomTokens(8, 128, 128);
  performance.now = () => time;
  let writing: number, planned: { flops: number; seconds: number };
  try {
    writing = (await planPrune(slow, checkpoint, spec, targets, { method })).seconds;
    planned = await planPrune(slow, checkpoint, spec, targets, { method, calibration });
  } finally {
    performance.now = now;
  }
  assertAlmostEquals(planned.flops / (planned.seconds - writing), 2 * 768 ** 3 / 0.05, 1);
  const size = Deno.statSync(`${checkpoint.path}/model.safetensors`).size;
  // Between a slow disk and a fast one.
  assertGreater(writing, size / 5e9);
  assertLess(writing, size / 5e7);
});

Deno.test("the peak memory has what permuting takes on the host, where it is more than what pruning takes", async () => {
  // Two tokens: activations are next to nothing.
  await using watched = await watch("tiny-qwen2");
  const { method, spec, targets } = requested(watched, "wanda", {}), calibration = randomTokens(1, 2, 128);
  const plan = (permute: boolean) =>
    planPrune(QUICK, watched.checkpoint, spec, targets, { method, calibration, permute, held: () => 0 });
  const [{ rows, cols }] = targets.get(0)!.filter(({ role }) => role === "mlp.down_proj"), weight = 2 * rows * cols;
  // Wanda's own: F32 scores and the weight as it was. Permuting: scores twice, 512 x 512 numbers of 64 bits, a weight twice.
  const linears = targets.get(0)!,
    largest = Math.max(...linears.map(({ rows, cols }) => 4 * rows * cols + 2 * rows * cols));
  const permuting = 2 * 4 * rows * cols + 8 * 512 ** 2 + 2 * weight;
  assertEquals((await plan(true)).peakBytes - (await plan(false)).peakBytes, permuting - largest);
});
