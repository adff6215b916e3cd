/** Logits of every model family against transformers, on tiny random models. */
import { assertLess } from "@std/assert";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { logits } from "../../src/stream/logits.ts";
import { BACKENDS } from "./backends.ts";
import { GoldenFile } from "./files.ts";
import { largestDifference } from "./suite.ts";

/** The part's own target for logits in f32. */
const LOGIT_TOLERANCE = 1e-4;
const root = new URL("..", import.meta.url).pathname;

for (const [name, open] of BACKENDS) {
  for (const family of ["llama3", "mistral", "qwen2", "qwen3"]) {
    Deno.test(`tiny-${family} on ${name}: logits agree with transformers`, async () => {
      await using backend = await open();
      await using checkpoint = await openDirectory(`${root}fixtures/models/tiny-${family}`);
      const golden = new GoldenFile(`${root}golden/tiny-${family}/logits.safetensors`);
      const got = await logits(golden.tokens("tokens"), { checkpoint, backend });
      assertLess(largestDifference(golden.floats("logits"), got), LOGIT_TOLERANCE);
    });
  }
}
