/** What the dashboard's pages are made of, without a browser: names, measurements, choices, numbers, files. */
import { assert, assertEquals } from "@std/assert";
import { commandLine } from "../../src/run/command.ts";
import type { Corpus, RunRecord } from "../../src/run/record.ts";
import { commandOf } from "../../src/server/page/command.js";
import { toCsv, toJson } from "../../src/server/page/download.js";
import { addressOf, choose, readChoice } from "../../src/server/page/filter.js";
import { delta, memory, seconds } from "../../src/server/page/format.js";
import { scaleOf } from "../../src/server/page/heatmap.js";
import { headlines, measurements, protocolOf } from "../../src/server/page/measured.js";
import { nameOf, namesOf } from "../../src/server/page/names.js";
import { fc } from "../fuzz/seed.ts";
import { manifest } from "../run/runs.ts";

const TEXT: Corpus = { description: "wikitext2 test", sequences: 4, seqlen: 256, sha256: "12".repeat(32) };

/** A finished run. */
function runOf(id: string, change: Partial<RunRecord> = {}, plan: object = {}): RunRecord {
  const { plan: standard, ...rest } = manifest({ planId: id });
  return {
    id,
    status: "finished",
    startedAt: `2026-11-30T00:00:${id.padStart(2, "0")}.000Z`,
    finishedAt: "2026-11-30T01:00:00.000Z",
    manifest: { ...rest, plan: { ...standard, ...plan } },
    perplexities: [],
    tasks: [],
    phases: {},
    tags: [],
    ...change,
  };
}

const asking = (request: object) => ({ request: { method: "wanda", ...request } });

Deno.test("a run is called by its method and what was asked of it", () => {
  const name = (request: object) => nameOf(runOf("1", {}, asking(request)));
  assertEquals(name({ sparsity: 0.5 }), "wanda 50 %");
  assertEquals(name({ sparsity: 0.625 }), "wanda 62.5 %");
  assertEquals(name({ pattern: "2:4" }), "wanda 2:4");
  assertEquals(name({ sparsity: 0.7, allocation: "owl" }), "wanda+owl 70 %");
  assertEquals(name({ sparsity: 0.5, allocation: "uniform", update: "sequential" }), "wanda+sequential 50 %");
  assertEquals(name({ sparsity: 0.5, sparsityMap: { "*": 0.6 } }), "wanda by a map");
  assertEquals(nameOf(runOf("1", {}, { kind: "eval", request: {} })), "eval tiny");
});

Deno.test("no two runs are called the same: what differs in their plans tells them apart, or their ids", () => {
  const seeds = [0, 1, 1].map((seed, at) => runOf(String(at), {}, asking({ sparsity: 0.5, seed })));
  assertEquals(namesOf(seeds), ["wanda 50 %, seed 0", "wanda 50 %, seed 1, 1", "wanda 50 %, seed 1, 2"]);
  assertEquals(namesOf([runOf("1", {}, asking({ sparsity: 0.5 })), runOf("2", {}, asking({ sparsity: 0.6 }))]), [
    "wanda 50 %",
    "wanda 60 %",
  ]);
  assertEquals(namesOf([runOf("1", { name: "mine" }), runOf("2")]), ["mine", "wanda 50 %"]);
});

Deno.test("the command that is copied is the one that the library writes, whatever stands in its arguments", () => {
  fc.assert(fc.property(fc.array(fc.string({ unit: "grapheme" })), (args) => {
    const run = runOf("1"), manifest = { ...run.manifest, args };
    assertEquals(commandOf({ ...run, manifest }), commandLine(manifest));
  }));
});

Deno.test("one text in windows of another length or number, or joined in another way, is another protocol", () => {
  const protocols = [TEXT, { ...TEXT, seqlen: 128, sequences: 8 }, { ...TEXT, sequences: 8 }, { ...TEXT, sha256: "f" }];
  const joined = { ...TEXT, protocol: "lines joined by a space" };
  assertEquals(new Set([...protocols, joined].map(protocolOf)).size, 5);
  const elsewhere: Corpus = { ...TEXT, description: "the same file elsewhere" };
  assertEquals(protocolOf(elsewhere), protocolOf(TEXT));
});

Deno.test("a perplexity is of the run that made the model, wherever it was measured, and known once", () => {
  const record = { label: "pruned", perplexity: 30, evaluation: TEXT };
  const prune = runOf("1", { out: "/work/out", perplexities: [record] });
  const inputs = [{ path: "out/model.safetensors", bytes: 1, sha256: "cd".repeat(32) }];
  const evaluation = runOf("2", {
    perplexities: [record],
    manifest: {
      ...prune.manifest,
      inputs,
      plan: { ...prune.manifest.plan, kind: "eval", model: { name: "out", sha256: "cd" }, request: {} },
    },
  });
  const found = measurements([evaluation, prune]);
  const own = found.filter(({ id, dense }: { id: string; dense: boolean }) => id === "1" && !dense);
  assertEquals(own.map(({ name, perplexity, by }: Record<string, unknown>) => [name, perplexity, by]), [
    ["wanda 50 %", 30, "2"],
  ]);
});

