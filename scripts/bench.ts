/** `deno task bench`: measures Pare against the machine and against other software, and prints every ratio's two sides. */
import { BENCH_PARTS, benchCommand } from "../src/cli/bench_command.ts";
import type { Values } from "../src/cli/flags.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { showBytes, showSeconds } from "../src/cli/units.ts";
import { benchDecode } from "./bench/decode.ts";
import { benchDraft } from "./bench/draft.ts";
import { benchGemm, benchWebgpu } from "./bench/gemm.ts";
import { benchLarge } from "./bench/large.ts";
import { benchLink } from "./bench/link.ts";
import { describeMachine, IDLE_LOAD } from "./bench/machine.ts";
import { benchMask } from "./bench/mask.ts";
import type { Bench } from "./bench/part.ts";
import { benchPacked } from "./bench/packed.ts";
import { benchPasses } from "./bench/passes.ts";
import { benchPrune } from "./bench/prune.ts";
import type { Ratio } from "./bench/ratio.ts";
import { beginRecord } from "./bench/recorded.ts";
import { benchScale } from "./bench/scale.ts";
import { benchSolve } from "./bench/solve.ts";
import { benchTable5 } from "./bench/table5.ts";
import { benchTasks } from "./bench/tasks.ts";
import { benchTune } from "./bench/tune.ts";
import { benchWeights } from "./bench/weights.ts";
import { met, ratioTable } from "./shared/ratios.ts";

/** The first ones start processes, whose peak memory Linux counts from their parent's at that time: it is small yet. */
const PARTS: Record<typeof BENCH_PARTS[number], (bench: Bench) => Promise<Ratio[]>> = {
  prune: benchPrune,
  large: benchLarge,
  tasks: benchTasks,
  passes: benchPasses,
  decode: benchDecode,
  packed: benchPacked,
  draft: benchDraft,
  tune: benchTune,
  mask: benchMask,
  solve: benchSolve,
  weights: benchWeights,
  table5: benchTable5,
  gemm: benchGemm,
  webgpu: benchWebgpu,
  scale: benchScale,
  link: benchLink,
};

/** The bench, recorded. */
export async function main(values: Values<typeof benchCommand.flags>, context: Context): Promise<Outcome> {
  const { terminal, signal } = context;
  const start = performance.now();
  const machine = describeMachine();
  const doubt = machine.load > IDLE_LOAD
    ? [`Not an idle machine: its load was ${machine.load.toFixed(2)}. Take no figure for more than a hint.`]
    : [];
  doubt.forEach((line) => terminal.note(line));
  const bench: Bench = {
    quick: values.quick,
    model: values.model ?? Deno.env.get("PARE_SMOLLM2"),
    data: values.taskData,
    corpus: values.corpus,
    peak: values.peak && values.peak * 1e12,
    note: (line) => {
      signal.throwIfAborted();
      terminal.note(line);
    },
    progress: (position, peakBytes) => {
      signal.throwIfAborted();
      terminal.progress(position, peakBytes);
    },
  };
  const ratios: Ratio[] = [], chosen = values.part.length ? new Set(values.part) : new Set(BENCH_PARTS);
  const record = await beginRecord(
    values,
    { ...bench, machine, parts: BENCH_PARTS.filter((part) => chosen.has(part)) },
    context,
  );
  try {
    for (const [part, measure] of Object.entries(PARTS)) {
      if (chosen.has(part as typeof BENCH_PARTS[number])) ratios.push(...await measure(bench));
    }
  } catch (error) {
    await record.fail(error, signal.aborted);
    throw error;
  }
  const seconds = (performance.now() - start) / 1000;
  await record.finish(ratios, seconds, await context.peakMemory());
  const { cpu, cores, memoryBytes, system, deno, v8 } = machine;
  const text = [
    `${cpu}, ${cores} cores, ${showBytes(memoryBytes)}, ${system}, Deno ${deno}, V8 ${v8}`,
    ratioTable(ratios),
    ...doubt,
    `Medians [and extremes] of n measurements taken in turn; took ${showSeconds(seconds)}`,
  ].join("\n\n");
  return {
    text,
    json: {
      run: record.id,
      machine,
      quick: values.quick,
      ratios: ratios.map((ratio) => ({ ...ratio, met: met(ratio) })),
    },
  };
}

if (import.meta.main) await run(benchCommand, main);
