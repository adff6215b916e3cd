/** What does not fit a backend is refused by name before anything is computed; what fits only in parts is done in parts. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { TensorInfo } from "../../src/checkpoint/checkpoint.ts";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { PareError } from "../../src/errors.ts";
import { findMethod } from "../../src/method/mod.ts";
import { inputGroups, modelTensors } from "../../src/model/layers.ts";
import { parseConfig, readSpec } from "../../src/model/read.ts";
import { checkMemory, hessianBytes, observationSets, roomBeside } from "../../src/stream/memory.ts";
import { chooseTargets } from "../../src/stream/target.ts";
import { rectangle } from "../../src/text/batch.ts";
import { temporary } from "../checkpoint/folders.ts";
import { ReferenceBackend } from "../reference/backend.ts";
import { watch } from "./checkpoints.ts";
import { pruned } from "./pruned.ts";
import { randomTokens, writeRandomModel } from "./random_model.ts";

const GIB = 2 ** 30;

const equal = (a: Uint8Array | undefined, b: Uint8Array) =>
  a?.length === b.length && a.every((byte, i) => byte === b[i]);
/** As WebAssembly's memory of 32-bit addresses has them. */
const LIMITS = { memoryBytes: 4 * GIB, batchTokens: 1024, spoolAbove: GIB };

/** What is said of a model of these shapes in F16 on 128 x 2048 tokens. */
function refusal(name: string, shapes: Record<string, number>, limits = LIMITS): string | undefined {
  const config = {
    model_type: "llama",
    num_hidden_layers: 2,
    vocab_size: 32000,
    max_position_embeddings: 2048,
    ...shapes,
  };
  const spec = parseConfig(config, "m"), tensors = new Map<string, TensorInfo>();
  for (const { name, shape } of modelTensors(spec)) {
    const bytes = 2 * shape.reduce((a, b) => a * b);
    tensors.set(name, { name, shape, dtype: "F16", shard: "model.safetensors", offset: 0, bytes });
  }
  const method = findMethod(name), targets = chooseTargets(spec, { sparsity: 0.5 });
  const batch = rectangle(new Uint32Array(128 * 2048), 2048);
  try {
    checkMemory(spec, {
      checkpoint: { tensors, path: "m" },
      backend: { name: "wasm", limits },
      method,
      targets,
      batch,
      spooled: true,
    });
  } catch (error) {
    if (error instanceof PareError) return error.message;
    throw error;
  }
}

const LLAMA_7B = { hidden_size: 4096, intermediate_size: 11008, num_attention_heads: 32 };
const LLAMA3_8B = { ...LLAMA_7B, intermediate_size: 14336, num_key_value_heads: 8 };
const LLAMA_70B = { hidden_size: 8192, intermediate_size: 28672, num_attention_heads: 64, num_key_value_heads: 8 };
const LLAMA_405B = { hidden_size: 16384, intermediate_size: 53248, num_attention_heads: 128, num_key_value_heads: 8 };

Deno.test("SparseGPT fits WebAssembly up to an 8B model's linears, Wanda up to a 70B model's", () => {
  for (const shapes of [LLAMA_7B, LLAMA3_8B]) assertEquals(refusal("sparsegpt", shapes), undefined);
  for (const shapes of [LLAMA_7B, LLAMA3_8B, LLAMA_70B]) assertEquals(refusal("wanda", shapes), undefined);
});

Deno.test("a Hessian that is too large is refused by its linear's name, with what would fit", () => {
  const message = refusal("sparsegpt", LLAMA_70B)!;
  assertMatch(
    message,
    /^model\.layers\.0\.mlp\.down_proj: the Hessian of its 28672 inputs takes 9\.\d GiB beside the block;/,
  );
  assertMatch(
    message,
    /the wasm backend has 0\.\d GiB for it, enough for about \d{4} inputs: expected a method without a/,
  );
  assertMatch(message, /--exclude 'mlp\.down_proj'/);
  assertEquals(refusal("sparsegpt", LLAMA_70B, { ...LIMITS, memoryBytes: 80 * GIB }), undefined);
});

Deno.test("what a method holds besides counts in what would fit: fewer inputs for ALPS, and with tokens held out", () => {
  const fits = (name: string) => Number(/enough for about (\d+) inputs/.exec(refusal(name, LLAMA_70B)!)![1]);
  assert(fits("alps") < fits("sparsegpt"));
  const group = inputGroups(
    parseConfig({ model_type: "llama", num_hidden_layers: 1, vocab_size: 8, ...LLAMA_7B }, "m").blocks[0],
  ).at(-1)!;
  const { holds } = findMethod("sparsegpt").effort!, size = 4 * 4096 * 11008, square = 4 * 11008 ** 2;
  // Another Hessian, and three matrices of the linear's size to look at what is held out.
  const [alone, judged] = [1, 2].map((grams) => hessianBytes([group], 0, { ...holds, grams }));
  assertEquals([alone, judged], [
    Math.max(3 * square, 2 * square + 2 * size),
    Math.max(6 * square, 3 * square + 5 * size),
  ]);
});

