/**
 * A step of LoRA by Pare, in answer to every line, in a process of its own whose memory is nobody else's: its CPU seconds, all
 * threads together, and its wall time. Arguments: a model's directory, tokens of the one window, workers, MiB of records (or
 * `default`).
 */
import { cpuUsage } from "node:process";
import { TextLineStream } from "../../src/cli/lines.ts";
import { LoraAdapters, openBackend, openCheckpoint, readSpec, tune, tunedLinears } from "../../src/mod.ts";
import { recordBytes } from "../../src/stream/gradients.ts";
import { rectangle } from "../../src/text/batch.ts";

const [directory, tokens, workers, mib] = Deno.args, length = Number(tokens);
await using checkpoint = await openCheckpoint(directory);
const spec = readSpec(checkpoint);
await using backend = await openBackend("wasm", { workers: Number(workers) });
using trainee = new LoraAdapters(backend, checkpoint, tunedLinears(spec), {
  ...{ rank: 8, alpha: 16, seed: 0 },
  mask: () => undefined,
});
const ids = Uint32Array.from({ length }, (_, at) => (at * 7919 + 13) % spec.vocabulary);
const windows = rectangle(ids, length), heldOut = rectangle(ids.slice(0, 2), 2);
const records = mib === "default" ? recordBytes(backend) : Number(mib) * 2 ** 20;
console.log(JSON.stringify({ name: `Pare, ${workers} workers`, threads: Number(workers) }));
for await (const _ of Deno.stdin.readable.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())) {
  let before = cpuUsage(), begun = 0, after = { cpu: 0, wall: 0 };
  const { steps: [{ loss }] } = await tune({
    ...{ backend, spec, trainee, windowsOf: () => windows, heldOut, records, microBatch: 1, evalEvery: 2 },
    spool: { always: records === 0 }, // as finetune has it
    schedule: { peak: 1e-4, warmup: 0, steps: 2, decay: "linear" },
    optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0, clip: 1 },
    mostSteps: 1,
    // The looks at two tokens before and after are not the step's.
    onEvaluation: ({ step }) => {
      if (step > 0) return;
      before = cpuUsage();
      begun = performance.now();
    },
    onStep: () => {
      const { user, system } = cpuUsage(before);
      after = { cpu: (user + system) / 1e6, wall: (performance.now() - begun) / 1000 };
    },
  });
  console.log(JSON.stringify({ ...after, loss }));
}
