/**
 * Mixtures of experts in a pass: each expert is pruned by the tokens that were routed to it, and one expert's weights are on the
 * backend at a time, whatever the pass does with them.
 */
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { BYTES, type Dtype, type Tensor } from "../../src/backend/backend.ts";
import { openBackend } from "../../src/backend/open.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { expertsOf, expertTensors, mlpLinears, residentTensors, type TensorSpec } from "../../src/model/layers.ts";
import { readSpec } from "../../src/model/read.ts";
import { evaluate } from "../../src/stream/evaluate.ts";
import { blockStatistics } from "../../src/stream/blocks.ts";
import { observeFirst } from "../../src/stream/prune.ts";
import { temporary } from "../checkpoint/folders.ts";
import { toFloats } from "../reference/floats.ts";
import { ReferenceBackend, smallest } from "../reference/backend.ts";
import { MODELS, withoutExpert } from "./checkpoints.ts";
import { pruned } from "./pruned.ts";
import { randomTokens } from "./random_model.ts";
import { aboutExperts } from "../../scripts/prune/text.ts";

const FEW = randomTokens(6, 16, 256);
/** Two batches and a bit. */
const MANY = randomTokens(9, 64, 256);

/** Counts the bytes of 16-bit tensors that are there: of a model in BF16 its weights, and nothing else. */
class Weighing extends ReferenceBackend {
  bytes = 0;
  most = 0;

  override upload(bytes: Uint8Array, rows: number, cols: number, dtype: Dtype): Tensor {
    const tensor = super.upload(bytes, rows, cols, dtype), size = bytes.length;
    if (dtype === "F32") return tensor;
    this.bytes += size;
    this.most = Math.max(this.most, this.bytes);
    const free = tensor[Symbol.dispose].bind(tensor);
    let there = true;
    tensor[Symbol.dispose] = () => {
      if (there) this.bytes -= size;
      there = false;
      free();
    };
    return tensor;
  }
}

/** The most bytes of weights that may be there: a block without its experts, and its largest expert. */
function allowed(checkpoint: Checkpoint): number {
  const bytesOf = (tensors: readonly TensorSpec[]) =>
    tensors.reduce(
      (sum, { name, shape }) => sum + BYTES[checkpoint.tensors.get(name)!.dtype] * shape.reduce((a, b) => a * b),
      0,
    );
  return Math.max(
    ...readSpec(checkpoint).blocks.map((block) =>
      bytesOf(residentTensors(block)) +
      Math.max(0, ...expertsOf(block)?.experts.map((expert) => bytesOf(expertTensors(expert))) ?? [])
    ),
  );
}

for (const spooled of [false, true]) {
  Deno.test(`one expert's weights are on the backend at a time, states ${spooled ? "spooled" : "resident"}`, async () => {
    using folder = temporary();
    await using checkpoint = await openDirectory(`${MODELS}/tiny-qwen3-moe`);
    const spool = { always: spooled, directory: folder.path }, most = allowed(checkpoint);
    const weigh = async (what: string, run: (backend: Weighing) => Promise<unknown>) => {
      const backend = new Weighing();
      await run(backend);
      assertLessOrEqual(backend.most, most, what);
      assert(backend.most > most / 2, `${what}: nothing was weighed`);
      assertEquals([backend.bytes, backend.live], [0, 0], what);
    };
    for (const [name, calibration] of [["wanda", MANY], ["sparsegpt", FEW], ["magnitude", undefined]] as const) {
      await weigh(name, (backend) => pruned(checkpoint, backend, { name, spool, calibration }));
    }
    await weigh(
      "true-sequential",
      (backend) => pruned(checkpoint, backend, { name: "sparsegpt", spool, calibration: FEW, trueSequential: true }),
    );
    await weigh(
      "owl",
      (backend) => blockStatistics({ checkpoint, backend, spool, calibration: FEW, statistic: "outliers" }),
    );
    await weigh("evaluate", (backend) => evaluate(FEW, { checkpoint, backend, spool }));
  });
}

Deno.test("without --true-sequential SparseGPT's experts see what the dense block gives them", async () => {
  await using checkpoint = await openDirectory(`${MODELS}/tiny-mixtral`);
  const run = async (leave: { readonly include?: readonly string[] }) => {
    const { weights, reports } = await pruned(checkpoint, new ReferenceBackend(), {
      name: "sparsegpt",
      calibration: FEW,
      leave: { blocks: "0", ...leave },
    });
    return { weights, names: reports.map(({ name }) => name) };
  };
  const all = await run({}), alone = await run({ include: ["*.experts.*"] });
  assert(alone.weights.size > 0 && alone.weights.size < all.weights.size);
  for (const [name, bytes] of alone.weights) assertEquals(all.weights.get(name), bytes, name);
  assertEquals(all.names.slice(0, 4).map((name) => name.split(".").at(-1)), ["q_proj", "k_proj", "v_proj", "o_proj"]);
  assertEquals(all.names.slice(4), alone.names);
});

