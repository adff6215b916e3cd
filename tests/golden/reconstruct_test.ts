/**
 * Block reconstruction on Austen-700K: against PyTorch step for step, where its results are there, and by how much of what
 * pruning loses it wins back.
 */
import { assertEquals, assertGreater, assertLess, assertLessOrEqual } from "@std/assert";
import type { Backend } from "../../src/backend/backend.ts";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import type { Method } from "../../src/method/method.ts";
import { findMethod, makeRequest } from "../../src/method/mod.ts";
import { readSpec } from "../../src/model/read.ts";
import { evaluate } from "../../src/stream/evaluate.ts";
import { prune } from "../../src/stream/prune.ts";
import { chooseTargets } from "../../src/stream/target.ts";
import { rectangle } from "../../src/text/batch.ts";
import { BACKENDS, WASM } from "./backends.ts";
import { GoldenFile } from "./files.ts";
import { overlay, widen } from "./overlay.ts";
import { SHARED, testWith } from "./shared.ts";

const root = new URL("..", import.meta.url).pathname, AUSTEN = `${root}fixtures/models/Austen-700K`;

/** Weights after 20 steps in f32 differ between two programs by 9.4e-7 of the largest, their changes by 8.9e-5: asked for is 20 times that. */
const WEIGHTS = 2e-5, CHANGES = 2e-3;

/** A method that removes what a golden mask does: of each linear's weights a bit, 1 = kept. */
function masked(masks: GoldenFile, dense: ReadonlyMap<string, Float32Array>): Method {
  return {
    name: "given",
    statistic: "none",
    supports: [],
    begin: (backend: Backend) => ({
      prune({ name, weight }) {
        const kept = masks.bytes(`${name}.weight`);
        const left = dense.get(`${name}.weight`)!.map((value, at) => kept[at >> 3] >> (at & 7) & 1 ? value : 0);
        using numbers = backend.upload(new Uint8Array(left.buffer), weight.rows, weight.cols, "F32");
        backend.assign(weight, numbers);
        return backend.zeros(weight);
      },
      [Symbol.dispose]() {},
    }),
  };
}

for (const { name, ignore, open } of BACKENDS) {
  testWith([SHARED], `a block after 20 steps has the weights that PyTorch gives it, on ${name}`, async () => {
    await using backend = await open();
    await using stored = await openDirectory(AUSTEN);
    const checkpoint = widen(stored), golden = new GoldenFile(`${SHARED}/golden/finetune/block.safetensors`);
    const tokens = new GoldenFile(`${SHARED}/golden/finetune/tokens.safetensors`).tokens("reconstruction");
    const linears = chooseTargets(readSpec(checkpoint), { sparsity: 0 }, { blocks: "0" }).get(0)!;
    const dense = new Map<string, Float32Array>();
    for (const [tensor, bytes] of await checkpoint.read(linears.map(({ name }) => `${name}.weight`))) {
      dense.set(tensor, new Float32Array(bytes.slice().buffer));
    }
    const found = new Map<string, Float32Array>();
    await prune({
      checkpoint,
      backend,
      method: masked(new GoldenFile(`${root}golden/Austen-700K/wanda-2_4.safetensors`), dense),
      request: { sparsity: 0 },
      targets: new Map([[0, linears]]),
      calibration: rectangle(tokens.ids.slice(0, 8 * tokens.length), tokens.length),
      reconstruct: { epochs: 10, rate: 1e-3 }, // two steps of four sequences each
      write: (name, bytes) => Promise.resolve(void found.set(name, new Float32Array(bytes.slice().buffer))),
    });
    const largest = (numbers: Float32Array) => numbers.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    assertEquals(golden.names.length, 2);
    for (const tensor of golden.names) {
      const want = golden.floats(tensor), got = found.get(tensor)!, before = dense.get(tensor)!;
      const apart = largest(got.map((value, i) => value - want[i]));
      assertLessOrEqual(apart / largest(want), WEIGHTS, tensor);
      const change = largest(want.map((value, i) => value === 0 ? 0 : value - before[i]));
      assertLessOrEqual(apart / change, CHANGES, tensor);
    }
    assertEquals(backend.live, 0);
  }, ignore);
}

/** Perplexities of the published code (`austen_test.ts` holds Pare's against them). */
const published: { dense: { ppl: number }; runs: Record<string, { ppl: number }> } = JSON.parse(
  Deno.readTextFileSync(`${root}golden/Austen-700K/results.json`),
);

/** What is asked of one epoch: PyTorch's closes 58 to 61 % of the gap. */
const CLOSED = 0.45;

// The masks are all that differs: at 50 % the gate alone asks.
for (const pattern of [...SHARED ? [undefined] : [], { n: 2, m: 4 }]) {
  Deno.test(`one epoch closes half of the gap to the dense model (${pattern ? "2:4" : "50 %"})`, async () => {
    await using backend = await WASM.open();
    await using checkpoint = await openDirectory(AUSTEN);
    const file = new GoldenFile(`${root}golden/Austen-700K/tokens.safetensors`), wanda = findMethod("wanda");
    const windows = file.tokens("evaluation"), request = makeRequest(wanda, pattern ? { pattern } : { sparsity: 0.5 });
    const weights = new Map<string, Uint8Array<ArrayBuffer>>();
    await prune({
      ...{ checkpoint, backend, method: wanda, request, calibration: file.tokens("calibration") },
      reconstruct: { epochs: 1, rate: 3e-3 },
      write: (name, bytes) => Promise.resolve(void weights.set(name, bytes)),
    });
    const { perplexity } = await evaluate(windows, { checkpoint: overlay(checkpoint, weights), backend });
    const run = published.runs[pattern ? "wanda-2_4" : "wanda-0.5"];
    const [dense, before, after] = [published.dense.ppl, run.ppl, perplexity].map(Math.log);
    assertLess(dense, after);
    assertGreater((before - after) / (before - dense), CLOSED);
  });
}
