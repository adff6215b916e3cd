/** Benchmarks in a registry: each kept beside what it was asked, found again, and its documents to the bit. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { PareError } from "../../src/errors.ts";
import { refuseChangedData } from "../../src/run/benchmarks.ts";
import { packDocuments, unpackDocuments } from "../../src/run/documents.ts";
import type { DocumentRecord, InputFile, Manifest } from "../../src/run/record.ts";
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
  assert(packed.length < 12 * documents.reduce((sum, { answers }) => sum + answers.length, 0), `${packed.length}`);
  assertThrows(() => unpackDocuments(packed.subarray(0, 99)), SyntaxError);
});

Deno.test("results are told apart by version, examples, number of documents and data, and the same one is replaced", () => {
  using folder = temporary();
  using registry = Registry.open(`${folder.path}/runs.db`, { mode: "write" });
  const id = registry.begin(evaluation()), { plan } = manifest();
  const others = [{ version: 2 }, { shots: 5 }, { documents: 2 }, { data: ["34".repeat(32)] }, { name: "b" }];
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
