/** Benchmarks in a registry: each kept beside what it was asked, found again, and its documents to the bit. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { deflateRawSync } from "node:zlib";
import { PareError } from "../../src/errors.ts";
import { listed, refuseChangedData } from "../../src/run/benchmarks.ts";
import { packDocuments, unpackDocuments, unpackScores } from "../../src/run/documents.ts";
import type { DocumentRecord, InputFile, Manifest, TaskRecord } from "../../src/run/record.ts";
import { Registry } from "../../src/run/registry.ts";
import { APPLICATION_ID, MIGRATIONS } from "../../src/run/schema.ts";
import { temporary } from "../checkpoint/folders.ts";
import { linear, manifest, task } from "./runs.ts";

const evaluation = (inputs: readonly InputFile[] = []): Manifest => {
  const { plan, ...rest } = manifest();
  return { ...rest, plan: { ...plan, kind: "eval" }, inputs };
};

Deno.test("documents come back to the bit, in a dozen bytes a request", () => {
  const documents = Array.from({ length: 500 }, (_, at): DocumentRecord => ({
    answers: Array.from({ length: 2 + at % 4 }, (_, i) => ({
      logLikelihood: -Math.exp(Math.sin(at * 7 + i) * 4),
      greedy: (at * 3 + i) % 5 === 0,
    })),
    scores: { acc: at % 2, acc_norm: (at >> 1) % 2 },
  }));
  const packed = packDocuments(documents);
  assertEquals(unpackDocuments(packed), documents);
  assertEquals(unpackScores(packed), {
    acc: documents.map(({ scores }) => scores.acc!),
    acc_norm: documents.map(({ scores }) => scores.acc_norm!),
  });
  const length = packed.documents.length + packed.scores!.length;
  assert(length < 12 * documents.reduce((sum, { answers }) => sum + answers.length, 0), `${length}`);
  assertThrows(() => unpackDocuments({ ...packed, documents: packed.documents.subarray(0, 99) }), SyntaxError);
  // What they were worth is read without what was answered.
  assertEquals(unpackScores({ ...packed, documents: new Uint8Array() }), unpackScores(packed));
});

Deno.test("results are told apart by version, examples, number of documents, data and what requests are cut to, and the same one is replaced", () => {
  using folder = temporary();
  using registry = Registry.open(`${folder.path}/runs.db`, { mode: "write" });
  const id = registry.begin(evaluation()), { plan } = manifest();
  const others = [{ version: 2 }, { shots: 5 }, { documents: 2 }, { data: ["34".repeat(32)] }, { name: "b" }, {
    longest: 64,
  }];
  const [first, second] = [task("a", [1, 0, 1]), task("a", [0, 0, 1])];
  registry.task(id, first.record, first.documents);
  registry.task(id, second.record, second.documents);
  for (const other of others) registry.task(id, { ...first.record, ...other }, first.documents);
  const group = { ...first.record, name: "g", group: { tasks: ["a"], by: "task" as const } };
  registry.task(id, group);
  assertEquals(registry.get(id)!.tasks, [
    second.record,
    ...others.map((other) => ({ ...first.record, ...other })),
    group,
  ]);
  assertEquals(registry.documents(id, second.record), second.documents);
  assertEquals(registry.documents(id, group), undefined);
  assertEquals(registry.events(id).filter(({ kind }) => kind === "task").map(({ data }) => data).at(-1), group);
  // Before its run has come to its end nobody builds on it.
  assertEquals(registry.asked(plan.model.sha256, second.record), undefined);
  registry.finish(id, { phases: {} });
  const { label: _, figures: _f, ...asked } = second.record;
  assertEquals(registry.asked(plan.model.sha256, { ...asked, label: "pruned", figures: {} }), second.record);
  assertEquals(registry.asked(plan.model.sha256, { ...second.record, shots: 7 }), undefined);
  assertEquals(registry.asked("00".repeat(32), second.record), undefined);
});

Deno.test("data are what the newest evaluation read, also of another commit in the Hub's cache", () => {
  using folder = temporary();
  const path = `${folder.path}/runs.db`,
    file = (path: string, digit: string) => ({ path, bytes: 9, sha256: digit.repeat(64) });
  const hub = (commit: string) => `/cache/datasets--a--b/snapshots/${commit.repeat(40)}/main/test/0000.parquet`;
  {
    using registry = Registry.open(path, { mode: "write" });
    for (const digit of ["1", "2"]) {
      const id = registry.begin(evaluation([file("/data/[a].jsonl", digit), file(hub("c"), digit)]));
      registry.finish(id, { phases: {} });
    }
    // One that did not come to its end says nothing.
    registry.begin(evaluation([file("/data/[a].jsonl", "3")]));
  }
  const refused = (...data: InputFile[]) => assertThrows(() => refuseChangedData(path, data), PareError, "has changed");
  for (const known of [file("/data/[a].jsonl", "2"), file(hub("d"), "2"), file("/data/a.jsonl", "9")]) {
    refuseChangedData(path, [known]);
  }
  refused(file("/data/[a].jsonl", "1"));
  refused(file("/data/other.jsonl", "1"), file(hub("d"), "1"));
  refuseChangedData(undefined, [file("/data/[a].jsonl", "1")]);
});

Deno.test("a registry from before there were benchmarks keeps its runs and events, and takes benchmarks", () => {
  using folder = temporary();
  const path = `${folder.path}/runs.db`;
  {
    using old = new DatabaseSync(path);
    for (const step of MIGRATIONS.slice(0, 3)) old.exec(step);
    old.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 3`);
    old.prepare("INSERT INTO runs (id, status, started_at, alive_at, manifest) VALUES (?, 'finished', 1, 1, ?)")
      .run("00000000000000aa", JSON.stringify(manifest()));
    const event = old.prepare("INSERT INTO events (run, kind, data) VALUES (1, ?, ?)");
    event.run("status", '{"status":"running"}');
    event.run("linear", JSON.stringify(linear("a")));
  }
  using registry = Registry.open(path, { mode: "write" });
  const [{ id, tasks }] = registry.list().runs, { record, documents } = task("a", [1, 0]);
  assertEquals(tasks, []);
  registry.task(id, record, documents);
  assertEquals(registry.events(id).map(({ id, kind }) => [id, kind]), [[1, "status"], [2, "linear"], [3, "task"]]);
  assertEquals(registry.documents(id, record), documents);
});

/** A registry as it was after so many steps, with one run. */
function oldRegistry(path: string, steps: number): DatabaseSync {
  const old = new DatabaseSync(path);
  for (const step of MIGRATIONS.slice(0, steps)) old.exec(step);
  old.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${steps}`);
  old.prepare("INSERT INTO runs (id, status, started_at, alive_at, manifest) VALUES (?, 'finished', 1, 1, ?)")
    .run("00000000000000aa", JSON.stringify(manifest()));
  return old;
}

Deno.test("a registry of any age gives no event the id of one that was removed", () => {
  for (let steps = 1; steps < MIGRATIONS.length; steps++) {
    using folder = temporary();
    const path = `${folder.path}/runs.db`;
    {
      using old = oldRegistry(path, steps);
      const event = old.prepare("INSERT INTO events (run, kind, data) VALUES (1, 'status', '{}')");
      for (let times = 0; times < 5; times++) event.run();
      old.exec("DELETE FROM events WHERE id > 2");
    }
    using registry = Registry.open(path, { mode: "write" });
    registry.label("00000000000000aa", { name: "old" });
    assertEquals(registry.events("00000000000000aa").map(({ id }) => id), [1, 2, 6], `from step ${steps}`);
  }
});

Deno.test("what documents were worth is known of a registry that kept it among their answers", () => {
  using folder = temporary();
  const path = `${folder.path}/runs.db`, { record, documents } = task("a", [1, 0, 1]);
  {
    using old = oldRegistry(path, 5);
    const columns = (of: (document: DocumentRecord) => unknown) => documents.map(of);
    const packed = {
      logLikelihoods: columns(({ answers }) => answers.map(({ logLikelihood }) => logLikelihood)),
      greedy: columns(({ answers }) => answers.map(({ greedy }) => Number(greedy))),
      scores: { acc: [1, 0, 1], acc_norm: [0, 0, 0] },
    };
    old.prepare("INSERT INTO tasks (run, label, record, documents) VALUES (1, ?, ?, ?)")
      .run(record.label, JSON.stringify(record), deflateRawSync(JSON.stringify(packed)));
  }
  using registry = Registry.open(path, { mode: "write" });
  assertEquals(registry.documents("00000000000000aa", record), documents);
  assertEquals(registry.scores("00000000000000aa", record), { acc: [1, 0, 1], acc_norm: [0, 0, 0] });
});

Deno.test("a list shows MMLU without its subjects, of each model", () => {
  const of = (label: string, name: string, group?: TaskRecord["group"]): TaskRecord => ({
    ...task(name, [1, 0]).record,
    label,
    ...group && { group },
  });
  const mmlu = { tasks: ["anatomy", "law"], by: "document" as const }, mean = { tasks: ["rte"], by: "task" as const };
  const tasks = [
    ...["anatomy", "law", "rte"].map((name) => of("dense", name)),
    of("dense", "mmlu", mmlu),
    of("dense", "mean", mean),
    of("pruned", "law"),
  ];
  assertEquals(listed(tasks).map(({ label, name }) => `${label} ${name}`), [
    "dense rte",
    "dense mmlu",
    "dense mean",
    "pruned law",
  ]);
});
