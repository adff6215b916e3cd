/** Adapters by plain formulas: what is merged, what the gradients are, what is named, and masks in a file. */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import type { Mask } from "../../src/backend/backend.ts";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { writeTensors } from "../../src/checkpoint/tensor_file.ts";
import { PareError } from "../../src/errors.ts";
import { linearsOf } from "../../src/model/layers.ts";
import { readSpec } from "../../src/model/read.ts";
import { LoraAdapters } from "../../src/tune/lora.ts";
import { maskTensors, packKept, readMaskFile, unpackKept } from "../../src/tune/mask_file.ts";
import { readMasks } from "../../src/tune/masks.ts";
import { peftTensors, targetModules } from "../../src/tune/peft.ts";
import { tunedLinears } from "../../src/tune/targets.ts";
import { FIXTURES, temporary } from "../checkpoint/folders.ts";
import { ReferenceBackend, values } from "../reference/backend.ts";

const backend = new ReferenceBackend();
const checkpoint = await openCheckpoint(`${FIXTURES}/tiny-llama3`);
const spec = readSpec(checkpoint);

/** A mask that removes what a rule says. */
function maskWhere(rows: number, cols: number, removed: (at: number) => boolean): Mask {
  const numbers = Float32Array.from({ length: rows * cols }, (_, at) => Number(!removed(at)));
  using weight = backend.upload(new Uint8Array(numbers.buffer), rows, cols, "F32");
  return backend.zeros(weight);
}

Deno.test("an adapted weight is W + s (B A) inside the mask, and gradients are s D Aᵀ and s Bᵀ D of the masked D", () => {
  const [linear] = tunedLinears(spec), { rows, cols, name } = linear, rank = 3, alpha = 5, s = alpha / rank;
  for (const masked of [false, true]) {
    const removed = (at: number) => masked && at % 4 === 1;
    using mask = maskWhere(rows, cols, removed);
    using adapters = new LoraAdapters(backend, checkpoint, [linear], {
      ...{ rank, alpha, seed: 7 },
      mask: () => masked ? mask : undefined,
    });
    const [{ a, b }] = adapters.adapters;
    assert(a.weight.every((one) => Math.abs(one) <= 1 / Math.sqrt(cols)) && b.weight.every((one) => one === 0));
    b.weight.forEach((_, at) => b.weight[at] = Math.cos(at));
    adapters.refresh();
    const w = Float32Array.from({ length: rows * cols }, (_, at) => Math.sin(at)),
      d = w.map((_, at) => Math.cos(3 * at));
    using weight = backend.upload(new Uint8Array(w.buffer), rows, cols, "F32");
    using merged = adapters.merged(adapters.adapters[0], weight);
    // What a backward pass would leave.
    const gradient = adapters.gradients(`${name}.weight`)!;
    values(gradient).set(d);
    adapters.collect();
    const found = values(merged), byA = values(a.gradient), byB = values(b.gradient);
    const keeps = (at: number) => Number(!removed(at));
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < cols; j++) {
        let product = 0;
        for (let k = 0; k < rank; k++) product += b.weight[i * rank + k] * a.weight[k * cols + j];
        assertAlmostEquals(found[i * cols + j], w[i * cols + j] + s * product * keeps(i * cols + j), 1e-6);
      }
      for (let k = 0; k < rank; k++) {
        let sum = 0;
        for (let j = 0; j < cols; j++) sum += s * d[i * cols + j] * keeps(i * cols + j) * a.weight[k * cols + j];
        assertAlmostEquals(byB[i * rank + k], sum, 1e-5);
      }
    }
    for (let k = 0; k < rank; k++) {
      for (let j = 0; j < cols; j++) {
        let sum = 0;
        for (let i = 0; i < rows; i++) sum += s * b.weight[i * rank + k] * d[i * cols + j] * keeps(i * cols + j);
        assertAlmostEquals(byA[k * cols + j], sum, 1e-5);
      }
    }
    assertEquals(adapters.gradients("model.embed_tokens.weight"), undefined);
  }
});

