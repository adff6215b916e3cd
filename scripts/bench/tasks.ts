/**
 * Benchmarks: `deno task eval --tasks` of SmolLM2-135M as a user starts it, from the start of the process to its end, against
 * lm-evaluation-harness, its model and the data already loaded. Both are asked the same documents, and must agree.
 */
import { join } from "node:path";
import type { Bench } from "./part.ts";
import { Peer } from "./peer.ts";
import { figure, over, type Ratio } from "./ratio.ts";

const EVAL = new URL("../eval.ts", import.meta.url).pathname;
/** Wanda's seven, and one more. */
const TASKS = ["boolq", "rte", "hellaswag", "winogrande", "arc_easy", "arc_challenge", "openbookqa", "piqa"];
/** What is wanted: at most this share of the wall time, and of the peak memory. */
const TIME = 0.5, MEMORY = 0.25;
/** Documents of each task, and rounds. */
const SIZE = { limit: 40, rounds: 2 }, QUICK = { limit: 4, rounds: 1 };
/**
 * The harness's batches: the size that the golden results have, and the largest that it finds to fit. It tries the longest
 * request with 64 rows, whose logits alone would be gigabytes here: no more than 16.
 */
const BATCHES = ["4", "auto"] as const, MOST = "16";

/** What one run cost and found. */
interface Cost {
  readonly seconds: number;
  readonly peakBytes: number;
  /** By task. */
  readonly acc: Readonly<Record<string, number>>;
}

async function askHere(model: string, data: string, limit: number, directory: string): Promise<Cost> {
  const args = ["run", "--allow-all", EVAL, "--json", "--backend=wasm", "--force", `--model=${model}`];
  args.push(`--tasks=${TASKS}`, `--task-data=${data}`, `--limit=${limit}`, `--runs=${join(directory, "runs.db")}`);
  const start = performance.now();
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  const seconds = (performance.now() - start) / 1000;
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const { results, peakBytes } = JSON.parse(new TextDecoder().decode(stdout));
  return { seconds, peakBytes, acc: Object.fromEntries(TASKS.map((task) => [task, results[task]["acc,none"]])) };
}

/** See the file's head. */
export async function benchTasks({ quick, model, data, note }: Bench): Promise<Ratio[]> {
  if (!model || !data) {
    note(
      "the benchmarks are left out: --model or PARE_SMOLLM2 would name SmolLM2-135M's directory, --task-data their data",
    );
    return [];
  }
  const { limit, rounds } = quick ? QUICK : SIZE, ratios: Ratio[] = [];
  const directory = await Deno.makeTempDir({ prefix: "pare-bench-" });
  try {
    for (const batch of BATCHES) {
      const here: Cost[] = [], there: Cost[] = [];
      let label = "";
      for (let round = 1; round <= rounds; round++) {
        note(`${TASKS.length} benchmarks, the harness's batches: ${batch}: ${round} of ${rounds}`);
        here.push(await askHere(model, data, limit, directory));
        await using peer = await Peer.start("harness.py", [model, batch, MOST], note);
        if (!peer) return ratios;
        label = peer.name;
        there.push(await peer.ask<Cost>({ tasks: TASKS, data, limit }));
        for (const task of TASKS) {
          const [own, other] = [here, there].map((costs) => costs.at(-1)!.acc[task]);
          if (own !== other) throw new Error(`${task}: accuracy ${own}, the harness's ${other}`);
        }
      }
      const compare = (what: string, unit: string, most: number, of: (cost: Cost) => number) =>
        over(
          `${TASKS.length} benchmarks, SmolLM2-135M, ${limit} documents of each: ${what}`,
          figure("the whole process", unit, here.map(of)),
          figure(label, unit, there.map(of)),
          { most },
        );
      ratios.push(compare("time", "s", TIME, ({ seconds }) => seconds));
      ratios.push(compare("peak memory", "MiB", MEMORY, ({ peakBytes }) => peakBytes / 2 ** 20));
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  return ratios;
}
