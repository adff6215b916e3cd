/** Benchmarks as runs: recorded, known again, done again by `verify`, and refused where their data have changed. */
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { PareError } from "../../src/errors.ts";
import { packDocuments } from "../../src/run/documents.ts";
import { manifestText } from "../../src/run/manifest.ts";
import { Registry } from "../../src/run/registry.ts";
import { temporary } from "../checkpoint/folders.ts";
import { AUSTEN, HELD_OUT, ROOT } from "./commands.ts";
import { IN_PROCESS, runJson } from "./in_process.ts";

const CHOICES = `${ROOT}tests/fixtures/data/austen-choices.jsonl`;

/** A folder with a registry and a set of a few documents. */
function setting() {
  const folder = temporary(), data = join(folder.path, "choices.jsonl"), registry = join(folder.path, "runs.db");
  const lines = Deno.readTextFileSync(CHOICES).split("\n");
  Deno.writeTextFileSync(data, lines.slice(0, 6).join("\n"));
  const flags = ["--model", AUSTEN, "--backend", "wasm", "--tasks", data, "--runs", registry];
  return {
    ...{ folder, data, registry, flags },
    runs() {
      using open = Registry.open(registry, { mode: "read" });
      return open.list().runs.map((run) => ({
        ...run,
        documents: run.tasks.map((record) => open.documents(run.id, record)),
      }));
    },
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

Deno.test("a perplexity and benchmarks are one run: what was asked, of which data, and what every document gave", async () => {
  using it = setting();
  const samples = join(it.folder.path, "samples.jsonl"), again = join(it.folder.path, "again.jsonl");
  const flags = [...it.flags, "--shots", "1", "--limit", "4", "--corpus", HELD_OUT, "--seqlen", "64", "--windows", "2"];
  const first = await runJson("eval", ...flags, "--log-samples", samples, "--name", "few", "--tag", "paper");
  const [run, ...others] = it.runs(), { plan, inputs } = run.manifest;
  assertEquals([others, run.status, run.name, run.tags, run.perplexities.length], [
    [],
    "finished",
    "few",
    ["paper"],
    1,
  ]);
  const sha256 = inputs.find(({ path }) => path === it.data)!.sha256;
  assertEquals(plan.tasks, [{ name: "choices", version: 0, shots: 1, documents: 4, total: 6, data: [sha256] }]);
  assertEquals(plan.request, { longest: 64, groups: [] });
  const [record] = run.tasks, [documents] = run.documents;
  assertEquals([record.name, record.label, record.documents, record.chance], ["choices", "dense", 4, 0.25]);
  assertEquals(record.figures.acc!.value, first.results.choices["acc,none"]);
  const logged = Deno.readTextFileSync(samples).trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(
    documents!.map(({ answers, scores }) => ({
      loglikelihoods: answers.map(({ logLikelihood }) => logLikelihood),
      greedy: answers.map(({ greedy }) => greedy),
      ...scores,
    })),
    logged.map(({ loglikelihoods, greedy, acc, acc_norm }) => ({ loglikelihoods, greedy, acc, acc_norm })),
  );
  // Asked again it is known, to the last figure, and what documents gave is written as before.
  const { tokens: _t, requestTokens: _r, ...known } = first;
  const second = await runJson("eval", ...flags, "--log-samples", again);
  assertEquals(second, { ...known, done: true });
  assertEquals(Deno.readTextFileSync(again), Deno.readTextFileSync(samples));
  assertEquals(it.runs().length, 1);
});

Deno.test("benchmarks are done again and compared document by document, by however many workers", async () => {
  using it = setting();
  const { run } = await runJson("eval", ...it.flags, "--workers", "2");
  const verify = ["verify", run, "--runs", it.registry, "--workers", "1"] as const;
  const { identical, tasks: [task] } = await runJson(...verify);
  assertEquals([identical, task.documents, task.sameAnswers, task.largest], [true, 6, 6, 0]);

  // One bit of one log-likelihood, and neither figure nor score, is another.
  const [{ documents: [documents] }] = it.runs(), [one, ...rest] = documents!.toReversed();
  const [answer, ...answers] = one.answers, logLikelihood = answer.logLikelihood * (1 + Number.EPSILON);
  const changed = [...rest.toReversed(), { ...one, answers: [{ ...answer, logLikelihood }, ...answers] }];
  {
    using file = new DatabaseSync(it.registry);
    file.prepare("UPDATE tasks SET documents = ?").run(packDocuments(changed).documents);
  }
  const { json, problems } = await IN_PROCESS.verify(...verify.slice(1));
  assertMatch(problems![0], /^not identical; first choices, document 5: -\d.*, the run has -\d/);
  const [{ sameAnswers, sameScores, largest }] = json.tasks as Record<string, number>[];
  assertEquals([sameAnswers, sameScores], [5, 6]);
  assert(largest > 0 && largest <= Math.abs(logLikelihood) * Number.EPSILON);
});

Deno.test("a figure of requests that were cut says to what, and stands beside that of another length", async () => {
  using it = setting();
  await runJson("eval", ...it.flags);
  await runJson("eval", ...it.flags, "--seqlen", "24", "--limit", "2");
  assertEquals(it.runs().map(({ tasks: [{ longest }] }) => longest), [24, undefined]);
  const { text } = await IN_PROCESS.eval(...it.flags, "--seqlen", "24", "--limit", "2");
  assertMatch(text, /version +cut to\n.*\n.* 24 tokens\n/);
});

Deno.test("an evaluation is verified by its manifest where the registry knows it, and refused before any work where not", async () => {
  using it = setting();
  const { run } = await runJson("eval", ...it.flags, "--limit", "2");
  const path = join(it.folder.path, "manifest.json"), [{ manifest }] = it.runs();
  Deno.writeTextFileSync(path, manifestText(manifest));
  const verified = await runJson("verify", path, "--runs", it.registry);
  assertEquals([verified.run, verified.identical, verified.tasks[0].sameAnswers], [run, true, 2]);
  const other = join(it.folder.path, "other.db");
  await assertRejects(() => IN_PROCESS.verify(path, "--runs", other), PareError, "nothing to compare with");
});

Deno.test("a manifest opens no benchmark that its run did not read, by a path or a folder", async () => {
  using it = setting();
  const data = join(it.folder.path, "data"), secret = join(it.folder.path, "secret.jsonl");
  Deno.mkdirSync(data);
  Deno.writeTextFileSync(join(data, "piqa.jsonl"), '{"goal":"a","sol1":"b","sol2":"c","label":0}\n');
  Deno.writeTextFileSync(secret, Deno.readTextFileSync(it.data));
  await runJson("eval", ...it.flags, "--limit", "2");
  const path = join(it.folder.path, "manifest.json"), [{ manifest }] = it.runs();
  for (
    const [args, named] of [[["--tasks", secret], secret], [["--tasks", "piqa", "--task-data", data], "piqa.jsonl"]]
  ) {
    const others = manifest.args.filter((arg) => arg !== "--tasks" && arg !== it.data);
    Deno.writeTextFileSync(path, manifestText({ ...manifest, args: [...others, ...args] }));
    const { message } = await assertRejects(() => IN_PROCESS.verify(path, "--runs", it.registry), PareError);
    assertStringIncludes(message, `${named}: the manifest does not say that the run read it`);
  }
});

Deno.test("data that have changed since a run read them are refused, and nothing is recorded, unless that is asked for", async () => {
  using it = setting();
  const { run } = await runJson("eval", ...it.flags);
  Deno.writeTextFileSync(it.data, `\n${Deno.readTextFileSync(it.data)}`);
  const { message } = await assertRejects(() => IN_PROCESS.eval(...it.flags, "--limit", "2"), PareError);
  assertMatch(
    message.replaceAll(it.data, "DATA"),
    new RegExp(`^DATA has changed: its SHA-256 is [0-9a-f]{64}, and [0-9a-f]{64} was what run ${run} read; --force`),
  );
  await assertRejects(() => IN_PROCESS.verify(run, "--runs", it.registry), PareError, "what the run read has changed");
  assertEquals(it.runs().length, 1);
  const forced = await runJson("eval", ...it.flags, "--force");
  assertEquals(it.runs().map(({ id }) => id), [forced.run, run]);
  // From now on it is the changed one.
  assertEquals((await runJson("eval", ...it.flags)).done, true);
});

Deno.test("what a pruned model answers stands in its own run and, beside what the dense one did, in its card", async () => {
  using it = setting();
  const out = join(it.folder.path, "pruned"), runs = ["--runs", it.registry];
  await runJson("eval", ...it.flags);
  const { run } = await runJson(
    ...["prune", "--model", AUSTEN, "--method", "magnitude", "--backend", "wasm", "--out", out, ...runs] as const,
  );
  const { results } = await runJson("eval", ...it.flags.map((flag) => flag === AUSTEN ? out : flag), "--card");
  const acc = results.choices["acc,none"], pruned = it.runs().find(({ id }) => id === run)!;
  assertEquals(pruned.tasks.map(({ label, figures }) => [label, figures.acc!.value]), [["pruned", acc]]);
  assertEquals(pruned.documents[0]!.length, 6);
  const card = Deno.readTextFileSync(join(out, "README.md"));
  assertMatch(card, /^model-index:\n {2}- name: pruned\n[\s\S]*type: accuracy\n[\s\S]*^---\n\n# /m);
  assertEquals([...card.matchAll(/^\| (dense|pruned) \| choices \|/gm)].map(([, label]) => label), ["dense", "pruned"]);
  // The model's files are still those that its run wrote: a card is none of them.
  assertEquals((await runJson("verify", out, "--fast", ...runs)).identical, true);
});

Deno.test("a comparison's benchmarks are recorded for each of its models, and verified", async () => {
  using it = setting();
  const out = ["--out", join(it.folder.path, "compared"), "--methods", "magnitude", "--sparsities", "0.5"];
  const { run } = await runJson("compare", ...it.flags, "--limit", "2", ...out);
  const [{ tasks, documents, manifest: { plan } }] = it.runs();
  assertEquals([tasks.map(({ label }) => label), plan.tasks![0].documents], [["dense", "magnitude 0.5"], 2]);
  assertEquals(documents.map((each) => each!.length), [2, 2]);
  const verified = await runJson("verify", run, "--runs", it.registry);
  assertEquals([verified.identical, verified.tasks.map(({ sameAnswers }: { sameAnswers: number }) => sameAnswers)], [
    true,
    [2, 2],
  ]);
});
