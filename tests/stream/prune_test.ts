/** The pass of pruning: what it prunes and leaves, what it reads and when, and that the way it is held changes nothing. */
import { assert, assertEquals, assertGreater, assertLess, assertLessOrEqual } from "@std/assert";
import type { Backend, Sums, Tensor } from "../../src/backend/backend.ts";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { createWriter } from "../../src/checkpoint/writer.ts";
import type { Progress } from "../../src/stream/progress.ts";
import { type Batch, rectangle } from "../../src/text/batch.ts";
import { temporary } from "../checkpoint/folders.ts";
import { GoldenFile } from "../golden/files.ts";
import { ReferenceBackend } from "../reference/backend.ts";
import { toFloats } from "../reference/floats.ts";
import { MODELS, watch } from "./checkpoints.ts";
import { CALIBRATION, pruned } from "./pruned.ts";
import { randomTokens } from "./random_model.ts";

const FAMILIES = ["llama3", "qwen2", "qwen3"];

for (const family of FAMILIES) {
  Deno.test(`tiny-${family}: every linear is reported in the order of the forward pass, with the zeros that it has`, async () => {
    await using watched = await watch(`tiny-${family}`);
    const backend = new ReferenceBackend(), { reports, weights } = await pruned(watched.checkpoint, backend);
    const kinds = ["q_proj", "k_proj", "v_proj", "o_proj"].map((kind) => `self_attn.${kind}`)
      .concat(["gate_proj", "up_proj", "down_proj"].map((kind) => `mlp.${kind}`));
    const names = [0, 1, 2].flatMap((block) => kinds.map((kind) => `model.layers.${block}.${kind}`));
    assertEquals(reports.map(({ name }) => name), names);
    assertEquals([...weights.keys()], names.map((name) => `${name}.weight`));
    for (const { name, rows, cols, zeros } of reports) {
      const { shape, dtype } = watched.checkpoint.tensors.get(`${name}.weight`)!;
      assertEquals([rows, cols], [...shape]);
      assertEquals(zeros, toFloats(weights.get(`${name}.weight`)!, dtype).filter((weight) => weight === 0).length);
      assertEquals(zeros, rows * Math.floor(cols / 2));
    }
    assertEquals(backend.live, 0);
  });
}

Deno.test("weights that stay keep their bits, and those that go are positive zeros", async () => {
  await using watched = await watch("tiny-qwen2");
  const { weights } = await pruned(watched.checkpoint, new ReferenceBackend());
  for (const [name, bytes] of weights) {
    const before = new Uint16Array((await watched.checkpoint.read([name])).get(name)!.slice().buffer);
    new Uint16Array(bytes.buffer).forEach((word, i) => assert(word === 0 || word === before[i]));
  }
});

Deno.test("a written model differs from its input in the chosen linears, and in no other byte of any file", async () => {
  using folder = temporary();
  const input = `${MODELS}/tiny-mistral`, out = `${folder.path}/out`, changed: string[] = [];
  {
    await using checkpoint = await openDirectory(input);
    await using writer = await createWriter(checkpoint, out);
    await pruned(checkpoint, new ReferenceBackend(), {
      leave: { blocks: "1-2", include: ["mlp.*", "o_proj"], exclude: ["layers.2.mlp.up_proj"] },
      write: (name, bytes) => writer.write(name, bytes),
    });
    await writer.finish();
  }
  for (const { name } of Deno.readDirSync(input)) {
    const [before, after] = [input, out].map((directory) => `${directory}/${name}`);
    if (!name.endsWith(".safetensors")) {
      assertEquals(Deno.readFileSync(after), Deno.readFileSync(before));
      continue;
    }
    const dense = new GoldenFile(before), result = new GoldenFile(after);
    assertEquals(result.names, dense.names);
    const equal = (tensor: string) => String(dense.bytes(tensor)) === String(result.bytes(tensor));
    changed.push(...dense.names.filter((tensor) => !equal(tensor)));
  }
  const mlp = ["1.mlp.down_proj", "1.mlp.gate_proj", "1.mlp.up_proj", "2.mlp.down_proj", "2.mlp.gate_proj"];
  assertEquals(
    changed.sort(),
    [...mlp, "1.self_attn.o_proj", "2.self_attn.o_proj"].map((name) => `model.layers.${name}.weight`).sort(),
  );
});

Deno.test("a method without a statistic reads the blocks that it prunes, and nothing else", async () => {
  await using watched = await watch("tiny-llama3");
  await pruned(watched.checkpoint, new ReferenceBackend(), { name: "magnitude", leave: { blocks: "2" } });
  assertEquals(watched.touched().filter((name) => !name.startsWith("model.layers.2.")), []);
});

