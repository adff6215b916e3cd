/** Names, tags and notes: kept, changed, found again; and in a registry that was begun before there were any. */
import { assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { PareError } from "../../src/errors.ts";
import { Registry } from "../../src/run/registry.ts";
import { APPLICATION_ID, MIGRATIONS } from "../../src/run/schema.ts";
import { linear, manifest } from "./runs.ts";

async function withRegistry(test: (registry: Registry, path: string) => void): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pare-labels-" }), path = join(folder, "runs.db");
  try {
    using registry = Registry.open(path, { mode: "write" });
    test(registry, path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A run's labels. */
function labels(registry: Registry, id: string) {
  const { name, tags, note } = registry.get(id)!;
  return { name, tags, note };
}

Deno.test("a run is named, tagged and noted on, all of it again, and each taken away", () =>
  withRegistry((registry) => {
    const id = registry.begin(manifest());
    assertEquals(labels(registry, id), { name: undefined, tags: [], note: undefined });
    registry.label(id, { name: " the first ", tags: ["paper,half", "paper"], note: "seed 0,\r\nlike Table 2\n" });
    assertEquals(labels(registry, id), { name: "the first", tags: ["half", "paper"], note: "seed 0,\nlike Table 2" });
    registry.finish(id, { phases: {} });
    registry.label(id, { name: "the best", untag: ["paper", "none"], tags: ["übrig"] });
    assertEquals(labels(registry, id), { name: "the best", tags: ["half", "übrig"], note: "seed 0,\nlike Table 2" });
    registry.label(id, { name: "", note: "" });
    assertEquals(labels(registry, id), { name: undefined, tags: ["half", "übrig"], note: undefined });
  }));

Deno.test("who watches a run is told of its labels, and of no change that is none", () =>
  withRegistry((registry) => {
    const id = registry.begin(manifest()), begun = registry.newestEvent(id);
    registry.label(id, {});
    registry.label(id, { tags: [], untag: [] });
    assertEquals(registry.newestEvent(id), begun);
    registry.label(id, { tags: ["b", "a"] });
    const [{ kind, data }] = registry.events(id, begun);
    assertEquals({ kind, data }, { kind: "labels", data: { tags: ["a", "b"] } });
  }));

Deno.test("labels that are no text or too long are refused, and change nothing", () =>
  withRegistry((registry) => {
    const id = registry.begin(manifest());
    const refused = (change: Parameters<Registry["label"]>[1], says: string) =>
      assertThrows(() => registry.label(id, { note: "kept out", ...change }), PareError, says);
    refused({ name: "two\nlines" }, "expected one line");
    refused({ name: "x".repeat(101) }, "expected one line");
    refused({ tags: ["good", "two words"] }, 'the tag "two words": expected a word without blanks');
    refused({ tags: ["a,,b"] }, "expected a word");
    refused({ tags: [""] }, "expected a word");
    refused({ note: "x".repeat(4001) }, "4001 characters");
    refused({ note: "\x1b[2J" }, "control characters");
    assertEquals(labels(registry, id), { name: undefined, tags: [], note: undefined });
    assertThrows(() => registry.label("nobody", { name: "x" }), PareError, 'has no run "nobody"');
  }));

Deno.test("runs are listed by name and by tag", () =>
  withRegistry((registry) => {
    const [first, second, third] = ["aa", "bb", "cc"].map((id) =>
      registry.begin(manifest({ planId: id.padStart(16, "0") }))
    );
    registry.label(first, { name: "same", tags: ["paper"] });
    registry.label(second, { name: "same", tags: ["paper", "half"] });
    registry.label(third, { tags: ["papers"] });
    const list = (filter: Parameters<Registry["list"]>[0]) => registry.list(filter).runs.map(({ id }) => id);
    assertEquals(list({ name: "same" }), [second, first]);
    assertEquals(list({ tag: "paper" }), [second, first]);
    assertEquals(list({ tag: "paper", name: "same", cursor: "2" }), [first]);
    assertEquals(list({ tag: "half" }), [second]);
    assertEquals(list({ tag: "' OR 1" }), []);
  }));

Deno.test("a run is found by its id, by the beginning of it, and by its name, if that means one alone", () =>
  withRegistry((registry) => {
    const first = registry.begin(manifest({ planId: "0123456789abcdef" }));
    const again = registry.begin(manifest({ planId: "0123456789abcdef" }));
    const other = registry.begin(manifest({ planId: "0123ffffffffffff" }));
    registry.label(other, { name: "best" });
    const find = (reference: string) => registry.find(reference).id;
    assertEquals([first, again, other].map(find), [first, again, other]);
    assertEquals([find("0123f"), find("best")], [other, other]);
    assertThrows(() => find("0123456"), PareError, `means 2 runs: ${again}, ${first}`);
    assertThrows(() => find("012"), PareError, 'no run "012"');
    assertThrows(() => find("%"), PareError, 'no run "%"');
    registry.label(first, { name: "best" });
    assertThrows(() => find("best"), PareError, "means 2 runs");
  }));

Deno.test("a run that is removed is gone with all it reported, and its number is given to no living one", () =>
  withRegistry((registry, path) => {
    const [first, second] = [1, 2].map(() => registry.begin(manifest()));
    assertThrows(() => registry.remove(first), PareError, "is running");
    for (const id of [first, second]) {
      registry.linear(id, linear("a"));
      registry.label(id, { tags: ["old"] });
      registry.finish(id, { phases: {} });
    }
    registry.remove(first);
    assertEquals(registry.get(first), undefined);
    assertEquals(registry.layers(second).length, 1);
    assertEquals(registry.begin(manifest()), "00000000000000aa-3");
    using database = new DatabaseSync(path);
    const count = (table: string) => database.prepare(`SELECT count(*) AS n FROM ${table} WHERE run = 1`).get()!.n;
    assertEquals(["linears", "events", "tags"].map(count), [0, 0, 0]);
    assertThrows(() => registry.remove(first), PareError, "has no run");
  }));

Deno.test("a registry from before there were labels keeps its runs and events, and takes labels", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pare-old-" }), path = join(folder, "runs.db");
  try {
    {
      using old = new DatabaseSync(path);
      old.exec(MIGRATIONS[0]);
      old.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 1`);
      old.prepare("INSERT INTO runs (id, status, started_at, alive_at, manifest) VALUES (?, 'finished', 1, 1, ?)")
        .run("00000000000000aa", JSON.stringify(manifest()));
      const event = old.prepare("INSERT OR REPLACE INTO events (run, kind, data) VALUES (1, ?, ?)");
      event.run("status", '{"status":"running"}');
      const evaluation = { description: "text", sequences: 4, seqlen: 128, sha256: "12".repeat(32) };
      old.prepare("INSERT INTO perplexities (run, label, record) VALUES (1, 'dense', ?)")
        .run(JSON.stringify({ label: "dense", perplexity: 15, evaluation }));
      for (const done of [1, 2, 3]) event.run("progress", `{"done":${done}}`);
    }
    {
      // Whoever may write brings it up to date, though they only look.
      using reader = Registry.open(path, { mode: "read" });
      assertEquals(reader.list().runs.length, 1);
    }
    using registry = Registry.open(path, { mode: "write" });
    const [id] = registry.list().runs.map(({ id }) => id);
    const seen = registry.events(id);
    assertEquals(registry.get(id)!.perplexities.map(({ perplexity }) => perplexity), [15]);
    assertEquals(seen.map(({ id, kind }) => [id, kind]), [[1, "status"], [4, "progress"]]);
    registry.label(id, { name: "old" });
    assertEquals(registry.events(id, 4).map(({ id, kind }) => [id, kind]), [[5, "labels"]]);
    assertEquals(labels(registry, id), { name: "old", tags: [], note: undefined });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
