/**
 * Benchmarks: `deno task eval --tasks` of SmolLM2-135M as a user starts it, from the start of the process to its end, against
 * lm-evaluation-harness, its model and the data already loaded. All are asked the same documents, in turn, and must agree.
 */
import { join } from "node:path";
import { TextLineStream } from "../../src/cli/lines.ts";
import { peakMemory } from "../../src/cli/terminal.ts";
import { showBytes, showSeconds } from "../../src/cli/units.ts";
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
 * The harness's batches, and what they are called: the size that the golden results have, and the largest that it finds to fit.
 * It tries the longest request with 64 rows, whose logits alone would be gigabytes here: no more than 16.
 */
const BATCHES = { "4": "batches of 4", auto: "automatic batches" } as const, MOST = "16";

/** What one run cost and found. */
interface Cost {
  readonly seconds: number;
  /** Of all cores, where the system counts them: on a machine that others use, too, they say more than the clock. */
  readonly cpuSeconds?: number;
  readonly peakBytes: number;
  /** By task. */
  readonly acc: Readonly<Record<string, number>>;
}

/** CPU seconds of the children that have ended; undefined where the system does not tell. */
function childrenCpu(): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  // Behind the name, which may hold blanks: fields 16 and 17 of proc_pid_stat(5), in hundredths of a second.
  const fields = Deno.readTextFileSync("/proc/self/stat").replace(/^.*\) /s, "").split(" ");
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

async function askHere(
  model: string,
  limit: number,
  { data, directory, progress }: Pick<Bench, "progress"> & { readonly data: string; readonly directory: string },
): Promise<Cost> {
  const args = ["run", "--allow-all", EVAL, "--json", "--progress=json", "--backend=wasm", "--force"];
  args.push(`--model=${model}`, `--tasks=${TASKS}`, `--task-data=${data}`, `--limit=${limit}`);
  args.push(`--runs=${join(directory, "runs.db")}`);
  const cpu = childrenCpu(), start = performance.now();
  const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "piped" }).spawn();
  let last = "";
  const watching = (async () => {
    for await (const line of child.stderr.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())) {
      last = line;
      const said = JSON.parse(line).progress;
      if (said) progress({ ...said, label: `Pare, ${said.label}` }, said.peakBytes);
    }
  })();
  const [found, { success }] = await Promise.all([new Response(child.stdout).text(), child.status, watching]);
  const seconds = (performance.now() - start) / 1000;
  if (!success) throw new Error(last);
  const { results, peakBytes } = JSON.parse(found);
  return {
    seconds,
    ...cpu !== undefined && { cpuSeconds: childrenCpu()! - cpu },
    peakBytes,
    acc: Object.fromEntries(TASKS.map((task) => [task, results[task]["acc,none"]])),
  };
}

/** What the harness says of its requests on stderr, a bar that is redrawn, as progress. */
function watch(label: string, progress: Bench["progress"]): (text: string, pid: number) => void {
  return (text, pid) => {
    for (const [, done, total] of text.matchAll(/loglikelihood requests:[^\r\n]* (\d+)\/(\d+) \[/g)) {
      progress({ label, done: Number(done), total: Number(total), unit: "requests" }, peakMemory(pid));
    }
  };
}

/** See the file's head. */
export async function benchTasks({ quick, model, data, note, progress }: Bench): Promise<Ratio[]> {
  if (!model || !data) {
    note(
      "the benchmarks are left out: --model or PARE_SMOLLM2 would name SmolLM2-135M's directory, --task-data their data",
    );
    return [];
  }
  const { limit, rounds } = quick ? QUICK : SIZE, kinds = Object.entries(BATCHES);
  const directory = await Deno.makeTempDir({ prefix: "pare-bench-" });
  const here: Cost[] = [], there = new Map(kinds.map(([batch]) => [batch, [] as Cost[]]));
  const names = new Map<string, string>();
  const told = (who: string, { seconds, cpuSeconds, peakBytes }: Cost) =>
    note(
      [
        `${who}: ${showSeconds(seconds)}`,
        ...cpuSeconds === undefined ? [] : [`${showSeconds(cpuSeconds)} of CPU time`],
        showBytes(peakBytes),
      ].join(", "),
    );
  try {
    for (let round = 1; round <= rounds; round++) {
      note(`${TASKS.length} benchmarks, ${limit} documents of each: ${round} of ${rounds}`);
      const own = await askHere(model, limit, { data, directory, progress });
      told("Pare", own);
      here.push(own);
      for (const [batch, kind] of kinds) {
        await using peer = await Peer.start("harness.py", [model, batch, MOST], note, watch(kind, progress));
        if (!peer) return [];
        const found = await peer.ask<Cost>({ tasks: TASKS, data, limit });
        told(peer.name, found);
        for (const task of TASKS) {
          if (own.acc[task] === found.acc[task]) continue;
          throw new Error(`${task}: accuracy ${own.acc[task]}, the harness's ${found.acc[task]}`);
        }
        there.get(batch)!.push(found);
        names.set(batch, peer.name);
      }
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  return kinds.flatMap(([batch, kind]) => {
    const compare = (what: string, unit: string, most: number | undefined, of: (cost: Cost) => number) =>
      over(
        `${TASKS.length} benchmarks, SmolLM2-135M, ${limit} documents of each, against ${kind}: ${what}`,
        figure("the whole process", unit, here.map(of)),
        figure(names.get(batch)!, unit, there.get(batch)!.map(of)),
        most === undefined ? undefined : { most },
      );
    return [
      compare("time", "s", TIME, ({ seconds }) => seconds),
      ...here[0].cpuSeconds === undefined ? [] : [compare("CPU time", "s", undefined, ({ cpuSeconds }) => cpuSeconds!)],
      compare("peak memory", "MiB", MEMORY, ({ peakBytes }) => peakBytes / 2 ** 20),
    ];
  });
}
