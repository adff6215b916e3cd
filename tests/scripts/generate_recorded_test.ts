/** Texts as runs: recorded where that is asked for, written again by `verify`, and told apart where one has changed. */
import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { PareError } from "../../src/errors.ts";
import { collect } from "../../src/run/collect.ts";
import { Registry } from "../../src/run/registry.ts";
import { temporary } from "../checkpoint/folders.ts";
import { AUSTEN, runJson as processJson } from "./commands.ts";
import { errorsOf, IN_PROCESS, runJson } from "./in_process.ts";

const PROMPTS = ["Anne had never been more", "It was"];
const DRAWN = ["--model", AUSTEN, "--backend", "wasm", ...PROMPTS.flatMap((prompt) => ["-p", prompt]), "-n", "8"];

/** All runs of a registry. */
function runsOf(path: string) {
  using registry = Registry.open(path, { mode: "read" });
  return registry.list().runs;
}

Deno.test("texts are a run where --runs asks for it, and verify writes each token again, drawn ones too", async () => {
  using folder = temporary();
  const registry = join(folder.path, "runs.db"), asked = [...DRAWN, "--top-k", "50", "--runs", registry];
  const found = await runJson("generate", ...asked, "--name", "two", "--tag", "drawn");
  const [run, ...others] = runsOf(registry), { plan } = run.manifest;
  assertEquals([others, run.id, run.status, run.name, run.tags], [[], found.run, "finished", "two", ["drawn"]]);
  assertEquals(run.texts, found.outputs);
  assertEquals([plan.kind, plan.request.prompts, plan.request.sampling], ["generate", PROMPTS, found.sampling]);
  // By a command, whose sandbox opens what it needs.
  const verified = await processJson("verify", run.id, "--runs", registry, "--workers", "1");
  assertEquals([verified.identical, verified.texts.map(({ same }: { same: number }) => same)], [true, [8, 8]]);

  // What is recorded is held against what is written: one other token is told, with its place.
  const texts: { ids: number[] }[] = JSON.parse(JSON.stringify(run.texts)), own = texts[1].ids[5];
  texts[1].ids[5] = own + 1;
  using database = new DatabaseSync(registry);
  database.prepare("UPDATE runs SET texts = ?").run(JSON.stringify(texts));
  const [problem] = (await IN_PROCESS.verify(run.id, "--runs", registry)).problems!;
  assertEquals(problem, `not identical; first text 2, token 6: ${own}, the run has ${own + 1}`);
});

Deno.test("a record file has a run's texts as a registry has; without --runs nothing is recorded", async () => {
  using folder = temporary();
  const records = `${folder.path}/records/`, registry = join(folder.path, "runs.db");
  const found = await runJson("generate", ...DRAWN, "--runs", records);
  {
    using into = Registry.open(registry, { mode: "write" });
    collect(into, records);
  }
  const [run] = runsOf(registry);
  assertEquals([run.id, run.texts], [found.run, found.outputs]);
  const { run: none } = await runJson("generate", ...DRAWN);
  assertEquals(none, undefined);
});

Deno.test("a text that is not written to its end is a run that failed; labels are for runs", async () => {
  using folder = temporary();
  const registry = join(folder.path, "runs.db");
  const long = ["--model", AUSTEN, "-p", "a ".repeat(600), "--runs", registry];
  const { message } = await assertRejects(() => IN_PROCESS.generate(...long), PareError);
  const [run] = runsOf(registry);
  assertEquals([run.status, run.error, run.texts], ["failed", message, undefined]);
  assertMatch(await errorsOf("verify", run.id, "--runs", registry), /is failed: there is nothing to compare/);
  assertStringIncludes(await errorsOf("generate", ...DRAWN, "--note", "x"), "--name, --tag and --note are for --runs");
});
