/** Logits of every model family against transformers, on tiny random models. */
import { assertLess } from "@std/assert";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { logits } from "../../src/stream/logits.ts";
import { BACKENDS } from "./backends.ts";
import { GoldenFile } from "./files.ts";
import { largestDifference, LOGIT_TOLERANCE } from "./suite.ts";

const root = new URL("..", import.meta.url).pathname;

for (const { name, ignore, open } of BACKENDS) {
  for (const family of ["llama3", "mistral", "qwen2", "qwen3"]) {
    Deno.test({
      name: `tiny-${family} on ${name}: logits agree with transformers`,
      ignore,
      async fn() {
        await using backend = await open();
        await using checkpoint = await openDirectory(`${root}fixtures/models/tiny-${family}`);
        const golden = new GoldenFile(`${root}golden/tiny-${family}/logits.safetensors`);
        const got = await logits(golden.tokens("tokens"), { checkpoint, backend });
        assertLess(largestDifference(golden.floats("logits"), got), LOGIT_TOLERANCE);
      },
    });
  }
}
