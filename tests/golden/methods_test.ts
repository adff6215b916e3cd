/** Newer methods on Austen-700K and SmolLM2-135M, held against an independent f64 program on every backend. */
import { assertEquals, assertLessOrEqual } from "@std/assert";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { evaluate } from "../../src/stream/evaluate.ts";
import { prune } from "../../src/stream/prune.ts";
import { BACKENDS, WASM } from "./backends.ts";
import { GoldenFile } from "./files.ts";
import {
  compareLinear,
  compareSteps,
  given,
  maskOf,
  methodOf,
  PATTERNS,
  readResults,
  requestOf,
  SUBJECTS,
} from "./methods.ts";
import { overlay } from "./overlay.ts";
import { SHARED } from "./shared.ts";

const root = new URL("..", import.meta.url).pathname, model = `${root}fixtures/models/Austen-700K`;
const golden = `${root}golden/Austen-700K`, folder = `${golden}/methods`, results = readResults(folder);
/** Of these the Hessians are given. */
const LINEARS = ["model.layers.0.self_attn.q_proj", "model.layers.5.mlp.down_proj"];

for (const { name, ignore, open } of BACKENDS) {
  const test = (says: string, fn: () => Promise<void>) =>
    Deno.test({ name: `Austen-700K on ${name}: ${says}`, ignore, fn });

  test("given the Hessian every method leaves the golden error and mask", async () => {
    await using backend = await open();
    await using checkpoint = await openDirectory(model);
    const hessians = new GoldenFile(`${folder}/hessians.safetensors`);
    for (const linear of LINEARS) {
      const one = await given(checkpoint, linear, new Float64Array(hessians.bytes(`${linear}.hessian`).buffer));
      for (const pattern of PATTERNS) {
        const found = results.linears[pattern][linear];
        await compareSteps(backend, one, pattern, found["wanda+pcg"]);
        for (const method of Object.keys(SUBJECTS)) {
          await compareLinear(backend, one, method, pattern, found[method], maskOf(folder, method, pattern, linear));
        }
      }
    }
    assertEquals(backend.live, 0);
  });

  // The gate asks WASM all, and WebGPU, where a software driver takes seconds for each block, one; elsewhere WASM alone, one.
  const onWasm = name === WASM.name,
    patterns = SHARED && onWasm ? PATTERNS : SHARED || onWasm ? PATTERNS.slice(-1) : [];
  for (const [method, { name: ours, damping, agrees }] of patterns.length ? Object.entries(SUBJECTS) : []) {
    test(`${ours} end to end`, async () => {
      await using backend = await open();
      await using judge = await WASM.open();
      await using checkpoint = await openDirectory(model);
      const tokens = new GoldenFile(`${golden}/tokens.safetensors`), pruning = methodOf(ours);
      for (const pattern of patterns) {
        const weights = new Map<string, Uint8Array<ArrayBuffer>>();
        await prune({
          checkpoint,
          backend,
          method: pruning,
          solve: { damping },
          request: requestOf(pruning, pattern),
          calibration: tokens.tokens("calibration"),
          write: (name, bytes) => Promise.resolve(void weights.set(name, bytes)),
        });
        const windows = tokens.tokens("evaluation"), { ppl, ppl_f32 } = results.end_to_end[pattern][method];
        const { perplexity } = await evaluate(windows, { checkpoint: overlay(checkpoint, weights), backend: judge });
        // Rounding moves masks, and later blocks see it: what the program gives in f64 and in f32 are a range of right ones.
        const nearest = Math.min(Math.max(perplexity, Math.min(ppl, ppl_f32)), Math.max(ppl, ppl_f32));
        assertLessOrEqual(
          Math.abs(perplexity / nearest - 1),
          agrees.perplexity,
          `${pattern}: ${perplexity}, golden ${ppl}, in f32 ${ppl_f32}`,
        );
      }
      assertEquals(backend.live, 0);
    });
  }
}
