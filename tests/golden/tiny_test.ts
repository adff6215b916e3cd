/**
 * Every model family against transformers, on tiny random models: logits, and the statistic of every linear's input on the
 * dense network.
 */
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { findMethod, makeRequest } from "../../src/method/mod.ts";
import { logits } from "../../src/stream/logits.ts";
import { prune } from "../../src/stream/prune.ts";
import { BACKENDS } from "./backends.ts";
import { GoldenFile } from "./files.ts";
import { largestDifference, LOGIT_TOLERANCE, STATISTIC_TOLERANCE } from "./suite.ts";

const root = new URL("..", import.meta.url).pathname;

/** How nearly two correct programs agree: how far f32 is from f64 in transformers itself, of these models (README.md). */
const FLOORS = 3;

/** The models, and the floor of their statistics. */
const MODELS: Readonly<Record<string, number>> = {
  "llama3": 2.0e-6,
  "mistral": 2.3e-6,
  "qwen2": 2.8e-6,
  "qwen3": 2.5e-6,
  "opt": 4.1e-6,
  "opt-projected": 1.4e-6,
  "pythia": 1.4e-6,
  "gpt-neox": 1.5e-6,
  "bloom": 1.4e-6,
  "gpt2": 9.6e-7,
  "gemma2": 1.1e-6,
  "gemma3": 2.4e-6,
  "phi3": 1.4e-6,
  "phi3-longrope": 2.1e-6,
  "smollm3": 1.7e-6,
  "mistral-window": 1.6e-6,
  "qwen2-window": 1.2e-6,
  "llama-yarn": 1.9e-6,
  "llama-dynamic": 1.1e-6,
  "olmo2": 2.1e-6,
  "cohere": 7.1e-7,
  "mixtral": 2.6e-6,
  "qwen3-moe": 3.8e-6,
};

for (const { name: backendName, ignore, open } of BACKENDS) {
  for (const [model, floor] of Object.entries(MODELS)) {
    const test = (claim: string, fn: () => Promise<void>) =>
      Deno.test({ name: `tiny-${model} on ${backendName}: ${claim}`, ignore, fn });
    const golden = (file: string) => new GoldenFile(`${root}golden/tiny-${model}/${file}.safetensors`);

    test("logits agree with transformers", async () => {
      await using backend = await open();
      await using checkpoint = await openDirectory(`${root}fixtures/models/tiny-${model}`);
      const expected = golden("logits"), got = await logits(expected.tokens("tokens"), { checkpoint, backend });
      assertLessOrEqual(largestDifference(expected.floats("logits"), got), LOGIT_TOLERANCE);
      assertEquals(backend.live, 0);
    });

    test("the statistic of every linear agrees with the published code's", async () => {
      await using backend = await open();
      await using checkpoint = await openDirectory(`${root}fixtures/models/tiny-${model}`);
      const expected = golden("wanda"), wanda = findMethod("wanda"), found = new Map<string, Float32Array>();
      const reports = await prune({
        checkpoint,
        backend,
        method: wanda,
        request: makeRequest(wanda, { sparsity: 0 }),
        calibration: golden("logits").tokens("tokens"),
        write: () => Promise.resolve(),
        onStatistic: (linear, statistic) => void found.set(linear, statistic),
      });
      const names = expected.names.filter((name) => name.endsWith(".scaler_row"));
      assertEquals([...found.keys()].sort(), names.map((name) => name.slice(0, -".scaler_row".length)).sort());
      for (const name of names) {
        const got = found.get(name.slice(0, -".scaler_row".length))!;
        for (const [j, value] of expected.floats(name).entries()) {
          // A neuron that never fires has exactly 0.
          if (value === 0) assertEquals(got[j], 0, `${name} ${j}`);
          else {assertLessOrEqual(
              Math.abs(got[j] / value - 1),
              Math.max(STATISTIC_TOLERANCE, FLOORS * floor),
              `${name} ${j}`,
            );}
        }
      }
      for (const name of expected.names.filter((name) => name.endsWith(".experts.tokens"))) {
        const block = name.slice(0, -"experts.tokens".length);
        const tokens = new Map(
          reports.filter((report) => report.name.startsWith(block)).flatMap(({ name, tokens }) => {
            const [, expert] = /experts\.(\d+)\./.exec(name) ?? [];
            return expert === undefined ? [] : [[Number(expert), tokens]];
          }),
        );
        assert(tokens.size > 0, `${block}: no expert was reported`);
        assertEquals([...tokens].sort(([a], [b]) => a - b).map(([, count]) => count), [
          ...new Int32Array(expected.bytes(name).buffer),
        ]);
      }
      assertEquals(backend.live, 0);
    });
  }
}
