/**
 * A sweep as a Slurm array, by the recipe in `examples/sweep/` as it stands, on three nodes of which one dies under its work:
 * the sweep ends whole, and `collect` has every run once; then one run of two ranks by srun. Run by `.ci/run`; a failure ends
 * it with a stack.
 *
 *   deno run -A tests/slurm/sweep.ts      # as root, with Debian's slurmctld, slurmd, slurm-client and munge
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { AUSTEN, ROOT, TOKENS } from "../scripts/commands.ts";
import { Cluster, NODES, until } from "./cluster.ts";

// npx sets it, and `deno task` leaves it as it is: the jobs would look for their plans where npx was called.
Deno.env.delete("INIT_CWD");
const folder = await Deno.makeTempDir({ prefix: "pare-slurm-" }), begun = performance.now();

/** Runs a command of Pare that must succeed. */
// deno-lint-ignore no-explicit-any -- the JSON of a command
async function pare(command: string, ...args: string[]): Promise<any> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", `${ROOT}scripts/pare.ts`, command, ...args, "--json"],
    cwd: folder,
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

try {
  // The recipe calls `deno task` in a clone; here it stands in a folder of its own, which is not to be littered.
  await Deno.mkdir(join(folder, "bin"));
  await Deno.writeTextFile(
    join(folder, "bin", "deno"),
    `#!/bin/sh\n[ "$1" = task ] && shift\nexec ${Deno.execPath()} task --quiet --config ${ROOT}deno.json "$@"\n`,
    { mode: 0o755 },
  );
  const grid = {
    models: [AUSTEN],
    methods: ["wanda", "sparsegpt"],
    patterns: ["2:4"],
    seeds: [0, 1],
    flags: { calibration: TOKENS },
  };
  await Deno.writeTextFile(join(folder, "grid.json"), JSON.stringify(grid));
  await pare("sweep", "grid.json", "--out", "sweep.jsonl");
  // More than there are nodes.
  const count = (await Deno.readTextFile(join(folder, "sweep.jsonl"))).trim().split("\n").length;
  assertEquals(count, 4);

  const cluster = await Cluster.start(folder, {
    PATH: `${join(folder, "bin")}:${Deno.env.get("PATH")}`,
    XDG_DATA_HOME: join(folder, "data"),
    NO_COLOR: "1",
  });
  await using _cluster = cluster;
  console.log(`three nodes after ${Math.round((performance.now() - begun) / 1000)} s`);
  const size = ["--cpus-per-task=1", "--mem=400M", `--array=0-${count - 1}`, `--chdir=${folder}`, "--output=log-%a"];
  const { out: job } = await cluster.run(
    "sbatch",
    "--parsable",
    ...size,
    `${ROOT}examples/sweep/slurm.sbatch`,
    "sweep.jsonl",
  );

  // Its work is under way: the process of the sandbox that computes.
  const [, dying] = NODES, computes = (id: number) => commandLine(id).includes("sandboxed.ts");
  await until(`a run on ${dying}`, 60, () => cluster.processesOf(dying).some(computes));
  await cluster.kill(dying);
  console.log(`${dying} dies after ${Math.round((performance.now() - begun) / 1000)} s`);

  await until("the array is done", 300, async () => (await cluster.run("squeue", "--noheader")).out === "");
  const { out: jobs } = await cluster.run("scontrol", "show", "job", job);
  const states = [...jobs.matchAll(/JobState=(\w+)/g)].map(([, state]) => state);
  const restarts = [...jobs.matchAll(/Restarts=(\d+)/g)].reduce((sum, [, times]) => sum + Number(times), 0);
  assertEquals(states, Array(count).fill("COMPLETED"), jobs);
  assert(restarts >= 1, "the task of the dead node was not started again");

  const collected = await pare("collect", "records", "--runs", "runs.db");
  assertEquals([collected.records, collected.added, collected.problems], [count, count, []]);
  const { runs } = await pare("runs", "list", "--runs", "runs.db");
  assertEquals(runs.map(({ status }: { status: string }) => status), Array(count).fill("finished"));
  const ids = runs.map(({ manifest, planId }: { manifest?: { planId: string }; planId?: string }) =>
    planId ?? manifest?.planId
  );
  assertEquals(new Set(ids).size, count);
  assertEquals((await pare("collect", "records", "--runs", "runs.db")).added, 0);
  console.log(
    `${count} runs on three nodes, ${restarts} begun again: whole after ${
      Math.round((performance.now() - begun) / 1000)
    } s`,
  );

  // One run on the two nodes that are left: srun tells each process its rank and how many there are.
  const cut = ["--model", AUSTEN, "--calibration", TOKENS, "--method", "sparsegpt", "--shards", "4", "--runs", "none"];
  await pare("prune", ...cut, "--out", "one");
  const nodes = ["--nodes=2", "--ntasks-per-node=1", "--cpus-per-task=1", "--mem=400M", `--chdir=${folder}`];
  const shared = [...cut, "--out", "two", "--exchange", "exchange", "--workers", "1", "--patience", "60"];
  const { out: said } = await cluster.run("srun", ...nodes, "deno", "task", "prune", ...shared);
  assertStringIncludes(said, "rank 1 of 2: done in");
  const [one, two] = ["one", "two"].map((out) => Deno.readFileSync(join(folder, out, "model.safetensors")));
  assertEquals(two, one);
  console.log(
    `two ranks under srun give the bytes of one process after ${Math.round((performance.now() - begun) / 1000)} s`,
  );
} catch (error) {
  for await (const { name } of Deno.readDir(folder)) {
    if (!/^log-|\.log$/.test(name)) continue;
    console.error(`-- ${name}\n${(await Deno.readTextFile(join(folder, name))).split("\n").slice(-15).join("\n")}`);
  }
  throw error;
} finally {
  await Deno.remove(folder, { recursive: true }).catch(() => {});
}

function commandLine(id: number): string {
  try {
    return Deno.readTextFileSync(`/proc/${id}/cmdline`);
  } catch {
    return "";
  }
}
