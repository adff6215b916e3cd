/**
 * What training takes: the way back of a linear beside its way forward; a step of LoRA beside PyTorch with PEFT on the same
 * cores, in turns, by CPU seconds of all threads together (a busy machine stretches wall time, hardly these); and the most
 * memory of a step on models of few blocks and of many, with the records of blocks and without.
 */
import { join } from "node:path";
import { type Backend, openBackend } from "../../src/mod.ts";
import { randomFloats, writeRandomModel } from "./model.ts";
import type { Bench } from "./part.ts";
import { Peer } from "./peer.ts";
import { figure, interleave, over, type Ratio, type Side } from "./ratio.ts";
import { type BenchShape, shapes, SMOLLM2_CONFIG } from "./shapes.ts";

/** What is wanted: of a linear's rate forward; of PyTorch's time and memory; of few blocks' memory. */
const BACKWARD = 0.85, STEP = 1.1, MEMORY = 0.35, DEPTH = 1.1;
/** Tokens of a step's window, and of a linear's batch. */
const TOKENS = 512, ROUNDS = 5, FEW_ROUNDS = 2;
/** Blocks of the models that are made up. */
const FEW_BLOCKS = 4, MANY_BLOCKS = 24;

const WORKER = "../../scripts/bench/tune_worker.ts";

/** Both gradients of a linear, or its product, in GFLOP/s. */
function linearSides(backend: Backend, { tokens, outs, depth }: BenchShape, held: DisposableStack): [Side, Side] {
  const upload = (rows: number, cols: number) =>
    held.use(backend.upload(new Uint8Array(randomFloats(rows * cols).buffer), rows, cols, "F32"));
  const x = upload(tokens, depth),
    dy = upload(tokens, outs),
    weight = upload(outs, depth),
    gradient = upload(outs, depth);
  const flops = 2 * tokens * outs * depth;
  const side = (label: string, count: number, run: () => void): Side => ({
    label,
    unit: "GFLOP/s",
    async sample() {
      const repeats = Math.max(1, Math.round(4e9 / flops)), start = performance.now();
      for (let i = 0; i < repeats; i++) run();
      await backend.read();
      return count * flops * repeats / (performance.now() - start) / 1e6;
    },
  });
  return [
    side("forward, 1 worker", 1, () => backend.linear(x, weight)[Symbol.dispose]()),
    side("backward, by input and weight", 2, () => {
      backend.linearBackward(dy, weight)[Symbol.dispose]();
      backend.addWeightGradient(gradient, dy, x);
    }),
  ];
}

/** A program that takes a step for every question, as a side: CPU seconds. */
const stepOf = (peer: Peer): Side => ({
  label: peer.name,
  unit: "CPU s",
  sample: async () => (await peer.ask<{ cpu: number }>({})).cpu,
});

const mib = (label: string, peer: Peer) => figure(label, "MiB", [(peer.peakBytes ?? NaN) / 2 ** 20]);

/** Takes a step in a process of its own. @returns The most memory of it. */
async function peakOf(directory: string, records: string, label: string, note: Bench["note"]) {
  await using worker = await Peer.start(WORKER, [directory, `${TOKENS}`, "1", records], note);
  if (!worker) return undefined;
  await worker.ask({});
  return mib(label, worker);
}

/** See the file's head. */
export async function benchTune({ quick, model, note }: Bench): Promise<Ratio[]> {
  const ratios: Ratio[] = [], rounds = quick ? FEW_ROUNDS : ROUNDS, cores = `${navigator.hardwareConcurrency}`;
  if (model) {
    note(`tune: a step of LoRA on SmolLM2-135M, 1 x ${TOKENS} tokens`);
    await using ours = await Peer.start(WORKER, [model, `${TOKENS}`, cores, "default"], note);
    await using theirs = await Peer.start("peft_step.py", [model, `${TOKENS}`, cores], note);
    const name = `SmolLM2-135M, a step of LoRA, 1 x ${TOKENS} tokens`;
    if (ours && theirs) {
      const [own, other] = await interleave(rounds, [stepOf(ours), stepOf(theirs)]);
      ratios.push(over(name, own, other, { most: STEP }));
      ratios.push(over(name, mib("Pare", ours), mib(theirs.name, theirs), { most: MEMORY }));
    }
  }
  {
    await using backend = await openBackend("wasm", { workers: 1 });
    for (const shape of shapes("SmolLM2-135M", TOKENS, quick)) {
      note(`tune: ${shape.name}`);
      using held = new DisposableStack();
      const [forward, backward] = await interleave(rounds, linearSides(backend, shape, held));
      ratios.push(over(`${shape.name}, back`, backward, forward, { least: BACKWARD }));
    }
  }
  const folder = await Deno.makeTempDir({ prefix: "pare-bench-" });
  try {
    for (const records of ["0", "default"]) {
      const peaks = [];
      for (const blocks of [FEW_BLOCKS, MANY_BLOCKS]) {
        const directory = join(folder, `${blocks}`);
        note(`tune: memory of a step on ${blocks} blocks, records ${records}`);
        await Deno.mkdir(directory, { recursive: true });
        await writeRandomModel(directory, blocks, SMOLLM2_CONFIG);
        peaks.push(await peakOf(directory, records, `${blocks} blocks`, note));
      }
      const [few, many] = peaks,
        kept = records === "0" ? "no records kept, hidden states in a file" : "512 MiB of records";
      if (few && many) {
        const name = `LoRA's memory, 1 x ${TOKENS} tokens, blocks of SmolLM2-135M, ${kept}`;
        ratios.push(over(name, many, few, records === "0" ? { most: DEPTH } : undefined));
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return ratios;
}