Deno.test("wanda reads each block once, as far as the last one that it prunes, and the embeddings of its tokens", async () => {
  await using watched = await watch("tiny-llama3");
  const calibration = randomTokens(2, 8, 5), { checkpoint, reads } = watched;
  await pruned(checkpoint, new ReferenceBackend(), { leave: { blocks: "1" }, calibration });
  const blocks = ["model.layers.0.", "model.layers.1."];
  const wanted = [...checkpoint.tensors.values()]
    .filter(({ name }) => blocks.some((block) => name.startsWith(block)))
    .reduce((sum, { bytes }) => sum + bytes, 0);
  const distinct = new Set(calibration.ids).size, rowBytes = 64 * 4;
  assertEquals(reads.reduce((sum, { length }) => sum + length, 0), wanted + distinct * rowBytes);
  assertEquals(watched.touched().filter((name) => /^model\.norm|layers\.2\./.test(name)), []);
});

Deno.test("the next block is being read before this one is computed", async () => {
  await using watched = await watch("tiny-llama3");
  const seen: string[] = [];
  await pruned(watched.checkpoint, new ReferenceBackend(), {
    onProgress: ({ phase, block }) => {
      if (phase === "observe" && block < 2 && !seen[block]) {
        seen[block] = watched.touched().filter((name) => name.startsWith("model.layers.")).at(-1)!;
      }
    },
  });
  assertEquals(seen.map((name) => name.slice(0, "model.layers.1".length)), ["model.layers.1", "model.layers.2"]);
});

Deno.test("progress counts every token of every step, and ends at its total", async () => {
  await using watched = await watch("tiny-llama3");
  for (const [blocks, passes] of [["0-2", 5], ["0", 1], ["2", 3], ["0,2", 4]] as const) {
    const seen: Progress[] = [];
    await pruned(watched.checkpoint, new ReferenceBackend(), {
      leave: { blocks },
      calibration: CALIBRATION,
      onProgress: (progress) => void seen.push(progress),
    });
    for (const [i, { tokens, totalTokens, blocks }] of seen.entries()) {
      assertGreater(tokens, seen[i - 1]?.tokens ?? 0);
      assertEquals([totalTokens, blocks], [passes * CALIBRATION.ids.length, 3]);
    }
    assertEquals(seen.at(-1)?.tokens, passes * CALIBRATION.ids.length);
  }
});

/** A backend that keeps count of its calls of one operation. */
function counting(backend: Backend, operation: keyof Backend): { backend: Backend; calls: unknown[][] } {
  const calls: unknown[][] = [];
  return {
    calls,
    backend: new Proxy(backend, {
      get(target, key) {
        const member = Reflect.get(target, key);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          if (key === operation) calls.push(args);
          return member.apply(target, args);
        };
      },
    }),
  };
}

Deno.test("q, k and v share one statistic, gate and up another: four sums for a block, not seven", async () => {
  await using watched = await watch("tiny-llama3");
  const { backend, calls } = counting(new ReferenceBackend(), "addSquares"), found = new Map<string, string>();
  await pruned(watched.checkpoint, backend, {
    leave: { blocks: "1" },
    onStatistic: (linear, statistic) => void found.set(linear.slice("model.layers.1.".length), String(statistic)),
  });
  const batches = 2;
  assertEquals(calls.length, 4 * batches);
  assertEquals(new Set(calls.map(([sums]) => sums as Sums)).size, 4);
  assertEquals(found.size, 7);
  const [q, k, v, o] = ["q", "k", "v", "o"].map((kind) => found.get(`self_attn.${kind}_proj`));
  assert(q === k && k === v && found.get("mlp.gate_proj") === found.get("mlp.up_proj"));
  assertEquals(new Set([q, o, found.get("mlp.gate_proj"), found.get("mlp.down_proj")]).size, 4);
});

Deno.test("what is not pruned is not observed", async () => {
  await using watched = await watch("tiny-llama3");
  const { backend, calls } = counting(new ReferenceBackend(), "addSquares");
  await pruned(watched.checkpoint, backend, { leave: { include: ["layers.2.mlp.down_proj"] } });
  assertEquals(calls.map(([, input]) => (input as Tensor).cols), [80, 80]);
});

Deno.test("the statistic of many sequences is the mean of each one's own", async () => {
  await using watched = await watch("tiny-qwen3");
  const all = randomTokens(5, 12, 128);
  const statistics = async (calibration: Batch) => {
    const found: Float32Array[] = [];
    await pruned(watched.checkpoint, new ReferenceBackend(), {
      ask: { sparsity: 0 },
      calibration,
      onStatistic: (_, statistic) => void found.push(statistic),
    });
    return found;
  };
  const together = await statistics(all), apart: Float32Array[][] = [];
  for (let s = 0; s < all.sequences; s++) {
    apart.push(await statistics(rectangle(all.ids.slice(12 * s, 12 * s + 12), 12)));
  }
  assertEquals(together.length, 21);
  for (const [linear, statistic] of together.entries()) {
    for (const [j, value] of statistic.entries()) {
      const mean = apart.reduce((sum, each) => sum + each[linear][j], 0) / apart.length;
      // One rounding to f32 of the whole, one of each part.
      assertLessOrEqual(Math.abs(value - mean), 2 * 2 ** -24 * mean);
    }
  }
});

