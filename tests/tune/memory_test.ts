/** A training that cannot fit its backend is refused by its size before anything is computed. */
import { assertStringIncludes, assertThrows } from "@std/assert";
import { PareError } from "../../src/errors.ts";
import { parseConfig } from "../../src/mod.ts";
import { checkWholeModel } from "../../src/tune/memory.ts";
import { LLAMA_7B_CONFIG, SMOLLM2_CONFIG } from "../../scripts/bench/shapes.ts";

const GIB = 2 ** 30,
  wasm = { name: "wasm", limits: { memoryBytes: 4 * GIB, batchTokens: 1024, spoolAbove: GIB } } as const;
const specOf = (shape: Readonly<Record<string, unknown>>, blocks: number) =>
  parseConfig({ ...shape, num_hidden_layers: blocks }, "a config");

Deno.test("all weights of a small model fit 4 GiB, those of LLaMA-7B do not: its size is named, and what would fit", () => {
  const size = { backend: wasm, tokens: 1024, spooled: false };
  checkWholeModel(specOf(SMOLLM2_CONFIG, 30), size);
  const { message } = assertThrows(() => checkWholeModel(specOf(LLAMA_7B_CONFIG, 32), size), PareError);
  // 6738 M weights are 25.1 GiB in F32; beside them a block and what its layers give (1.5 GiB) and 33 bounds of hidden states (0.5).
  assertStringIncludes(message, "--mode full: the gradients of 6738 M weights, and a block, take 27.");
  assertStringIncludes(message, "the wasm backend holds 4.0 GiB, enough for about ");
  assertStringIncludes(message, "expected --mode lora or --mode reconstruct");
  // Half a billion fit, and a backend that tells no limit refuses nothing itself.
  checkWholeModel(specOf(LLAMA_7B_CONFIG, 1), { ...size, tokens: 256 });
  checkWholeModel(specOf(LLAMA_7B_CONFIG, 32), {
    ...size,
    backend: { name: "webgpu", limits: { ...wasm.limits, memoryBytes: Infinity } },
  });
});
