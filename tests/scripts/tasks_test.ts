/** `deno task eval --tasks`: what it prints, what it writes, and what it refuses in one line. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "node:path";
import { PareError } from "../../src/errors.ts";
import { names, temporary } from "../checkpoint/folders.ts";
import { AUSTEN, HELD_OUT, ROOT } from "./commands.ts";
import { Registry } from "../../src/run/registry.ts";
import { IN_PROCESS } from "./in_process.ts";

const CHOICES = `${ROOT}tests/fixtures/data/austen-choices.jsonl`;
const evaluate = (...flags: string[]) => IN_PROCESS.eval("--model", AUSTEN, "--backend", "wasm", ...flags);

Deno.test("figures come as the harness's results, with a line for every document", async () => {
  using folder = temporary();
  const samples = join(folder.path, "samples.jsonl");
  const { json, text } = await evaluate("--tasks", CHOICES, "--limit", "8", "--shots", "1", "--log-samples", samples);
  const lines = (await Deno.readTextFile(samples)).trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines.map(({ doc_id }) => doc_id), [0, 1, 2, 3, 4, 5, 6, 7]);
  assertEquals(lines.every(({ loglikelihoods, greedy }) => loglikelihoods.length === 4 && greedy.length === 4), true);
  const mean = (key: string) => lines.reduce((sum, line) => sum + line[key], 0) / 8;
  const error = (mean: number) => Math.sqrt(mean * (1 - mean) / 7);
  const { "acc,none": acc, "acc_norm,none": norm, "acc_stderr,none": stderr, ...rest } =
    (json.results as Record<string, Record<string, number>>)["austen-choices"];
  assertEquals([acc, norm], [mean("acc"), mean("acc_norm")]);
  assert(Math.abs(stderr - error(acc)) < 1e-12 && Math.abs(rest["acc_norm_stderr,none"] - error(norm)) < 1e-12);
  assertEquals(json.versions, { "austen-choices": 0 });
  assertEquals(json["n-shot"], { "austen-choices": 1 });
  assertEquals(json["n-samples"], { "austen-choices": { original: 160, effective: 8 } });
  assertMatch(text, /austen-choices +0\.\d{4} .* 0\.2500 +8 of 160 +1 +0/);
});

Deno.test("a task of continuations counts those that the model would write, beside a perplexity", async () => {
  using folder = temporary();
  const own = join(folder.path, "own.json");
  await Deno.writeTextFile(
    own,
    JSON.stringify([{ context: "", continuation: "It was" }, { context: "to be ", continuation: "sure" }]),
  );
  const tasks = ["--tasks", own, "--seqlen", "32", "--runs", "none"];
  const windows = ["--corpus", HELD_OUT, "--windows", "2"];
  const { json } = await evaluate(...tasks, ...windows);
  const { own: found } = json.results as Record<string, Record<string, unknown>>;
  assert(Number(found["perplexity,none"]) > 1);
  assertEquals(found["perplexity_stderr,none"], "N/A");
  // One pass gives both what each gives alone.
  const [{ json: asked }, { json: measured }] = [
    await evaluate(...tasks),
    await evaluate(...windows, ...tasks.slice(2)),
  ];
  assertEquals([json.results, json.tokens], [asked.results, asked.tokens]);
  const { perplexity } = json.perplexity as { perplexity: number };
  assert(perplexity > 1);
  assertEquals(perplexity, measured.perplexity);
});

function listRuns(path: string) {
  using registry = Registry.open(path, { mode: "read" });
  return registry.list().runs;
}

/** Files by name, flags with `FOLDER` for where they lie, and the error. */
const REFUSED: readonly (readonly [Record<string, string>, string, RegExp])[] = [
  [{}, "--tasks wandda", /--tasks wandda: there is no such task; did you mean wanda\?/],
  [{}, "--tasks ,", /--tasks: no task is named/],
  [{}, "--tasks boolq --task-data FOLDER", /--task-data: there is no FOLDER\/boolq.parquet or .jsonl/],
  [{}, "--tasks FOLDER/own.jsonl", /FOLDER\/own.jsonl: /],
  [{}, "--tasks boolq --task-data FOLDER --limit 0", /--limit 0: expected a whole number of 1 or more/],
  [{}, "--tasks FOLDER/own.jsonl --windows 2", /--windows is for a perplexity: name a --corpus/],
  [{}, "--shots 2", /--shots is for --tasks/],
  [{ "boolq.jsonl": "" }, "--tasks boolq --task-data FOLDER", /FOLDER\/boolq.jsonl: no documents/],
  [
    { "boolq.jsonl": '{"passage":"a","question":"b"}' },
    "--tasks boolq --task-data FOLDER",
    /boolq.jsonl: document 0: no column "label"; there are passage, question/,
  ],
  [
    { "rte.jsonl": '{"sentence1":"a","sentence2":"b","label":-1}' },
    "--tasks rte --task-data FOLDER",
    /rte.jsonl: document 0: label -1: expected a whole number from 0 to 1/,
  ],
  [{ "piqa.parquet": "none" }, "--tasks piqa --task-data FOLDER", /piqa.parquet: expected a parquet file/],
  [{ "a.json": "[1]" }, "--tasks FOLDER/a.json", /document 0: expected an object with columns, found 1/],
  [{ "a.jsonl": "{" }, "--tasks FOLDER/a.jsonl", /a.jsonl: line 1 is not JSON/],
  [
    { "a.jsonl": '{"context":"a","choices":["b","c"],"label":0}' },
    "--tasks FOLDER/a.jsonl --shots 1",
    /a: 1 examples asked for, FOLDER\/a.jsonl has 0 others/,
  ],
  [
    { "a.jsonl": '{"context":"a","choices":["b"],"label":0}' },
    "--tasks FOLDER/a.jsonl --log-samples FOLDER/none/samples.jsonl",
    /--log-samples FOLDER\/none\/samples.jsonl: FOLDER\/none is no folder/,
  ],
  [
    { "a.jsonl": '{"context":"a","choices":["b"],"label":0}' },
    "--tasks FOLDER/a.jsonl --log-samples FOLDER/a.jsonl",
    /--log-samples FOLDER\/a.jsonl: that is the data/,
  ],
  [
    { "a.jsonl": '{"context":"a","choices":["b"],"label":0}' },
    "--tasks FOLDER/a.jsonl --log-samples FOLDER",
    /--log-samples FOLDER: what is there is no file/,
  ],
  [
    { "a.jsonl": '{"context":"a","choices":["b c d e f g h i j k"],"label":0}' },
    "--tasks FOLDER/a.jsonl --seqlen 2",
    /a: document 0: a continuation of \d+ tokens: the model takes 2/,
  ],
  [
    { "mmlu-test.jsonl": '{"question":"a","choices":["b","c","d","e"],"answer":0}' },
    "--tasks mmlu_anatomy --task-data FOLDER",
    /mmlu-test.jsonl: no column "subject"/,
  ],
];

for (const [files, flags, says] of REFUSED) {
  Deno.test(`eval ${flags} is refused: ${says.source}`, async () => {
    using folder = temporary();
    for (const [file, text] of Object.entries(files)) await Deno.writeTextFile(join(folder.path, file), text);
    const args = flags.split(" ").map((flag) => flag.replaceAll("FOLDER", folder.path));
    using runs = temporary();
    const { message } = await assertRejects(() => evaluate(...args, "--runs", join(runs.path, "runs.db")), PareError);
    assertMatch(message.replaceAll(folder.path, "FOLDER"), says);
    assertEquals(names(folder.path).sort(), Object.keys(files).sort());
    // Nothing half recorded: if the registry was made at all, no run is in it.
    if (names(runs.path).length) assertEquals(listRuns(join(runs.path, "runs.db")), []);
  });
}
