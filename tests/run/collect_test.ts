/** Records of runs, a file each, and the registry that is made of them: nothing lost, nothing twice, whoever writes when. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "node:path";
import { PareError } from "../../src/errors.ts";
import { collect } from "../../src/run/collect.ts";
import { readRecordFile, RecordFile, recordNames } from "../../src/run/record_file.ts";
import { Recorder } from "../../src/run/recorder.ts";
import { Registry } from "../../src/run/registry.ts";
import type { LinearSummary, RunFilter } from "../../src/run/registry.ts";
import { generator, SEED } from "../fuzz/seed.ts";
import { curve, linear, manifest, task } from "./runs.ts";

const WRITER = new URL("record_writer.ts", import.meta.url).href;
const COLLECT = new URL("../../scripts/collect.ts", import.meta.url).href;

async function withFolder(test: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pare-records-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const deno = (module: string, ...args: string[]) =>
  new Deno.Command(Deno.execPath(), { args: ["run", "-A", module, ...args], stdout: "piped", stderr: "inherit" })
    .spawn();

/** Every run of a registry that a filter asks for. */
function all(registry: Registry, filter: RunFilter = {}) {
  const runs = [];
  let page = registry.list({ ...filter, limit: 100 });
  runs.push(...page.runs);
  while (page.next !== undefined) {
    page = registry.list({ ...filter, limit: 100, cursor: page.next });
    runs.push(...page.runs);
  }
  return runs;
}

const PLANS = 1000, PROCESSES = 8;

Deno.test("a thousand plans over eight processes on one folder: nothing lost, nothing twice, by three who collect at once", () =>
  withFolder(async (folder) => {
    const path = join(folder, "runs.db"), records = `${folder}/records/`, each = PLANS / PROCESSES;
    await Deno.mkdir(records);
    const writers = Array.from({ length: PROCESSES }, (_, at) => deno(WRITER, records, `${at * each}`, `${each}`, "1"));
    // Those who collect do not wait until all is there.
    const early = deno(COLLECT, records, "--runs", path);
    const codes = await Promise.all([...writers, early].map(async (process) => (await process.output()).code));
    assertEquals(codes, Array(PROCESSES + 1).fill(0));
    const late = await Promise.all([1, 2].map(() => deno(COLLECT, records, "--runs", path, "--json").output()));
    assertEquals(late.map(({ code }) => code), [0, 0]);
    assertEquals(recordNames(records).length, PLANS);

    using registry = Registry.open(path, { mode: "read" });
    const runs = all(registry);
    assertEquals(
      runs.map(({ manifest }) => manifest.plan.model.name).sort(),
      Array.from({ length: PLANS }, (_, number) => `model ${number}`).sort(),
    );
    assertEquals(new Set(runs.map(({ id }) => id)).size, PLANS);
    for (const { id, status, phases, peakBytes, tags, out } of runs) {
      const number = parseInt(id, 16);
      assertEquals({ status, phases, peakBytes, tags, out }, {
        status: "finished",
        phases: { prune: number },
        peakBytes: 1000 + number,
        tags: ["sweep-all"],
        out: `/out/${number}`,
      });
      assertEquals(registry.layers(id).map(({ name }: LinearSummary) => name), ["linear.0"]);
    }
  }));

/** What is shown of a run, but for when it was. */
function shown(registry: Registry, id: string) {
  const { startedAt: _s, finishedAt: _f, progress: _p, ...run } = registry.get(id)!;
  return { run, layers: registry.layers(id), curve: registry.curvePoints(id), drawn: registry.layer(id, "linear.1") };
}