Deno.test("targets: q and v by default, the one linear that holds them where there is one, globs otherwise", async () => {
  const last = (
    names: readonly { readonly name: string }[],
  ) => [...new Set(names.map(({ name }) => name.slice(name.lastIndexOf(".") + 1)))];
  assertEquals(last(tunedLinears(spec)), ["q_proj", "v_proj"]);
  assertEquals(last(tunedLinears(spec, ["*.mlp.*", "o_proj"])), ["o_proj", "gate_proj", "up_proj", "down_proj"]);
  await using pythia = await openCheckpoint(`${FIXTURES}/tiny-pythia`);
  assertEquals(last(tunedLinears(readSpec(pythia))), ["query_key_value"]);
});

Deno.test("PEFT finds modules by their last names where all of these are meant, else by whole names", () => {
  const names = tunedLinears(spec).map(({ name }) => name);
  assertEquals(targetModules(spec, names), ["q_proj", "v_proj"]);
  assertEquals(targetModules(spec, names.slice(1)), names.slice(1).toSorted());
  using adapters = new LoraAdapters(backend, checkpoint, tunedLinears(spec), {
    rank: 2,
    alpha: 2,
    seed: 0,
    mask: () => undefined,
  });
  const [first, second] = peftTensors(adapters);
  assertEquals([first.name, first.shape], [`base_model.model.${names[0]}.lora_A.weight`, [2, spec.hidden]]);
  assertEquals(second.name, `base_model.model.${names[0]}.lora_B.weight`);
});

Deno.test("masks come back from a file as they went, whatever their shape", async () => {
  for (const [rows, cols] of [[1, 1], [3, 33], [7, 64], [5, 13]]) {
    using mask = maskWhere(rows, cols, (at) => at % 3 === 0 || at % 7 === 2);
    const [bytes] = await backend.read(mask), kept = packKept(mask, bytes);
    assertEquals(kept.length, Math.ceil(rows * cols / 8));
    using again = unpackKept(backend, rows, cols, kept);
    assertEquals((await backend.read(again))[0], bytes);
  }
});

Deno.test("a file's masks are those that count; one that does not fit is refused by name", async () => {
  using folder = temporary();
  const linears = spec.blocks.flatMap(linearsOf), file = `${folder.path}/masks.safetensors`, before = backend.live;
  {
    using nothing = await readMasks(backend, checkpoint, spec, { dense: true });
    assertEquals(nothing.get(linears[0].name), undefined);
    // Keeps all: a model that is not pruned has it, and it removes nothing.
    const masks = new Map(linears.map(({ name, rows, cols }) => [name, maskWhere(rows, cols, () => false)]));
    writeTensors(file, await maskTensors(backend, linears, (name) => masks.get(name)));
    for (const mask of masks.values()) mask[Symbol.dispose]();
    assertEquals((await readMaskFile(file, linears)).size, linears.length);
    await assertRejects(() => readMasks(backend, checkpoint, spec, { file }), PareError, "is not pruned: 0 of the");
    const half = linears.map(({ name, rows, cols }) => {
      const bytes = new Uint8Array(Math.ceil(rows * cols / 8)).fill(0x0f);
      return { name: `${name}.weight`, dtype: "U8", shape: [bytes.length], bytes };
    });
    writeTensors(file, half);
    await assertRejects(
      () => readMasks(backend, checkpoint, spec, { file }),
      PareError,
      `${file}: the mask of ${linears[0].name} does not fit: in row 0 it removes a weight that is not zero`,
    );
    writeTensors(file, half.map((one) => ({ ...one, shape: [3], bytes: new Uint8Array(3) })));
    await assertRejects(() => readMaskFile(file, linears), PareError, "does not fit: expected U8");
    writeTensors(file, half.slice(1));
    await assertRejects(() => readMaskFile(file, linears), PareError, `has no mask of ${linears[0].name}`);
  }
  assertEquals(backend.live, before);
});
