/** Block reconstruction: what it fits and leaves, and that the way a run is held or gone on with changes nothing. */
import { assert, assertEquals, assertLess, assertNotEquals, assertRejects } from "@std/assert";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { openWasm } from "../../src/backend/wasm/mod.ts";
import type { Backend } from "../../src/backend/backend.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { PareError } from "../../src/errors.ts";
import { keep } from "../../src/method/keep.ts";
import type { BlockReconstruction } from "../../src/stream/reconstruct.ts";
import { ReferenceBackend } from "../reference/backend.ts";
import { toFloats } from "../reference/floats.ts";
import { MODELS } from "./checkpoints.ts";
import { type Asked, CALIBRATION, pruned } from "./pruned.ts";

const RECONSTRUCT = { epochs: 2, rate: 1e-3 };

/** Prunes and reconstructs; what is told of the blocks besides. */
async function reconstructed(checkpoint: Checkpoint, backend: Backend, asked: Asked = {}) {
  const blocks: BlockReconstruction[] = [];
  const options = {
    calibration: CALIBRATION,
    reconstruct: RECONSTRUCT,
    onReconstruct: (one: BlockReconstruction) => void blocks.push(one),
  };
  const found = await pruned(checkpoint, backend, { ...options, ...asked });
  return { ...found, blocks };
}

for (const model of ["tiny-llama3", "tiny-gpt2", "tiny-gemma2", "tiny-opt"]) {
  Deno.test(`${model}: every block comes nearer to the dense network, and what was removed stays removed`, async () => {
    await using checkpoint = await openDirectory(`${MODELS}/${model}`);
    const backend = new ReferenceBackend(), ask = { pattern: { n: 2, m: 4 } };
    // Each block is judged on the stream of those before it, so only the first one has the same mask either way.
    const plain = await pruned(checkpoint, backend, { ask });
    const { blocks, weights, reports } = await reconstructed(checkpoint, backend, { ask });
    assertEquals(blocks.map(({ block }) => block), [...new Set(reports.map(({ name }) => Number(/\d+/.exec(name))))]);
    for (const { before, after } of blocks) assertLess(after, before);
    for (const { name, rows, cols, zeros } of reports) {
      const { dtype } = checkpoint.tensors.get(`${name}.weight`)!,
        floats = toFloats(weights.get(`${name}.weight`)!, dtype);
      assertEquals(floats.filter((weight) => weight === 0).length, zeros);
      assert(zeros >= rows * cols / 2, `${name}: ${zeros} zeros`);
      if (blocks[0].block !== Number(/\d+/.exec(name))) continue;
      const before = toFloats(plain.weights.get(`${name}.weight`)!, dtype);
      before.forEach((weight, i) => weight === 0 && assertEquals(floats[i], 0));
      assertNotEquals(floats, before);
    }
    assertEquals(backend.live, 0);
  });
}

Deno.test("with a method that updates weights, in true order, held out and without a statistic", async () => {
  await using checkpoint = await openDirectory(`${MODELS}/tiny-qwen2`);
  const asked: Asked[] = [
    { name: "sparsegpt", holdout: true },
    { name: "sparsegpt", trueSequential: true },
    { name: "magnitude" },
    { leave: { blocks: "1", include: ["mlp.*"] } },
  ];
  for (const each of asked) {
    const backend = new ReferenceBackend(), { blocks } = await reconstructed(checkpoint, backend, each);
    assertEquals(blocks.map(({ block }) => block), each.leave ? [1] : [0, 1, 2]);
    for (const { before, after } of blocks) assertLess(after, before);
    assertEquals(backend.live, 0);
  }
});

Deno.test("a mixture's experts are fitted with the rest, or stay as they are pruned where not all of them can be there", async () => {
  await using checkpoint = await openDirectory(`${MODELS}/tiny-mixtral`);
  const backend = new ReferenceBackend(), small = new ReferenceBackend();
  // A block of it takes 2.3 MB with what fitting all of it takes, and 1.9 MB without its experts.
  Object.assign(small, { limits: { ...small.limits, memoryBytes: 2_100_000, spoolAbove: 1 } });
  const plain = await pruned(checkpoint, backend);
  const errors = [];
  for (const [each, experts] of [[backend, true], [small, false]] as const) {
    const { blocks, weights } = await reconstructed(checkpoint, each);
    for (const { before, after } of blocks) assertLess(after, before);
    errors.push(blocks[0].after);
    const [first] = blocks, own = [...weights.keys()].filter((name) => name.includes(`layers.${first.block}.`));
    const same = (name: string) => String(weights.get(name)) === String(plain.weights.get(name));
    for (const name of own) assertEquals(same(name), name.includes("experts") && !experts, name);
    assertEquals(each.live, 0);
  }
  assertLess(errors[0], errors[1]);
});