Deno.test("a run that was recorded in a file is the run that a registry would have", () =>
  withFolder((folder) => {
    const one = join(folder, "one.db"), other = join(folder, "other.db"), own = manifest();
    const { record, documents } = task("piqa", [0, 1, 1]);
    const evaluation = { description: "text", sequences: 1, seqlen: 2, sha256: "00".repeat(32) };
    for (const path of [one, `${folder}/`]) {
      {
        using recorder = Recorder.begin(path, own, { out: "/o", labels: { name: "n", note: "two\nlines" } });
        for (const index of [0, 1]) recorder.linear(linear(`linear.${index}`, index));
        for (const point of curve(2)) recorder.curve(point);
        recorder.curve({ kind: "step", step: 3, loss: NaN, rate: 0, norm: 0, seconds: 1 });
        recorder.progress({ phase: "prune", block: 1, blocks: 2, done: 1, total: 2 });
        recorder.finish({ prune: 2.5 }, 77, { manifest: { ...own, outputs: [] } });
      }
      using evaluating = Recorder.begin(path, manifest({ planId: "e".repeat(16) }), {});
      for (const each of [evaluating, evaluating.of(own.planId)!]) {
        each.perplexity({ label: "pruned", perplexity: 12.5, evaluation });
        each.task(record, documents);
      }
      assertEquals(Recorder.done(path, own), { ...own, outputs: [] });
      assertEquals(Recorder.done(path, manifest({ planId: "e".repeat(16) })), undefined);
    }
    {
      using registry = Registry.open(other, { mode: "write" });
      assertEquals(collect(registry, folder), { records: 2, added: 2, grown: 0, problems: [] });
      assertEquals(collect(registry, folder), { records: 2, added: 0, grown: 0, problems: [] });
    }
    using expected = Registry.open(one, { mode: "read" });
    using found = Registry.open(other, { mode: "read" });
    assertEquals(shown(found, own.planId), shown(expected, own.planId));
    assertEquals(found.curvePoints(own.planId), curve(2));
    assertEquals(found.documents(own.planId, record), documents);
  }));

Deno.test("a process that is killed leaves what it had said; what goes on with it goes on with its record", () =>
  withFolder(async (folder) => {
    const records = `${folder}/records/`, random = generator(SEED);
    await Deno.mkdir(records);
    const process = deno(WRITER, records, "0", "1", "1000000"), wait = 300 + random(300);
    while (!recordNames(records).length) await new Promise((resolve) => setTimeout(resolve, 20));
    await new Promise((resolve) => setTimeout(resolve, wait));
    process.kill("SIGKILL");
    await process.output();
    const [name] = recordNames(records), path = join(records, name);
    // As if it had been in the middle of a line.
    await Deno.writeTextFile(path, '{"at":1,"kind":"lin', { append: true });
    const before = readRecordFile(path).filter(({ kind }) => kind === "linear").length;
    assert(before > 0);
    using registry = Registry.open(join(folder, "runs.db"), { mode: "write", now: () => Date.now() + 31_000 });
    assertEquals(collect(registry, records).added, 1);
    const [{ id, status }] = registry.list().runs;
    assertEquals([status, registry.layers(id).length], ["interrupted", before]);

    assertEquals((await deno(WRITER, records, "0", "1", `${before + 2}`).output()).code, 0);
    assertEquals(recordNames(records), [name]);
    assertEquals(collect(registry, records), { records: 1, added: 0, grown: 1, problems: [] });
    assertEquals(registry.list().runs.map(({ id, status }) => [id, status]), [[id, "finished"]]);
    assertEquals(registry.layers(id).length, before + 2);

    registry.remove(id);
    assertEquals([collect(registry, records).added, registry.list().runs.length], [0, 0]);
  }));

Deno.test("a record that is none is named with its line, and the others are taken in", () =>
  withFolder(async (folder) => {
    for (const planId of ["a", "b", "c"].map((digit) => digit.repeat(16))) {
      using recorder = Recorder.begin(`${folder}/`, manifest({ planId }), {});
      recorder.finish({}, 1);
    }
    const [a, b] = recordNames(folder).map((name) => join(folder, name));
    await Deno.writeTextFile(a, '{"at":1,"kind":"surprise"}\n', { append: true });
    await Deno.writeTextFile(b, (await Deno.readTextFile(b)).split("\n").slice(1).join("\n"));
    await Deno.writeTextFile(join(folder, "notes.txt"), "mine");
    using registry = Registry.open(join(folder, "runs.db"), { mode: "write" });
    const { records, added, problems } = collect(registry, folder);
    assertEquals([records, added, problems.length], [1, 1, 2]);
    assertStringIncludes(problems[0], `${a}:3: not a line of a run's record: kind`);
    assertStringIncludes(problems[1], "does not begin with the run's beginning");
    await Deno.remove(b);
    await Deno.mkdir(b);
    assertStringIncludes(collect(registry, folder).problems[1], `cannot read ${b}: it is a directory`);
    assertThrows(() => collect(registry, join(folder, "nowhere")), PareError, "cannot read");
    assertThrows(() => RecordFile.begin(join(folder, "nowhere"), manifest(), { resumes: false }), PareError, "ENOENT");
  }));
