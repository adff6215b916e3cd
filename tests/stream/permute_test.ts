/**
 * Permuted inputs: a model that is permuted and not pruned computes what it did, in every family and on every backend; n:m then
 * keeps more, in an ordinary checkpoint; what cannot be permuted is refused by name.
 */
import {
  assert,
  assertEquals,
  assertGreater,
  assertGreaterOrEqual,
  assertLess,
  assertLessOrEqual,
  assertRejects,
} from "@std/assert";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { PareError } from "../../src/errors.ts";
import { findMethod, makeRequest, type Method } from "../../src/method/mod.ts";
import { tokenLosses } from "../../src/stream/losses.ts";
import { prune } from "../../src/stream/prune.ts";
import { chooseTargets } from "../../src/stream/target.ts";
import { readSpec } from "../../src/model/read.ts";
import { gamma } from "../contract/bounds.ts";
import { overlay } from "../golden/overlay.ts";
import { SUBJECTS } from "../method/subjects.ts";
import { ReferenceBackend } from "../reference/backend.ts";
import { toFloats } from "../reference/floats.ts";
import { MODELS, watch } from "./checkpoints.ts";
import { pruned } from "./pruned.ts";
import { randomTokens } from "./random_model.ts";

/** Models of all ways to have a block: apart and fused, by head and not, with biases, grouped heads, an MLP without a gate. */
const FAMILIES = ["llama3", "qwen2", "gemma2", "phi3", "opt", "gpt2", "bloom", "pythia", "cohere", "olmo2"];
const TOKENS = randomTokens(3, 10, 96), ASKED = { pattern: { n: 2, m: 4 } };

/** Wanda, but nothing goes: what is zero already is said to have gone. */
const NOTHING: Method = {
  ...findMethod("wanda"),
  begin: (backend) => ({ prune: ({ weight }) => backend.zeros(weight), [Symbol.dispose]() {} }),
};

for (const { name, ignore, open } of SUBJECTS) {
  for (const family of name === "reference" ? FAMILIES : FAMILIES.slice(0, 4)) {
    Deno.test({
      name: `${name}: tiny-${family}, permuted and not pruned, computes the same`,
      ignore,
      async fn() {
        await using backend = await open();
        await using checkpoint = await openDirectory(`${MODELS}/tiny-${family}`);
        const weights = new Map<string, Uint8Array<ArrayBuffer>>(), orders = new Map<string, Uint32Array>();
        await prune({
          checkpoint,
          backend,
          method: NOTHING,
          request: makeRequest(NOTHING, ASKED),
          calibration: TOKENS,
          permute: true,
          onPermutation: (linear, order) => void orders.set(linear, order),
          write: (name, bytes) => Promise.resolve(void weights.set(name, bytes.slice())),
        });
        // Two linears of every block: the attention's output, the MLP's.
        assertEquals(orders.size, 2 * readSpec(checkpoint).blocks.length);
        for (const [linear, order] of orders) {
          assertEquals([...order].toSorted((a, b) => a - b), [...order].map((_, at) => at), linear);
        }
        assert(
          [...orders.values()].every((order) => order.some((column, at) => column !== at)),
          "every one is permuted",
        );
        const [before, after] = [
          await tokenLosses(TOKENS, { checkpoint, backend }),
          await tokenLosses(TOKENS, { checkpoint: overlay(checkpoint, weights), backend }),
        ];
        // Sums of at most 96 products in another order, 2 in each of 2 or 3 blocks, of numbers some ten times a loss.
        const bound = name === "reference" ? gamma(64) : gamma(6 * 96 * 10);
        before.losses.forEach((loss, at) => {
          if (!Number.isNaN(loss)) {
            assertLessOrEqual(Math.abs(after.losses[at] - loss), bound * Math.max(1, loss), `${at}`);
          }
        });
        assertEquals(backend.live, 0);
      },
    });
  }
}

