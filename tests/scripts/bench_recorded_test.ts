/** A bench is recorded as other runs are: with its machine and options, and every ratio; where it is stopped, as interrupted. */
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { main as bench } from "../../scripts/bench.ts";
import { runFacts } from "../../scripts/runs/text.ts";
import { benchCommand } from "../../src/cli/bench_command.ts";
import { parse } from "../../src/cli/flags.ts";
import { commandLine } from "../../src/run/command.ts";
import { readRecordFile, recordNames } from "../../src/run/record_file.ts";
import type { RatioRecord, RunRecord } from "../../src/run/record.ts";
import { Recorder } from "../../src/run/recorder.ts";
import { Registry } from "../../src/run/registry.ts";
import { manifest } from "../run/runs.ts";
import { CONTEXT, errorsOf } from "./in_process.ts";

/** What a bench printed, the runs of the registry, and what `verify` says of its own. */
interface Recorded {
  readonly json: Record<string, unknown>;
  readonly runs: readonly RunRecord[];
  readonly verified: readonly string[];
}

/** Runs the part that needs no other software and no model. */
async function measured(...more: string[]): Promise<Recorded> {
  const folder = await Deno.makeTempDir({ prefix: "pare-bench-" }), path = join(folder, "runs.db");
  const model = Deno.env.get("PARE_SMOLLM2");
  Deno.env.delete("PARE_SMOLLM2");
  try {
    const args = ["--part", "scale", "--quick", "--runs", path, ...more], values = parse(benchCommand, args);
    assert(values !== "help");
    const { json } = await bench(values, { ...CONTEXT, args });
    const id = json.run as string;
    const verified = [
      await errorsOf("verify", id, "--runs", path),
      await errorsOf("verify", id, "--fast", "--runs", path),
    ];
    using registry = Registry.open(path, { mode: "read" });
    return { json, runs: registry.list().runs, verified };
  } finally {
    if (model !== undefined) Deno.env.set("PARE_SMOLLM2", model);
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a bench leaves a run with its machine, its options and every ratio that it printed; verify refuses it", async () => {
  const { json, runs: [run, ...others], verified } = await measured("--name", "idle", "--tag", "night");
  assertEquals(others, []);
  assertEquals([run.id, run.status, run.name, run.tags], [json.run as string, "finished", "idle", ["night"]]);
  const { plan } = run.manifest, { machine, ...asked } = plan.request;
  assertEquals([plan.kind, plan.model.name, plan.backend, plan.numerics], ["bench", "none", undefined, undefined]);
  assertEquals(asked, { parts: ["scale"], quick: true, data: false, peak: null });
  assertEquals((machine as { cores: number }).cores, navigator.hardwareConcurrency);
  const printed = (json.ratios as (RatioRecord & { met?: boolean })[]).map(({ met: _met, ...ratio }) => ratio);
  assert(printed.length > 0);
  assertEquals(run.ratios, JSON.parse(JSON.stringify(printed)));
  assertStringIncludes(commandLine(run.manifest), "deno task bench --part scale --quick --runs");
  assertStringIncludes(runFacts(run, []), printed[0].name);
  assertMatch(runFacts(run, []), /^machine +.+, \d+ cores$/m);
  assertEquals(verified, [
    "error: a bench measures how fast this machine is, which no repetition gives again: expected another run\n",
    `error: ${run.manifest.planId}: --fast is for models that a run wrote, and this run wrote none\n`,
  ]);
});

Deno.test("what JSON cannot say is left out of a bench's record, and a record file has its ratios as a registry has", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pare-bench-" });
  try {
    const side = { label: "Pare", unit: "s", median: 1, min: 1, max: 2, n: 3 };
    const good: RatioRecord = {
      name: "a",
      ours: side,
      theirs: { ...side, median: 2 },
      ratio: 2,
      target: { least: 1.5 },
    };
    const given = manifest(), bench = { ...given, plan: { ...given.plan, kind: "bench" as const } };
    {
      using recorder = Recorder.begin(`${folder}/`, bench, {});
      const ratios = [good, { ...good, ours: { ...side, median: NaN }, ratio: NaN }];
      recorder.finish({ bench: 1 }, 2 ** 20, { ratios });
    }
    const [name] = recordNames(folder);
    using registry = Registry.open(join(folder, "all.db"), { mode: "write" });
    registry.collect(name, readRecordFile(join(folder, name)));
    assertEquals(registry.list().runs.map(({ status, ratios }) => ({ status, ratios })), [
      { status: "finished", ratios: [good] },
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a bench that is stopped is recorded as interrupted, with no ratios", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pare-bench-" }), path = join(folder, "runs.db");
  try {
    const stop = new AbortController(), args = ["--part", "scale", "--quick", "--runs", path];
    const values = parse(benchCommand, args), terminal = { note: () => {}, progress: () => {} };
    assert(values !== "help");
    stop.abort();
    await assertRejects(() => bench(values, { ...CONTEXT, args, terminal, signal: stop.signal }));
    using registry = Registry.open(path, { mode: "read" });
    const [run] = registry.list().runs;
    assertEquals([run.status, run.ratios], ["interrupted", undefined]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