Deno.test("spooled hidden states give the same bytes as resident ones, and one batch at a time is on the backend", async () => {
  using folder = temporary();
  await using watched = await watch("tiny-qwen2");
  const run = async (always: boolean) => {
    const backend = new ReferenceBackend();
    let most = 0;
    const { weights } = await pruned(watched.checkpoint, backend, {
      calibration: randomTokens(75, 16, 128),
      spool: { always, directory: folder.path },
      onProgress: () => most = Math.max(most, backend.live),
    });
    assertEquals(backend.live, 0);
    return { weights, most };
  };
  const [resident, spooled] = [await run(false), await run(true)];
  assertEquals([...spooled.weights], [...resident.weights]);
  const batches = 5;
  assertEquals(resident.most - spooled.most, batches - 1);
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

Deno.test("a sparsity of 0 changes nothing, and of 0.9 leaves a tenth", async () => {
  await using watched = await watch("tiny-llama3");
  const { weights } = await pruned(watched.checkpoint, new ReferenceBackend(), { ask: { sparsity: 0 } });
  for (const [name, bytes] of weights) assertEquals(bytes, (await watched.checkpoint.read([name])).get(name)!.slice());
  const { reports } = await pruned(watched.checkpoint, new ReferenceBackend(), { ask: { sparsity: 0.9 } });
  for (const { rows, cols, zeros } of reports) assertEquals(zeros, rows * Math.floor(cols * 0.9));
});

Deno.test("blocks after a pruned one see what the pruned one gives", async () => {
  await using watched = await watch("tiny-llama3");
  const statistics = async (blocks: string) => {
    const found = new Map<string, Float32Array>();
    await pruned(watched.checkpoint, new ReferenceBackend(), {
      leave: { blocks },
      ask: { sparsity: 0.7 },
      onStatistic: (linear, statistic) => void found.set(linear, statistic),
    });
    return found;
  };
  const all = await statistics("0-1"), second = await statistics("1");
  const q = "model.layers.1.self_attn.q_proj";
  assert(String(all.get(q)) !== String(second.get(q)), "block 1 saw a dense block 0");
  // Every linear of a block sees what the dense block gives: the down projection's input is not of a pruned gate.
  const alone = await statistics("0"), down = "model.layers.0.mlp.down_proj";
  assertEquals(alone.get(down), all.get(down));
});

Deno.test("writes come one after another, in order, while later blocks compute", async () => {
  await using watched = await watch("tiny-llama3");
  let writing = 0, written = 0;
  const order: string[] = [];
  await pruned(watched.checkpoint, new ReferenceBackend(), {
    calibration: CALIBRATION,
    write: async (name) => {
      assertLess(writing++, 1);
      await new Promise((resolve) => setTimeout(resolve)); // as a disk does: not at once
      order.push(name);
      written++;
      writing--;
    },
  });
  assertEquals([written, order.length], [21, 21]);
  assertEquals(order.map((name) => Number(name.split(".")[2])), order.map((_, i) => Math.floor(i / 7)));
});

Deno.test("what is finished is run through and not pruned again: the rest gets the bytes of an uninterrupted run", async () => {
  await using watched = await watch("tiny-qwen3");
  for (const name of ["wanda", "sparsegpt", "magnitude"]) {
    const blocks: number[] = [];
    const whole = await pruned(watched.checkpoint, new ReferenceBackend(), {
      name,
      onBlock: (block, linears) => void blocks.push(block, linears.length),
    });
    assertEquals(blocks, [0, 7, 1, 7, 2, 7]);
    for (const finished of [[0], [0, 1], [1], [0, 1, 2]]) {
      const phases: string[] = [], backend = new ReferenceBackend();
      const rest = await pruned(watched.checkpoint, backend, {
        name,
        finished: {
          blocks: new Set(finished),
          read: (tensor) => Promise.resolve(whole.weights.get(tensor)!.slice()),
        },
        onProgress: ({ phase, block }) => void phases.push(`${phase} ${block}`),
      });
      const missing = [...whole.weights].filter(([tensor]) => !finished.includes(Number(tensor.split(".")[2])));
      assertEquals([...rest.weights], missing, `${name}: ${finished} are finished`);
      assertEquals(rest.reports.map(({ name }) => `${name}.weight`), missing.map(([tensor]) => tensor));
      assert(finished.every((block) => !phases.includes(`observe ${block}`)));
      assertEquals(backend.live, 0);
    }
  }
});