for (const name of ["wanda", "magnitude"]) {
  Deno.test(`${name}: 2:4 keeps more of the scores of permuted inputs, as much of the others', and half of all weights`, async () => {
    await using watched = await watch("tiny-qwen2");
    const { checkpoint } = watched, backend = new ReferenceBackend();
    const kept = async (permute: boolean) => {
      const statistics = new Map<string, Float32Array>(), orders = new Set<string>();
      const { weights, reports } = await pruned(checkpoint, backend, {
        name,
        permute,
        ask: ASKED,
        leave: { blocks: "0" },
        onStatistic: (linear, statistic) => void statistics.set(linear, statistic),
        onPermutation: (linear) => void orders.add(linear),
      });
      const sums = reports.map(({ name, zeros, rows, cols }) => {
        assertGreaterOrEqual(zeros, rows * cols / 2, name);
        const { dtype } = checkpoint.tensors.get(`${name}.weight`)!, squares = statistics.get(name);
        return toFloats(weights.get(`${name}.weight`)!, dtype).reduce(
          (sum, weight, at) => sum + Math.abs(weight) * Math.sqrt(squares?.[at % cols] ?? 1),
          0,
        );
      });
      return { sums, orders, names: reports.map(({ name }) => name) };
    };
    const present = await kept(false), permuted = await kept(true);
    assertEquals(present.names, permuted.names);
    assertEquals(permuted.orders.size, 2);
    present.names.forEach((linear, at) => {
      const [before, after] = [present.sums[at], permuted.sums[at]];
      if (permuted.orders.has(linear)) assertGreater(after, before, linear);
      // The rows alone stand in another order.
      else assertLessOrEqual(Math.abs(after / before - 1), 2 ** -20, linear);
    });
    assertEquals(backend.live, 0);
  });
}

Deno.test("SparseGPT prunes permuted inputs one after the other, and observes them as they stand then", async () => {
  await using watched = await watch("tiny-qwen2");
  const { checkpoint } = watched,
    backend = new ReferenceBackend(),
    asked = { ask: ASKED, permute: true, leave: { blocks: "0-1" } };
  const { reports } = await pruned(checkpoint, backend, { name: "sparsegpt", trueSequential: true, ...asked });
  const { reports: masked } = await pruned(checkpoint, backend, { name: "wanda", ...asked });
  reports.forEach(({ name, outputError }, at) => {
    assertLess(outputError!, 1, name);
    assertEquals(name, masked[at].name);
  });
  assertEquals(backend.live, 0);
});

Deno.test("a permuted pass that goes on after a block gives the same bytes, biases and all", async () => {
  await using watched = await watch("tiny-qwen2");
  const { checkpoint } = watched, backend = new ReferenceBackend(), asked = { ask: ASKED, permute: true };
  const whole = await pruned(checkpoint, backend, asked), { weights } = whole;
  assert(weights.has("model.layers.0.self_attn.v_proj.bias"));
  assert(!weights.has("model.layers.0.self_attn.q_proj.bias"));
  const finished = { blocks: new Set([0]), read: (name: string) => Promise.resolve(weights.get(name)!.slice()) };
  const rest = await pruned(checkpoint, backend, { ...asked, finished });
  assertEquals([...rest.weights.keys()], [...weights.keys()].filter((name) => !name.includes("layers.0.")));
  for (const [name, bytes] of rest.weights) assertEquals(bytes, weights.get(name), name);
});

Deno.test("what is asked for anything but n:m of inputs that can be permuted is refused by name", async () => {
  await using dense = await watch("tiny-llama3");
  await using narrow = await watch("tiny-smollm3");
  await using experts = await watch("tiny-qwen3-moe");
  const refusal = async ({ checkpoint }: typeof dense, ask: object, leave = {}) => {
    const method = findMethod("wanda"), request = makeRequest(method, ask);
    const targets = chooseTargets(readSpec(checkpoint), request, leave);
    const options = { method, request, targets, calibration: TOKENS, permute: true, write: () => Promise.resolve() };
    return (await assertRejects(() => prune({ ...options, checkpoint, backend: new ReferenceBackend() }), PareError))
      .message;
  };
  assertEquals(
    await refusal(dense, { sparsity: 0.5 }),
    "--permute is for n:m, which is asked of no linear whose inputs can be permuted",
  );
  assertEquals(
    await refusal(dense, ASKED, { exclude: ["*.gate_proj"] }),
    "--permute: the inputs of model.layers.0.mlp.down_proj are rows of model.layers.0.mlp.gate_proj, which is not pruned: " +
      "expected both or neither",
  );
  assertEquals(
    await refusal(narrow, { pattern: { n: 4, m: 8 } }, { include: ["*.v_proj", "*.o_proj"] }),
    "--permute: model.layers.0.self_attn.o_proj: 4:8 does not divide its heads' 12 inputs, within which they can be permuted",
  );
  assertEquals(
    await refusal(experts, ASKED),
    "--permute: model.layers.1 has experts, which are loaded one by one: expected a dense model",
  );
  for (const { reads } of [dense, narrow, experts]) assertEquals(reads, []);
});