Deno.test("what was pruned before is fitted to its teacher as it would have been when it was pruned", async () => {
  await using checkpoint = await openDirectory(`${MODELS}/tiny-llama3`);
  const ask = { sparsity: 0.5 }, asked: Asked = { name: "magnitude", ask };
  const plain = await pruned(checkpoint, new ReferenceBackend(), asked);
  const expected = await reconstructed(checkpoint, new ReferenceBackend(), asked);
  const model: Checkpoint = {
    ...checkpoint,
    readRows: (...which) => checkpoint.readRows(...which),
    async read(names) {
      const found = await checkpoint.read(names);
      for (const name of names) if (plain.weights.has(name)) found.set(name, plain.weights.get(name)!.slice());
      return found;
    },
  };
  const backend = new ReferenceBackend(),
    again: Asked = { method: keep, request: { sparsity: 0 }, teacher: checkpoint };
  const found = await reconstructed(model, backend, again);
  assertEquals(found.blocks, expected.blocks);
  for (const [name, bytes] of expected.weights) assertEquals(found.weights.get(name), bytes, name);
  assertEquals(
    found.reports.map(({ name, zeros }) => [name, zeros]),
    expected.reports.map(({ name, zeros }) => [name, zeros]),
  );
  assertEquals(backend.live, 0);
  // Stopped after a block, the others are as they were; a teacher of other shapes is none.
  const told: number[] = [];
  const some = await reconstructed(model, backend, {
    ...again,
    afterBlock: (block) => Promise.resolve(!told.push(block)),
  });
  assertEquals([told, [...some.weights.keys()].every((name) => name.includes("layers.0."))], [[0], true]);
  assertEquals(some.blocks, expected.blocks.slice(0, 1));
  assertEquals(backend.live, 0);
  await using other = await openDirectory(`${MODELS}/tiny-qwen3`);
  await assertRejects(() => reconstructed(model, backend, { ...again, teacher: other }), PareError, "--teacher ");
});

Deno.test("a run that goes on after a block gives the bytes of one that was never interrupted", async () => {
  await using checkpoint = await openDirectory(`${MODELS}/tiny-qwen3`);
  const whole = await reconstructed(checkpoint, new ReferenceBackend());
  const names = [...whole.weights.keys()].filter((name) => name.startsWith("model.layers.0."));
  const rest = await reconstructed(checkpoint, new ReferenceBackend(), {
    finished: { blocks: new Set([0]), read: (name) => Promise.resolve(whole.weights.get(name)!.slice()) },
  });
  assertEquals(rest.weights.size, whole.weights.size - names.length);
  for (const [name, bytes] of rest.weights) assertEquals(bytes, whole.weights.get(name), name);
  assertEquals(rest.blocks, whole.blocks.slice(1));
});

Deno.test("in a file or in memory, by one worker or two, in batches of any size: the same bytes", async () => {
  await using checkpoint = await openDirectory(`${MODELS}/tiny-llama3`);
  const results: Map<string, Uint8Array>[] = [];
  for (const [workers, always] of [[1, false], [2, false], [2, true]] as const) {
    await using backend = await openWasm({ workers });
    results.push((await reconstructed(checkpoint, backend, { spool: { always } })).weights);
    assertEquals(backend.live, 0);
  }
  for (const other of results.slice(1)) {
    for (const [name, bytes] of other) assertEquals(bytes, results[0].get(name), name);
  }
  const small = new ReferenceBackend(), large = new ReferenceBackend();
  Object.assign(large, { limits: { ...large.limits, batchTokens: 4096 } });
  const [one, two] = [await reconstructed(checkpoint, small), await reconstructed(checkpoint, large)];
  for (const [name, bytes] of one.weights) assertEquals(bytes, two.weights.get(name), name);
});

Deno.test("a rate that makes a block no better leaves it as it was pruned, and one that ends in NaN is refused", async () => {
  await using checkpoint = await openDirectory(`${MODELS}/tiny-llama3`);
  const plain = await pruned(checkpoint, new ReferenceBackend(), { leave: { blocks: "0" } });
  const found = await reconstructed(checkpoint, new ReferenceBackend(), {
    leave: { blocks: "0" },
    reconstruct: { epochs: 1, rate: 0.9 },
  });
  assertEquals(found.blocks.map(({ undone }) => undone), [true]);
  for (const [name, bytes] of found.weights) assertEquals(bytes, plain.weights.get(name), name);
  const hopeless = reconstructed(checkpoint, new ReferenceBackend(), { reconstruct: { epochs: 1, rate: 1e30 } });
  await assertRejects(() => hopeless, PareError, "expected a smaller rate than 1e+30");
});
