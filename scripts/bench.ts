/** `deno task bench`: measures Pare against the machine and against other software, and prints every ratio's two sides. */
import { type BENCH_PARTS, benchCommand } from "../src/cli/bench_command.ts";
import type { Values } from "../src/cli/flags.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { table } from "../src/cli/table.ts";
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
import { type Figure, met, type Ratio } from "./bench/ratio.ts";
import { benchScale } from "./bench/scale.ts";
import { benchSolve } from "./bench/solve.ts";
import { benchTable5 } from "./bench/table5.ts";
import { benchTasks } from "./bench/tasks.ts";
import { benchTune } from "./bench/tune.ts";
import { benchWeights } from "./bench/weights.ts";

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

/** `44.1 [43.0, 44.5] GFLOP/s Pare, 1 worker`: the median, and its extremes. */
function showFigure({ label, unit, median, min, max, n }: Figure): string {
  const digits = (value: number) => value < 1000 ? value.toPrecision(3) : value.toFixed(0);
  const extremes = n > 1 ? ` [${digits(min)}, ${digits(max)}]` : "";
  return `${digits(median)}${extremes} ${unit} ${label}`;
}

/** A line for each ratio; a name stands at the first of its lines. */
function rows(ratios: readonly Ratio[]): string[][] {
  return ratios.map((ratio, i) => {
    const { name, ours, theirs, target } = ratio;
    const asked = !target ? "" : "least" in target ? `≥ ${target.least}` : `≤ ${target.most}`;
    const verdict = { true: "met", false: "missed", undefined: "" }[`${met(ratio)}`];
    const first = name !== ratios[i - 1]?.name;
    return [
      ...[first ? name : "", ratio.ratio.toFixed(2), asked, verdict],
      ...[`${ours.n}`, showFigure(ours), showFigure(theirs)],
    ];
  });
}

async function main(values: Values<typeof benchCommand.flags>, { terminal, signal }: Context): Promise<Outcome> {
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
  const ratios: Ratio[] = [];
  for (const [part, measure] of Object.entries(PARTS)) {
    if (values.part.length === 0 || values.part.some((name) => name === part)) ratios.push(...await measure(bench));
  }
  const { cpu, cores, memoryBytes, system, deno, v8 } = machine;
  const text = [
    `${cpu}, ${cores} cores, ${showBytes(memoryBytes)}, ${system}, Deno ${deno}, V8 ${v8}`,
    table(["what", "ratio", "asked", "", "n", "ours", "against"], rows(ratios)),
    ...doubt,
    `Medians [and extremes] of n measurements taken in turn; took ${showSeconds((performance.now() - start) / 1000)}`,
  ].join("\n\n");
  return {
    text,
    json: { machine, quick: values.quick, ratios: ratios.map((ratio) => ({ ...ratio, met: met(ratio) })) },
  };
}

if (import.meta.main) await run(benchCommand, main);
