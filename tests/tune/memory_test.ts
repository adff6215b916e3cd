/** A training that cannot fit its backend is refused by its size before anything is computed. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { PareError } from "../../src/errors.ts";
import { parseConfig } from "../../src/mod.ts";
import { precisionFor } from "../../src/tune/memory.ts";
import { LLAMA_7B_CONFIG, SMOLLM2_CONFIG } from "../../scripts/bench/shapes.ts";

const GIB = 2 ** 30,
  wasm = { name: "wasm", limits: { memoryBytes: 4 * GIB, batchTokens: 1024, spoolAbove: GIB } } as const;
const specOf = (shape: Readonly<Record<string, unknown>>, blocks: number) =>
  parseConfig({ ...shape, num_hidden_layers: blocks }, "a config");

Deno.test("all weights of a small model fit 4 GiB, more of them in BF16; of those of LLaMA-7B the size is named, and what would fit", () => {
  const size = { backend: wasm, tokens: 1024, spooled: false }, large = specOf(LLAMA_7B_CONFIG, 32);
  for (const asked of ["auto", "f32"] as const) {
    assertEquals(precisionFor(specOf(SMOLLM2_CONFIG, 30), size, asked), "F32");
  }
  assertEquals(precisionFor(specOf(SMOLLM2_CONFIG, 30), size, "bf16"), "BF16");
  const { message } = assertThrows(() => precisionFor(large, size, "f32"), PareError);
  // 6738 M weights are 25.1 GiB in F32; beside them a block and what its layers give (1.5 GiB) and 33 bounds of hidden states (0.5).
  assertStringIncludes(message, "--mode full: the gradients of 6738 M weights in F32, and a block, take 27.");
  assertStringIncludes(message, "the wasm backend holds 4.0 GiB, enough for about ");
  assertStringIncludes(message, "expected --precision bf16, --mode lora or --mode reconstruct");
  // 12.6 GiB in BF16, a block with gradients in F32 (1.1), and the same of what layers give and of hidden states.
  for (const asked of ["auto", "bf16"] as const) {
    assertThrows(
      () => precisionFor(large, size, asked),
      PareError,
      "6738 M weights in BF16, and a block, take 14.7 GiB",
    );
  }
  // Half a billion fit, a whole one in BF16 alone, and a backend that tells no limit refuses nothing itself.
  assertEquals(precisionFor(specOf(LLAMA_7B_CONFIG, 1), { ...size, tokens: 256 }, "auto"), "F32");
  assertEquals(precisionFor(specOf(LLAMA_7B_CONFIG, 3), { ...size, tokens: 256 }, "auto"), "BF16");
  const backend = { name: "webgpu" as const, limits: { ...wasm.limits, memoryBytes: Infinity } };
  assertEquals(precisionFor(large, { ...size, backend }, "auto"), "F32");
});