Deno.test("what is observed of a block with experts for several methods holds no Hessians of all experts at once", async () => {
  await using checkpoint = await openDirectory(`${MODELS}/tiny-mixtral`);
  const backend = new ReferenceBackend();
  {
    using first = await observeFirst({ checkpoint, backend, calibration: FEW }, true);
    assertEquals(first.grams, false);
    for (const name of ["wanda", "sparsegpt"]) {
      const asked = { name, calibration: FEW, leave: { blocks: "0" } };
      const own = await pruned(checkpoint, backend, asked),
        shared = await pruned(checkpoint, backend, { ...asked, first });
      assertEquals(shared.weights, own.weights, name);
    }
  }
  assertEquals(backend.live, 0);
});

for (const name of ["wanda", "sparsegpt", "ria"]) {
  for (const pattern of [undefined, { n: 2, m: 4 }]) {
    const how = pattern ? "by 2:4" : "by half";
    Deno.test(`an expert that no token came to is pruned by magnitude ${how} where ${name} was asked, and named`, async () => {
      await using dense = await openDirectory(`${MODELS}/tiny-mixtral`);
      const checkpoint = withoutExpert(dense);
      const { weights, reports } = await pruned(checkpoint, new ReferenceBackend(), {
        name,
        ask: pattern ? { pattern } : {},
        calibration: FEW,
      });
      const blind = reports.filter(({ tokens }) => tokens === 0);
      const expected = readSpec(checkpoint).blocks.flatMap((block) => mlpLinears(expertsOf(block)!.experts[1]));
      assertEquals(
        blind.filter(({ name }) => name.includes(".experts.1.")).map(({ name }) => name),
        expected.map(({ name }) => name),
      );
      assert(blind.every((report) => report.outputError === undefined && report.damping === undefined));
      const [text] = aboutExperts(reports);
      for (const report of blind) assert(text.includes(report.name), text);
      for (const { name, cols } of blind) {
        const { dtype } = dense.tensors.get(`${name}.weight`)!;
        const before = toFloats((await dense.read([`${name}.weight`])).get(`${name}.weight`)!, dtype);
        const removed = pattern
          ? Array.from({ length: before.length / 4 }, (_, group) => {
            const sizes = [...before.subarray(4 * group, 4 * group + 4)].map(Math.abs);
            return smallest(sizes, 0.5, "count").map((at) => 4 * group + at);
          }).flat()
          : smallest([...before].map(Math.abs), 0.5, "threshold");
        assert(cols > 0);
        for (const at of removed) before[at] = 0;
        assertEquals(toFloats(weights.get(`${name}.weight`)!, dtype), before, name);
      }
    });
  }
}

Deno.test("a mixture's experts are pruned alike when the run goes on after its first block", async () => {
  await using checkpoint = await openDirectory(`${MODELS}/tiny-mixtral`);
  for (const name of ["wanda", "sparsegpt"]) {
    const whole = await pruned(checkpoint, new ReferenceBackend(), { name, calibration: FEW });
    const rest = await pruned(checkpoint, new ReferenceBackend(), {
      name,
      calibration: FEW,
      finished: { blocks: new Set([0]), read: (tensor) => Promise.resolve(whole.weights.get(tensor)!.slice()) },
    });
    assertEquals([...rest.weights.keys()], [...whole.weights.keys()].filter((tensor) => tensor.includes(".layers.1.")));
    for (const [tensor, bytes] of rest.weights) assertEquals(bytes, whole.weights.get(tensor), tensor);
  }
});

Deno.test("a mixture's experts are run as they were pruned, however long their weights are on their way to the disk", async () => {
  await using checkpoint = await openDirectory(`${MODELS}/tiny-mixtral`);
  await using backend = await openBackend("wasm", { workers: 1 });
  for (const trueSequential of [false, true]) {
    const asked = { name: "sparsegpt", calibration: FEW, trueSequential };
    const quick = await pruned(checkpoint, backend, asked);
    for (const readBack of [false, true]) {
      const written = new Map<string, Uint8Array<ArrayBuffer>>();
      await pruned(checkpoint, backend, {
        ...asked,
        // Longer than all of the block takes.
        write: async (name, bytes) => {
          await new Promise((resolve) => setTimeout(resolve, 10));
          written.set(name, bytes);
        },
        ...readBack && { readBack: (name) => Promise.resolve(written.get(name)!.slice()) },
      });
      const other = [...quick.weights].filter(([name, bytes]) => bytes.toHex() !== written.get(name)!.toHex());
      assertEquals(other.map(([name]) => name), []);
    }
  }
});
