/** Calibration text that a model writes itself: the golden program's ids, one by one, however many are written at once. */
import { assertEquals, assertRejects } from "@std/assert";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { PareError } from "../../src/errors.ts";
import { writeItself } from "../../src/generate/self.ts";
import { Random } from "../../src/text/random.ts";
import { BACKENDS } from "../golden/backends.ts";
import { GoldenFile } from "../golden/files.ts";

const ROOT = new URL("..", import.meta.url).pathname, MODEL = `${ROOT}fixtures/models/Austen-700K`;

for (const { name, ignore, open } of BACKENDS) {
  Deno.test({
    name: `${name}: Austen-700K writes what the golden program writes, and each sequence what its own seed says`,
    ignore,
    async fn() {
      await using backend = await open();
      await using checkpoint = await openDirectory(MODEL);
      const golden = new GoldenFile(`${ROOT}golden/Austen-700K/methods/generated.safetensors`).tokens("generated");
      const { sequences: samples, length } = golden, told: number[] = [];
      // No draw of theirs is nearer than 1e-5 to where another token begins.
      const write = (samples: number, seed: number) =>
        writeItself({
          checkpoint,
          backend,
          samples,
          length,
          seed,
          startToken: 0,
          onProgress: (done) => void told.push(done),
        });
      assertEquals(await write(samples, 0), golden.ids);
      assertEquals(told.at(-1), samples * length);
      assertEquals(await write(1, 2), golden.ids.slice(2 * length, 3 * length));
      assertEquals(backend.live, 0);
    },
  });
}

Deno.test("a model whose config names no first token must be told one", async () => {
  await using backend = await BACKENDS[0].open();
  await using checkpoint = await openDirectory(MODEL);
  const config = { ...checkpoint.config, bos_token_id: null };
  const options = { checkpoint: { ...checkpoint, config }, backend, samples: 1, length: 2, seed: 0 };
  const { message } = await assertRejects(() => writeItself(options), PareError);
  assertEquals(
    message,
    `${MODEL}: config.json names no bos_token_id for a text to begin with: expected --start-token`,
  );
});

Deno.test("numbers in [0, 1) are those of CPython", () => {
  // random.Random(seed).random(), three times, of CPython 3.
  const expected: Readonly<Record<number, readonly number[]>> = {
    0: [0.8444218515250481, 0.7579544029403025, 0.420571580830845],
    1: [0.13436424411240122, 0.8474337369372327, 0.763774618976614],
    7: [0.32383276483316237, 0.15084917392450192, 0.6509344730398537],
  };
  for (const [seed, numbers] of Object.entries(expected)) {
    const random = new Random(Number(seed));
    assertEquals(numbers.map(() => random.random()), [...numbers], seed);
  }
});
