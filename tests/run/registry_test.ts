/** The registry as one process sees it: what was put in comes out, in pages, filtered, and as events. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "node:path";
import { PareError } from "../../src/errors.ts";
import type { Manifest, RunRecord } from "../../src/run/record.ts";
import { Registry } from "../../src/run/registry.ts";
import { curve, linear, manifest } from "./runs.ts";

/** Runs a test on a registry in a folder of its own, at a time that the test sets. */
async function withRegistry(test: (registry: Registry, path: string, clock: { now: number }) => void): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pare registry, " });
  const clock = { now: Date.UTC(2026, 0, 1) };
  try {
    const path = join(folder, "new", "runs.db");
    using registry = Registry.open(path, { mode: "write", now: () => clock.now });
    test(registry, path, clock);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const evaluation = { description: "wikitext2 test", sequences: 10, seqlen: 2048, sha256: "12".repeat(32) };

Deno.test("a run comes back as it was reported", () =>
  withRegistry((registry, _, clock) => {
    const id = registry.begin(manifest(), "out/dir");
    assertEquals<RunRecord | undefined>(registry.get(id), {
      id: "00000000000000aa",
      status: "running",
      startedAt: "2026-01-01T00:00:00.000Z",
      manifest: manifest(),
      out: "out/dir",
      tags: [],
      perplexities: [],
      tasks: [],
      phases: {},
    });
    const progress = { phase: "observe", block: 0, blocks: 30, done: 5, total: 10 };
    registry.progress(id, progress);
    registry.linear(id, linear("model.layers.0.b"));
    registry.linear(id, linear("model.layers.0.a"));
    registry.perplexity(id, { label: "pruned", perplexity: 20.5, evaluation });
    registry.perplexity(id, { label: "dense", perplexity: 15, evaluation });
    clock.now += 1000;
    registry.finish(id, { phases: { observe: 0.5, prune: 0.25 }, peakBytes: 2 ** 40 });
    assertEquals<RunRecord | undefined>(registry.get(id), {
      id: "00000000000000aa",
      status: "finished",
      startedAt: "2026-01-01T00:00:00.000Z",
      finishedAt: "2026-01-01T00:00:01.000Z",
      manifest: manifest(),
      out: "out/dir",
      tags: [],
      perplexities: [{ label: "pruned", perplexity: 20.5, evaluation }, { label: "dense", perplexity: 15, evaluation }],
      tasks: [],
      phases: { observe: 0.5, prune: 0.25 },
      peakBytes: 2 ** 40,
      progress,
    });
    const { magnitudes: _m, scores: _s, density: _d, ...summary } = linear("model.layers.0.b");
    assertEquals(registry.layers(id), [summary, { ...summary, name: "model.layers.0.a" }]);
    assertEquals(registry.layer(id, "model.layers.0.a"), linear("model.layers.0.a"));
  }));

Deno.test("a training's curve comes back in order; what a resumed run reports anew takes the place of what it had said", () =>
  withRegistry((registry) => {
    const id = registry.begin(manifest()), points = curve(4), [first, ...others] = points;
    for (const point of others.toReversed()) registry.curve(id, point);
    registry.curve(id, { ...first, seconds: 99 });
    registry.curve(id, first);
    assertEquals(registry.curvePoints(id), points);
    const block = { kind: "block", block: 0, before: 0.25, after: 0.125, seconds: 1 } as const;
    registry.curve(id, block);
    assertEquals(registry.curvePoints(id), [...points, block]);
    assertEquals(registry.events(id).filter(({ kind }) => kind === "curve").at(-1)?.data, block);
    registry.finish(id, { phases: {} });
    registry.remove(id);
    assertEquals(registry.curvePoints(id), []);
  }));

Deno.test("perplexities are told apart by their protocols: another length or number of windows, or another way to join", () =>
  withRegistry((registry) => {
    const { plan } = manifest(), evaluated: Manifest = { ...manifest(), plan: { ...plan, kind: "eval" } };
    const id = registry.begin(evaluated);
    const others = [{ sequences: 5 }, { seqlen: 4096 }, { sha256: "34".repeat(32) }, { protocol: "lines joined" }];
    registry.perplexity(id, { label: "dense", perplexity: 15, evaluation });
    registry.perplexity(id, { label: "dense", perplexity: 16, evaluation: { ...evaluation, description: "a copy" } });
    registry.finish(id, { phases: {} });
    const measured = (protocol: typeof evaluation) => registry.measured(plan.model.sha256, protocol)?.perplexity;
    for (const other of others) assertEquals(measured({ ...evaluation, ...other }), undefined);
    for (const [i, other] of others.entries()) {
      registry.perplexity(id, { label: "dense", perplexity: i, evaluation: { ...evaluation, ...other } });
      assertEquals(measured({ ...evaluation, ...other }), i);
    }
    assertEquals(registry.get(id)!.perplexities.map(({ perplexity }) => perplexity), [16, 0, 1, 2, 3]);
    assertEquals(measured(evaluation), 16);
  }));

Deno.test("what is not there is undefined or empty to a reader, and an error to a writer", () =>
  withRegistry((registry) => {
    const id = registry.begin(manifest());
    assertEquals(registry.get("nobody"), undefined);
    assertEquals(registry.layer(id, "nobody"), undefined);
    assertEquals(registry.layers("nobody"), []);
    assertEquals(registry.events("nobody"), []);
    assertThrows(() => registry.linear("nobody", linear("a")), PareError, 'has no run "nobody"');
  }));

Deno.test("the same plan again is -2 and -3, and the newest finished one is found", () =>
  withRegistry((registry) => {
    const ids = [1, 2, 3].map(() => registry.begin(manifest()));
    assertEquals(ids, ["00000000000000aa", "00000000000000aa-2", "00000000000000aa-3"]);
    assertEquals(registry.finishedRun("00000000000000aa"), undefined);
    registry.finish(ids[0], { phases: {} });
    registry.finish(ids[1], { phases: {} });
    registry.fail(ids[2], "failed", "no memory");
    assertEquals(registry.finishedRun("00000000000000aa")?.id, ids[1]);
    assertEquals(registry.get(ids[2])?.error, "no memory");
  }));

Deno.test("pages hold every run once, newest first, though runs begin between them", () =>
  withRegistry((registry) => {
    const ids = Array.from({ length: 10 }, () => registry.begin(manifest()));
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = registry.list({ cursor, limit: 3 });
      seen.push(...page.runs.map(({ id }) => id));
      cursor = page.next;
      registry.begin(manifest());
    } while (cursor !== undefined);
    assertEquals(seen, ids.reverse());
    assertThrows(() => registry.list({ cursor: "1; DROP TABLE runs" }), PareError, "cursor");
  }));