Deno.test("a model that was moved since is known by its weights, and another one by none", () => {
  const file = (path: string, sha256: string) => ({ path, bytes: 1, sha256: sha256.repeat(32) });
  const pruneOf = (id: string, sha256: string) => {
    const run = runOf(id, { out: `/work/${id}` });
    return {
      ...run,
      manifest: { ...run.manifest, outputs: [file("model.safetensors", sha256), file("config.json", "00")] },
    };
  };
  const evaluated = (sha256: string) => {
    const run = runOf("9", { perplexities: [{ label: "pruned", perplexity: 30, evaluation: TEXT }] });
    const plan = { ...run.manifest.plan, kind: "eval" as const, model: { name: "moved", sha256: "ee".repeat(32) } };
    const inputs = [file("/else/where/config.json", "00"), file("/else/where/model.safetensors", sha256)];
    return { ...run, manifest: { ...run.manifest, inputs, plan } };
  };
  const makers = (sha256: string) =>
    measurements([evaluated(sha256), pruneOf("2", "bb"), pruneOf("1", "aa")])
      .filter(({ dense }: { dense: boolean }) => !dense).map(({ id }: { id: string }) => id);
  assertEquals([makers("aa"), makers("bb"), makers("cc")], [["1"], ["2"], []]);
});

Deno.test("a comparison's headline is the best that was pruned, not what came last or the dense model", () => {
  const perplexities = Object.entries({
    dense: 20,
    "wanda 0.5": 31,
    "wanda 2:4": 50,
    "wanda 0.5, 8 samples, seed 1": 30,
  })
    .map(([label, perplexity]) => ({ label, perplexity, evaluation: TEXT }));
  const request = { methods: ["wanda"], sparsities: ["0.5", "2:4"], samples: [8, 16], seeds: [0, 1] };
  const { name, perplexity, of, samples, seed } = headlines(
    measurements([runOf("1", { perplexities }, { kind: "compare", request })]),
  ).get("1");
  assertEquals([name, perplexity, of, samples, seed], ["wanda 50 %", 30, 3, 8, 1]);
});

Deno.test("an address gives the choice that it was made of, and what it names wrongly is not there", () => {
  const choice = { ...readChoice(""), search: "a&b=c #%", status: "failed", sort: "took", order: "asc" };
  assertEquals(readChoice(addressOf(choice).slice("#/?".length)), choice);
  assertEquals(addressOf(readChoice("")), "#/");
  assertEquals(readChoice("sort=nothing&order=up&status=gone"), readChoice(""));
});

Deno.test("by perplexity, runs of another protocol are never between those of one; unknown ones come last both ways", () => {
  const measured = (id: string, perplexity: number, evaluation: Corpus) =>
    runOf(id, { perplexities: [{ label: "pruned", perplexity, evaluation }] });
  const other = { ...TEXT, seqlen: 128 };
  const runs = [
    measured("1", 30, TEXT),
    measured("2", 20, other),
    measured("3", 10, TEXT),
    measured("4", 40, other),
    runOf("5"),
  ];
  const order = (order: string) =>
    choose(runs, headlines(measurements(runs)), { ...readChoice(""), sort: "perplexity", order })
      .map(({ id }: { id: string }) => id);
  assertEquals(order("asc"), ["2", "4", "3", "1", "5"]);
  assertEquals(order("desc"), ["4", "2", "1", "3", "5"]);
});

Deno.test("a scale is as wide as a difference that means something, and within what there can be", () => {
  const [low, high] = scaleOf([0.5, 0.5000004, 0.4999998], "sparsity");
  assert(high - low > 0.049 && low > 0.47 && high < 0.53);
  assertEquals(scaleOf([0.3, 0.7], "sparsity"), [0.3, 0.7]);
  assertEquals(scaleOf([0, 0], "sparsity")[0], 0);
  assert(scaleOf([1, 1], "sparsity")[1] <= 1);
  const [least, most] = scaleOf([0.01, 0.0100001], "outputError");
  assert(least < 0.00999 && most > 0.01001);
});

Deno.test("CSV has numbers in full, quotes what must be quoted, and starts no formula in a spreadsheet", () => {
  const table = {
    heads: ["run", "perplexity", "perplexity"],
    rows: [['a "b", c', 30.123456789, -1], ["=HYPERLINK(1)", null, 0], ["@a\n-", 1e-9, NaN]],
  };
  assertEquals(
    toCsv(table),
    'run,perplexity,perplexity\r\n"a ""b"", c",30.123456789,-1\r\n\'=HYPERLINK(1),,0\r\n"\'@a\n-",1e-9,NaN\r\n',
  );
  assertEquals(JSON.parse(toJson(table))[0], { run: 'a "b", c', perplexity: 30.123456789, "perplexity 2": -1 });
});

Deno.test("times, memory and differences are in one unit, and what rounds to nothing is none", () => {
  assertEquals([0.00824, 2.04, 59.96, 61, 3599.6, 7260].map(seconds), [
    "0.0082 s",
    "2.0 s",
    "1 min 0 s",
    "1 min 1 s",
    "1 h 0 min",
    "2 h 1 min",
  ]);
  assertEquals([2 ** 20, 1023 * 2 ** 20, 1.5 * 2 ** 30].map(memory), ["1 MiB", "1023 MiB", "1.5 GiB"]);
  assertEquals([delta(30, 31.5), delta(2, 1), delta(1, 1), delta(undefined, 1)], ["+1.5", "-1", "±0", undefined]);
});