Deno.test("a block that is too large is refused by its name, whatever the method", () => {
  // 6.3 GB of weights; beside them 1.8 GB of activations, or the largest linear's weights again and once in F32: 5.2 GB.
  const beside = { wanda: /the scores of its largest linear takes 10\.\d/, sparsegpt: /its activations takes 7\.\d/ };
  for (const [method, what] of Object.entries(beside)) {
    const said = refusal(method, LLAMA_405B)!;
    assertMatch(said, what);
    assertMatch(said, /^model\.layers\.0 with .* GiB; the wasm backend holds 4\.0 GiB: expected /);
  }
});

Deno.test("inputs whose sums do not fit together are observed apart, in order, and all of them once", () => {
  const spec = parseConfig({ model_type: "llama", num_hidden_layers: 1, vocab_size: 8, ...LLAMA3_8B }, "m");
  const groups = [...chooseTargets(spec, { sparsity: 0.5 }).values()].map((linears) => [
    linears.slice(0, 3),
    linears.slice(3, 4),
    linears.slice(4, 6),
    linears.slice(6),
  ])[0];
  assertEquals(observationSets(groups, { bytes: Infinity, drafts: 0, activations: 0 }), [groups]);
  const apart = observationSets(groups, { bytes: hessianBytes([groups[3]], 0), drafts: 0, activations: 0 });
  assertEquals(apart.flat(), groups);
  assert(apart.length > 1);
});

Deno.test("a model whose inputs are observed apart is pruned to the same bytes, and refused before a byte is read", async () => {
  using folder = temporary();
  const path = `${folder.path}/m`, calibration = randomTokens(3, 2, 8), phases: string[] = [];
  await writeRandomModel(path, { blocks: 1, hidden: 64, intermediate: 64, heads: 1, kvHeads: 1, vocabulary: 8 });
  await using checkpoint = await openDirectory(path);
  const small = (memoryBytes: number) =>
    Object.assign(new ReferenceBackend(), { limits: { ...LIMITS, memoryBytes } }) as ReferenceBackend;
  const options = { name: "sparsegpt", calibration }, spec = readSpec(checkpoint), groups = inputGroups(spec.blocks[0]);
  const room = roomBeside(spec, spec.blocks[0], {
    checkpoint,
    backend: small(0),
    method: findMethod("sparsegpt"),
    targets: chooseTargets(spec, { sparsity: 0.5 }),
    batch: calibration,
    spooled: false,
  });
  const most = Math.max(...groups.map((group) => hessianBytes([group], room.activations)));
  const least = most + room.drafts - room.bytes, refused = small(least - 1), apart = small(least);
  assert(hessianBytes(groups, room.activations) > most + room.drafts);
  const { message } = await assertRejects(() => pruned(checkpoint, refused, options), PareError);
  assertMatch(message, /^model\.layers\.0\.[a-z_.]+: the Hessian of its 64 inputs/);
  const together = await pruned(checkpoint, new ReferenceBackend(), options);
  const parts = await pruned(checkpoint, apart, { ...options, onProgress: ({ phase }) => void phases.push(phase) });
  assertEquals(phases, ["observe", "observe", "observe", "observe"]);
  for (const [name, bytes] of together.weights) assert(equal(parts.weights.get(name), bytes), name);
  assertEquals(apart.live, 0);
});

Deno.test("SparseGPT's experts see what the dense block gives, though each is observed on its own", async () => {
  await using watched = await watch("tiny-qwen3-moe");
  const { checkpoint } = watched, calibration = randomTokens(3, 12, 128);
  const statistics = async (asked: Parameters<typeof pruned>[2]) => {
    const found = new Map<string, Float32Array>();
    const backend = new ReferenceBackend();
    await pruned(checkpoint, backend, {
      ...asked,
      calibration,
      leave: { blocks: "1" },
      onStatistic: (linear, statistic) => void found.set(linear, statistic),
    });
    assertEquals(backend.live, 0);
    return found;
  };
  const dense = await statistics({ name: "wanda", ask: { sparsity: 0 } }),
    solved = await statistics({ name: "sparsegpt" });
  assertEquals([...solved.keys()].toSorted(), [...dense.keys()].toSorted());
  for (const [linear, statistic] of dense) assertEquals(solved.get(linear), statistic, linear);
});