Deno.test("a filter gives the runs that agree with all of it", () =>
  withRegistry((registry) => {
    const runs = ["a", "b"].flatMap((model) =>
      ["wanda", "magnitude"].flatMap((method) =>
        ["2:4", undefined].map((pattern) => {
          const choice = { model, method, pattern, planId: `${model}${method}${pattern}` };
          return { ...choice, id: registry.begin(manifest(choice)) };
        })
      )
    ).reverse();
    const list = (filter: Parameters<Registry["list"]>[0]) => registry.list(filter).runs.map(({ id }) => id);
    const expected = (agrees: (run: typeof runs[number]) => boolean) => runs.filter(agrees).map(({ id }) => id);
    assertEquals(list({ model: "a" }), expected(({ model }) => model === "a"));
    assertEquals(
      list({ method: "wanda", pattern: "2:4" }),
      expected(({ method, pattern }) => method === "wanda" && pattern === "2:4"),
    );
    assertEquals(list({ pattern: "unstructured" }), expected(({ pattern }) => pattern === undefined));
    registry.finish(runs[0].id, { phases: {} });
    assertEquals(list({ status: "finished" }), [runs[0].id]);
    assertEquals(list({ model: "'" }), []);
  }));

Deno.test("events come in order, each once, after the one that was seen last", () =>
  withRegistry((registry, _, clock) => {
    const id = registry.begin(manifest());
    const other = registry.begin(manifest());
    const progress = (done: number) => ({ phase: "observe", block: 0, blocks: 2, done, total: 100 });
    registry.progress(id, progress(1));
    registry.linear(id, linear("a"));
    registry.progress(other, progress(50));
    const seen = registry.events(id);
    assertEquals(seen.map(({ kind }) => kind), ["status", "progress", "linear"]);
    clock.now += 60_000;
    registry.progress(id, progress(2));
    registry.fail(id, "interrupted");
    const later = registry.events(id, seen.at(-1)!.id);
    assertEquals(later.map(({ kind, data }) => ({ kind, data })), [
      { kind: "progress", data: progress(2) },
      { kind: "status", data: { status: "interrupted" } },
    ]);
    assertEquals(registry.newestEvent(id), later[1].id);
    const all = registry.events(id).map(({ id }) => id);
    assertEquals(all, all.toSorted((a, b) => a - b));
  }));

Deno.test("of progress, the log keeps the latest alone, and what comes too fast is not written", () =>
  withRegistry((registry, _, clock) => {
    const id = registry.begin(manifest());
    for (let done = 0; done < 1000; done++) {
      clock.now += 1;
      registry.progress(id, { phase: "observe", block: 0, blocks: 2, done, total: 1000 });
    }
    const [status, progress, ...rest] = registry.events(id);
    assertEquals([status.kind, progress.kind, rest], ["status", "progress", []]);
    // 1 s in quarters: four of the thousand were written after the first.
    assert(progress.id <= status.id + 5, `${progress.id - status.id} writes`);
    registry.progress(id, { phase: "observe", block: 1, blocks: 2, done: 0, total: 1000 });
    assertEquals(registry.get(id)?.progress?.block, 1);
  }));

Deno.test("a run that gives no sign of life reads as interrupted, until it does again", () =>
  withRegistry((registry, path, clock) => {
    const id = registry.begin(manifest());
    const died = clock.now;
    using reader = Registry.open(path, { mode: "read", now: () => clock.now });
    clock.now += 29_000;
    assertEquals(reader.get(id)?.status, "running");
    clock.now += 2_000;
    assertEquals(reader.get(id)?.status, "interrupted");
    assertEquals(reader.get(id)?.finishedAt, new Date(died).toISOString());
    assertEquals(reader.list({ status: "interrupted" }).runs.length, 1);
    assertEquals(reader.list({ status: "running" }).runs.length, 0);
    registry.progress(id, { phase: "observe", block: 0, blocks: 1, done: 1, total: 2 });
    assertEquals(reader.get(id)?.status, "running");
  }));

Deno.test("a run that is resumed runs again, and what it reports anew replaces what it reported", () =>
  withRegistry((registry) => {
    const id = registry.begin(manifest());
    registry.linear(id, linear("a"));
    registry.linear(id, linear("b"));
    registry.fail(id, "failed", "disk full");
    registry.resume(id);
    assertEquals(registry.get(id)?.status, "running");
    assertEquals(registry.get(id)?.error, undefined);
    registry.linear(id, { ...linear("b"), seconds: 7 });
    assertEquals(registry.layers(id).map(({ name, seconds }) => [name, seconds]), [["a", 0.25], ["b", 7]]);
  }));
