/**
 * Gradients of a whole model: whatever is kept of the way forward, and whatever is trained, they are the same bytes, and
 * nothing is left behind.
 */
import { assert, assertEquals, assertLess } from "@std/assert";
import type { Backend, Tensor } from "../../src/backend/backend.ts";
import { openWasm } from "../../src/backend/wasm/mod.ts";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { modelTensors } from "../../src/model/layers.ts";
import { readSpec } from "../../src/model/read.ts";
import { type GradientOptions, lossGradients } from "../../src/stream/gradients.ts";
import { rectangle } from "../../src/text/batch.ts";
import { ReferenceBackend } from "../reference/backend.ts";
import { MODELS } from "./checkpoints.ts";

const WINDOWS = rectangle(Uint32Array.from({ length: 3 * 16 }, (_, i) => (i * 31 + 5) % 61), 16);

/** The loss and the gradients by the tensors whose names are wanted. */
async function gradientsOf(
  backend: Backend,
  checkpoint: Checkpoint,
  wanted: (name: string) => boolean,
  options: Pick<GradientOptions, "records" | "spool"> = {},
) {
  const spec = readSpec(checkpoint), held = new Map<string, Tensor>();
  using scope = new DisposableStack();
  for (const { name, shape, transposed } of modelTensors(spec)) {
    if (!wanted(name)) continue;
    const [rows, cols] = shape.length === 2 ? shape : [1, shape[0]];
    held.set(name, scope.use(transposed ? backend.allocate(cols, rows) : backend.allocate(rows, cols)));
  }
  const gradients = (name: string) => held.get(name), own = { checkpoint, backend, spec, gradients };
  const { loss } = await lossGradients(WINDOWS, { ...own, ...options });
  const bytes = await backend.read(...held.values());
  return { loss, gradients: new Map([...held.keys()].map((name, at) => [name, bytes[at]])) };
}

for (const model of ["tiny-llama3", "tiny-gpt2", "tiny-gemma2", "tiny-mixtral", "tiny-opt-projected", "tiny-bloom"]) {
  Deno.test(`${model}: gradients are the same bytes whether blocks' records are kept, some of them, or none`, async () => {
    await using checkpoint = await openDirectory(`${MODELS}/${model}`);
    await using backend = await openWasm({ workers: 1 });
    const all = () => true, whole = await gradientsOf(backend, checkpoint, all);
    // Some fit and some do not, as they are kept in memory or in a file.
    for (const options of [{ records: 0 }, { records: 40_000 }, { records: 40_000, spool: { always: true } }]) {
      assertEquals(await gradientsOf(backend, checkpoint, all, options), whole);
    }
  });

  Deno.test(`${model}: what is trained has the gradients that it has among all others, and nothing is left behind`, async () => {
    await using checkpoint = await openDirectory(`${MODELS}/${model}`);
    const backend = new ReferenceBackend(), { blocks } = readSpec(checkpoint);
    const whole = await gradientsOf(backend, checkpoint, () => true);
    const last = modelTensors(readSpec(checkpoint)).filter(({ name }) => name.includes(`.${blocks.at(-1)!.index}.`));
    const choices: ((name: string) => boolean)[] = [
      (name) => /(q_proj|query_key_value|c_attn)\.weight$/.test(name),
      (name) => last.some((tensor) => tensor.name === name) && /norm|ln/.test(name),
      (name) => /embed|wte/.test(name),
      (name) => /final|model\.norm|ln_f/.test(name),
    ];
    for (const [at, wanted] of choices.entries()) {
      for (const records of [0, undefined]) {
        const { loss, gradients } = await gradientsOf(backend, checkpoint, wanted, { records });
        assertEquals(loss, whole.loss);
        assert(gradients.size > 0 || at > 0, `choice ${at}`);
        for (const [name, bytes] of gradients) assertEquals(bytes, whole.gradients.get(name), name);
      }
    }
    assertEquals(backend.live, 0);
  });
}

Deno.test("below the lowest block that is trained nothing is gone back over", async () => {
  await using checkpoint = await openDirectory(`${MODELS}/tiny-llama3`);
  const backend = new ReferenceBackend();
  let products = 0;
  const linearBackward = backend.linearBackward.bind(backend);
  backend.linearBackward = (dy, weight) => {
    products++;
    return linearBackward(dy, weight);
  };
  const count = async (wanted: (name: string) => boolean) => {
    products = 0;
    await gradientsOf(backend, checkpoint, wanted);
    return products;
  };
  const all = await count(() => true), { blocks } = readSpec(checkpoint);
  const upper = await count((name) => name.includes(`.${blocks.length - 1}.mlp.down_proj`));
  assertLess(upper, all / 2);
});
