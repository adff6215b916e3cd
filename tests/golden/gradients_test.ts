/** The gradient of the loss by every parameter, of every family, against PyTorch (`tests/fixtures/make/gradients.py`). */
import { assertEquals, assertLessOrEqual } from "@std/assert";
import type { Backend, Tensor } from "../../src/backend/backend.ts";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { transpose } from "../../src/checkpoint/transpose.ts";
import { modelTensors } from "../../src/model/layers.ts";
import { readSpec } from "../../src/model/read.ts";
import { lossGradients } from "../../src/stream/gradients.ts";
import { type Batch, rectangle } from "../../src/text/batch.ts";
import { BACKENDS } from "./backends.ts";
import { GoldenFile } from "./files.ts";
import { SHARED, testWith } from "./shared.ts";

const root = new URL("..", import.meta.url).pathname;

/** Loss in f32 against another order of sums: golden runs differ by 1e-7. */
const LOSS_TOLERANCE = 1e-6;
/** How nearly two correct programs agree: how far f32 is from f64 in PyTorch itself (the file's `floor`), or two f32 programs. */
const FLOORS = 3;
/** What of a floor is chance: the least that is taken for one, the largest of 24 families by the median. */
const LEAST = { largest: 4.5e-6, norm: 3.7e-6 };

/** The loss, and the gradient by every tensor of the file, in the file's layout. */
async function gradientsOf(backend: Backend, folder: string, tokens: (all: number) => Batch) {
  await using checkpoint = await openDirectory(folder);
  const spec = readSpec(checkpoint), tensors = modelTensors(spec), held = new Map<string, Tensor>();
  using scope = new DisposableStack();
  for (const { name, shape, transposed } of tensors) {
    const [rows, cols] = shape.length === 2 ? shape : [1, shape[0]];
    held.set(name, scope.use(transposed ? backend.allocate(cols, rows) : backend.allocate(rows, cols)));
  }
  const { loss } = await lossGradients(tokens(0), { checkpoint, backend, spec, gradients: (name) => held.get(name) });
  const bytes = await backend.read(...held.values()), names = [...held.keys()];
  return {
    loss,
    gradients: new Map(tensors.map(({ name, shape: [rows, cols], transposed }) => {
      const own = bytes[names.indexOf(name)];
      return [name, new Float32Array((transposed ? transpose(own, cols, rows, "F32") : own).buffer)];
    })),
  };
}

const norm = (numbers: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < numbers.length; i++) sum += numbers[i] ** 2;
  return Math.sqrt(sum);
};

const MODELS = [...Deno.readDirSync(`${root}fixtures/models`)].map(({ name }) => name).sort();

for (const { name: backendName, ignore, open } of BACKENDS) {
  for (const model of MODELS) {
    const name = `${model} on ${backendName}: the gradient by every parameter agrees with PyTorch's`;
    Deno.test({
      name,
      ignore,
      async fn() {
        await using backend = await open();
        const golden = new GoldenFile(`${root}golden/${model}/gradients.safetensors`);
        const tokens = () => {
          if (model.startsWith("tiny")) {
            return new GoldenFile(`${root}golden/${model}/logits.safetensors`).tokens("tokens");
          }
          const all = new GoldenFile(`${root}golden/${model}/tokens.safetensors`).tokens("calibration");
          return rectangle(all.ids.slice(0, all.length), all.length);
        };
        const { loss, gradients } = await gradientsOf(backend, `${root}fixtures/models/${model}`, tokens);
        assertLessOrEqual(Math.abs(loss / golden.floats("loss")[0] - 1), LOSS_TOLERANCE);
        const [byLargest, byNorm] = golden.floats("floor");
        const names = golden.names.filter((name) => !name.endsWith(".norm") && name !== "loss" && name !== "floor");
        assertEquals([...gradients.keys()].sort(), names.sort());
        for (const [name, found] of gradients) {
          const [size, largest] = golden.floats(`${name}.norm`), places = golden.floats(name);
          assertLessOrEqual(
            Math.abs(norm(found) - size),
            FLOORS * Math.max(byNorm, LEAST.norm) * size + 1e-30,
            `${name}: norm`,
          );
          for (const [i, value] of places.entries()) {
            const at = Math.floor(i * found.length / places.length), most = FLOORS * Math.max(byLargest, LEAST.largest);
            assertLessOrEqual(Math.abs(found[at] - value), most * largest + 1e-30, `${name}[${at}]`);
          }
        }
        assertEquals(backend.live, 0);
      },
    });
  }

  for (const model of ["Austen-700K", "tiny-llama3", "tiny-mistral", "tiny-qwen2", "tiny-qwen3"]) {
    testWith([SHARED], `${model} on ${backendName}: every number of every gradient agrees with PyTorch's`, async () => {
      await using backend = await open();
      const austen = model === "Austen-700K", folder = `${SHARED}/golden/finetune/`;
      const models = austen ? `${root}fixtures/models` : `${SHARED}/models`;
      const golden = new GoldenFile(`${folder}${austen ? "gradients" : model}.safetensors`);
      const tokens = () =>
        austen ? new GoldenFile(`${folder}tokens.safetensors`).tokens("gradient") : golden.tokens("tokens");
      const { loss, gradients } = await gradientsOf(backend, `${models}/${model}`, tokens);
      assertLessOrEqual(Math.abs(loss / golden.floats("loss")[0] - 1), LOSS_TOLERANCE);
      for (const [name, found] of gradients) {
        const want = golden.floats(name), apart = found.map((value, at) => value - want[at]);
        const largest = (numbers: Float32Array) => numbers.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        assertLessOrEqual(norm(apart) / norm(want), FLOORS * LEAST.norm, `${name}: norm`);
        assertLessOrEqual(largest(apart) / largest(want), FLOORS * LEAST.largest, `${name}: largest`);
      }
    }, ignore);
  }
}
