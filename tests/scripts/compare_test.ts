/** `deno task compare` as a user runs it, on the model that comes with Pare. */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertLess,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { PareError } from "../../src/errors.ts";
import { names, temporary } from "../checkpoint/folders.ts";
import { AUSTEN, HELD_OUT, ROOT, start, TOKENS } from "./commands.ts";
import { errorsOf, runJson } from "./in_process.ts";

const FLAGS = ["--model", AUSTEN, "--calibration", "sample", "--seqlen", "64", "--backend", "wasm"]
  .concat(["--corpus", HELD_OUT, "--eval-seqlen", "128", "--windows", "6"]);

/** The same of ready token ids: to encode a text takes longer than to prune. */
const READY = FLAGS.with(3, TOKENS).with(FLAGS.indexOf(HELD_OUT), TOKENS);

Deno.test("methods and sparsities on one model: a row for each, written in four forms, and no model left behind", async () => {
  using folder = temporary();
  const out = `${folder.path}/compared`;
  const flags = [...FLAGS, "--samples", "4", "--methods", "magnitude,sparsegpt,wanda,ria", "--sparsities", "0.5,2:4"];
  const found = await runJson("compare", ...flags, "--out", out);
  const labels = found.rows.map(({ method, asked }: Record<string, string>) => `${method} ${asked}`.trim());
  const methods = ["magnitude", "sparsegpt", "wanda", "ria"];
  assertEquals(labels, ["dense", ...["0.5", "2:4"].flatMap((asked) => methods.map((method) => `${method} ${asked}`))]);
  assertEquals([found.evaluation.sequences, found.evaluation.seqlen, found.samples], [6, 128, undefined]);
  for (const row of found.rows.slice(1)) {
    assertLess(found.rows[0].perplexity, row.perplexity);
    assert(Math.abs(row.sparsity - 0.5) < 1e-3 && row.seconds > 0 && row.peakBytes > 5e7);
  }
  assertEquals(names(folder.path), ["compared"]);
  assertEquals(names(out), ["compare.csv", "compare.json", "compare.md", "compare.svg"]);
  const { rows } = JSON.parse(Deno.readTextFileSync(`${out}/compare.json`));
  assertEquals(rows, found.rows);
  assertStringIncludes(Deno.readTextFileSync(`${out}/compare.md`), "| sparsegpt | 2:4 | 50.0");
});

Deno.test("--decode writes text with every model, packed: the fewer weights are stored, the fewer bytes a token reads", async () => {
  using folder = temporary();
  const out = `${folder.path}/compared`;
  const flags = [...FLAGS, "--methods", "magnitude", "--sparsities", "0.5,0.8,2:4", "--decode"];
  const { rows: [dense, half, few, pattern] } = await runJson("compare", ...flags, "--out", out);
  for (const [row, kind] of [[dense, "F16 dense"], [half, "F16 bitmask"], [few, "F16 bitmask"], [pattern, "F16 2:4"]]) {
    assertEquals(row.decode.kinds, [kind]);
    assert(row.decode.tokensPerSecond > 0);
  }
  assertLess(half.decode.bytesPerToken, dense.decode.bytesPerToken);
  assertLess(few.decode.packedBytes, half.decode.packedBytes);
  assertLess(pattern.decode.packedBytes, half.decode.packedBytes);
  assertEquals(names(out), ["compare.csv", "compare.json", "compare.md", "compare.svg"]);
  const [heading, first] = Deno.readTextFileSync(`${out}/compare.csv`).split("\r\n").map((line) => line.split(","));
  assertEquals(Number(first[heading.indexOf("bytes_per_token")]), dense.decode.bytesPerToken);
  assertMatch(Deno.readTextFileSync(`${out}/compare.md`), /\| weights \| tokens\/s \| read a token \| packed \|/);
});

Deno.test("a row is what prune and eval give for the same flags", async () => {
  using folder = temporary();
  const { rows } = await runJson(
    "compare",
    ...FLAGS,
    "--samples",
    "4",
    "--methods",
    "sparsegpt",
    "--sparsities",
    "0.5",
    "--out",
    `${folder.path}/c`,
  );
  const calibrated = FLAGS.slice(0, FLAGS.indexOf("--corpus"));
  await runJson("prune", ...calibrated, "--samples", "4", "--method", "sparsegpt", "--out", `${folder.path}/m`);
  const evaluated = ["--corpus", HELD_OUT, "--seqlen", "128", "--windows", "6", "--backend", "wasm"];
  const { perplexity } = await runJson("eval", "--model", `${folder.path}/m`, ...evaluated);
  assertEquals(rows[1].perplexity, perplexity);
});

/** Of a row, what is looked at here. */
type Row = Readonly<Record<"method" | "asked" | "perplexity", unknown>>;

const CHOICES = `${ROOT}tests/fixtures/data/austen-choices.jsonl`;
/** What is calibrated, and with what: no perplexity. */
const CALIBRATED = [...FLAGS.slice(0, FLAGS.indexOf("--corpus")), "--samples", "4"];

Deno.test("benchmarks alone: a row answers as eval --tasks of the model that prune writes does, and no perplexity is measured", async () => {
  using folder = temporary();
  const out = `${folder.path}/compared`, asked = ["--tasks", CHOICES, "--shots", "1", "--limit", "12"];
  const flags = [...CALIBRATED, ...asked, "--methods", "wanda,magnitude", "--sparsities", "2:4"];
  const { rows, data, evaluation } = await runJson("compare", ...flags, "--out", out);
  assertEquals([evaluation, data.length, data[0].name], [undefined, 1, "austen-choices.jsonl"]);
  assertEquals(rows.map(({ method }: { method: string }) => method), ["dense", "wanda", "magnitude"]);

  await runJson("prune", ...CALIBRATED, "--pattern", "2:4", "--out", `${folder.path}/m`);
  const models = [AUSTEN, `${folder.path}/m`];
  const samples = (await Deno.readTextFile(`${out}/tasks.jsonl`)).trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(samples.length, 3 * 12);
  for (const [i, model] of models.entries()) {
    const log = `${folder.path}/${i}.jsonl`, alone = ["--log-samples", log, "--runs", "none"];
    const found = await runJson("eval", "--model", model, "--backend", "wasm", ...asked, ...alone);
    const expected = found.results["austen-choices"],
      { perplexity, results: [{ figures, documents, total }] } = rows[i];
    assertEquals([perplexity, documents, total], [undefined, 12, 160]);
    assertEquals([figures.acc.value, figures.acc.error], [expected["acc,none"], expected["acc_stderr,none"]]);
    assertEquals(figures.acc_norm.value, expected["acc_norm,none"]);
    const lines = (await Deno.readTextFile(log)).trimEnd().split("\n").map((line) => JSON.parse(line));
    assertEquals(
      samples.slice(12 * i, 12 * i + 12).map(({ method: _, asked: __, ...sample }) => sample),
      lines,
    );
  }
  // Paired by question: the deviation of the differences, not of the answers.
  const differences = samples.slice(12, 24).map(({ acc }, i) => acc - samples[i].acc);
  const mean = differences.reduce((a, b) => a + b) / 12;
  assertAlmostEquals(rows[1].toDense.value, mean, 1e-12);
  const squares = differences.reduce((sum, each) => sum + (each - mean) ** 2, 0);
  assertAlmostEquals(rows[1].toDense.error, Math.sqrt(squares / 11 / 12), 1e-12);
  assertEquals(rows[0].toDense, undefined);
  assertEquals(names(out), ["compare.csv", "compare.json", "compare.md", "tasks.csv", "tasks.jsonl", "tasks.svg"]);
  assertStringIncludes(Deno.readTextFileSync(`${out}/compare.md`), "| questions |  | 12 of 160 |");
});

Deno.test("several tasks without a group of their own are compared by their mean, beside a perplexity", async () => {
  using folder = temporary();
  const own = `${folder.path}/own.json`, out = `${folder.path}/compared`;
  const question = (context: string) => ({ context, choices: ["sure", "zebra"], label: 0 });
  await Deno.writeTextFile(own, JSON.stringify([question("to be"), question("I am")]));
  const asked = ["--tasks", `${own},${CHOICES}`, "--limit", "2", "--methods", "magnitude", "--sparsities", "0.5"];
  const { rows: [dense, pruned] } = await runJson("compare", ...FLAGS, ...asked, "--windows", "1", "--out", out);
  for (const { perplexity, results } of [dense, pruned]) {
    assert(perplexity > 1);
    const [a, b, mean] = results;
    assertEquals([a.name, b.name, mean.name], ["own", "austen-choices", "mean"]);
    assertEquals(mean.figures.acc.value, (a.figures.acc.value + b.figures.acc.value) / 2);
    assertEquals(mean.chance, (1 / 2 + 1 / 4) / 2);
  }
  assertAlmostEquals(
    pruned.toDense.value,
    pruned.results.at(-1).figures.acc.value - dense.results.at(-1).figures.acc.value,
    1e-12,
  );
  assert(names(out).includes("compare.svg"));
});

Deno.test("what stands behind a method's name are prune's own flags, where a sparsity is one for it", async () => {
  using folder = temporary();
  const methods = [
    "magnitude+owl",
    "wanda+iterative",
    "wanda+owl+sequential",
    "sparsegpt+damping:0.1",
    "wanda+permute",
    "magnitude+reconstruct",
    "wanda+permute+pcg+damping:auto+reconstruct:2",
  ];
  const asked = [["--sparsity", "0.6"], ["--pattern", "2:4"]], samples = ["--samples", "4"];
  const flags = ["--methods", methods.join(","), "--sparsities", "0.6,2:4", "--out", `${folder.path}/c`];
  const { rows } = await runJson("compare", ...READY, ...samples, ...flags);
  const calibrated = READY.slice(0, READY.indexOf("--corpus"));
  const evaluated = ["--tokens", TOKENS, "--seqlen", "128", "--windows", "6", "--backend", "wasm"];
  const flagOf: Record<string, string> = { owl: "--allocation=owl", permute: "--permute" };
  const flagsOf = (option: string) => {
    const [word, value] = option.split(":");
    if (word === "damping" || word === "reconstruct") return `--${word}=${value ?? 1}`;
    return flagOf[word] ?? `--update=${word}`;
  };
  const expected = asked.flatMap(([, share]) =>
    methods.filter((method) => !method.includes(share === "0.6" ? "permute" : "owl")).map((method) => [method, share])
  );
  assertEquals(rows.slice(1).map(({ method, asked }: Row) => [method, asked]), expected);
  // Each method once: at 2:4 what is for n:m, at 0.6 the others.
  for (const [i, method] of methods.entries()) {
    const [base, ...options] = method.split("+"), which = asked[Number(options.includes("permute"))];
    const pruned = `${folder.path}/${i}`, made = ["--method", base, ...options.map(flagsOf), ...which, ...samples];
    await runJson("prune", ...calibrated, ...made, "--out", pruned, "--runs", "none");
    const { perplexity } = await runJson("eval", "--model", pruned, ...evaluated, "--runs", "none");
    const row = rows.find((row: Row) => row.method === method && row.asked === which[1]);
    assertEquals(row.perplexity, perplexity, `${method} ${which[1]}`);
  }
  for (const { cpuSeconds } of rows.slice(1)) assert(cpuSeconds > 0);
});

Deno.test("several numbers of sequences and seeds: mean and deviation for each method, and a second picture", async () => {
  using folder = temporary();
  const out = `${folder.path}/compared`;
  const flags = [...FLAGS, "--samples", "2,4", "--seeds", "0,1", "--methods", "magnitude,wanda", "--sparsities", "0.5"];
  const { samples, rows } = await runJson("compare", ...flags, "--out", out);
  assertEquals([samples.asked, samples.seeds], ["0.5", [0, 1]]);
  assertEquals(samples.points.map(({ method, samples }: Record<string, unknown>) => [method, samples]), [["wanda", 2], [
    "wanda",
    4,
  ]]);
  for (const { perplexities, mean } of samples.points) assertEquals(mean, (perplexities[0] + perplexities[1]) / 2);
  // The table is of the last number and the first seed.
  assertEquals(samples.points[1].perplexities[0], rows[2].perplexity);
  assertEquals(names(out), ["compare.csv", "compare.json", "compare.md", "compare.svg", "samples.svg"]);
});

Deno.test("what cannot be compared is refused before any work", async () => {
  using folder = temporary();
  const out = `${folder.path}/out`;
  const refusals: Record<string, RegExp> = {
    "--methods wanda,obs": /^error: --method obs: not known; known are magnitude, sparsegpt, wanda, ria, admm, alps$/m,
    "--methods wanda,wanda": /^error: --methods wanda,wanda: wanda stands there twice$/m,
    "--sparsities 0.5,": /^error: --sparsities 0\.5,: expected words with a comma between them$/m,
    "--sparsities 1.5": /^error: --sparsity 1\.5: expected a share in \[0, 1\)$/m,
    "--sparsities half": /^error: --sparsities half: expected shares such as 0\.5 and patterns such as 2:4$/m,
    "--sparsities 5:7": /^error: --pattern 5:7: .*q_proj has 96 inputs, not a multiple of 7$/m,
    "--seeds 0,1 --calibration x.safetensors":
      /^error: --seeds 0,1: x\.safetensors holds ready sequences; no seed draws others$/m,
    "--samples 0": /^error: --samples 0: expected whole numbers of 1 or more, with a comma between them$/m,
    "--methods wanda --damping 0.1":
      /^error: --damping and --block-size are for methods with a Hessian and for updates, which --methods does not name$/m,
    "--methods wanda+owls": /^error: --update owls: expected sequential, iterative or pcg$/m,
    "--methods wanda+owl+owl":
      /^error: --methods wanda\+owl\+owl: expected one allocation at most, and one update at most$/m,
    "--shots 1": /^error: --shots is for --tasks, and there are none$/m,
    [`--tasks ${CHOICES}x`]: /^error: --tasks .*austen-choices\.jsonlx: there is no such task/m,
    "--methods wanda,ria+owl --sparsities 4:8":
      /^error: --methods ria\+owl: owl shares out a sparsity, and 4:8 is one for all$/m,
    "--methods wanda+permute --sparsities 0.5,0.6":
      /^error: --methods wanda\+permute: permute is for n:m, and 0\.5 is none$/m,
    "--methods wanda+permute:1": /^error: --methods wanda\+permute:1: expected permute without a value$/m,
    "--methods wanda+reconstruct:0": /^error: --methods wanda\+reconstruct:0: reconstruct: expected 1 or more$/m,
    "--methods sparsegpt+damping:much":
      /^error: --methods sparsegpt\+damping:much: damping: expected auto or a number$/m,
    "--methods sparsegpt+damping:1+damping:2": /^error: --methods .*: damping stands there twice$/m,
    "--methods wanda+damping:0.1": /^error: --damping: wanda has no Hessian; sparsegpt, admm, alps and --update have$/m,
  };
  for (const [flags, says] of Object.entries(refusals)) {
    assertMatch(await errorsOf("compare", ...FLAGS, "--out", out, ...flags.split(" ")), says);
    assertEquals(names(folder.path), []);
  }
});

Deno.test("without a corpus nothing is asked of a perplexity", async () => {
  const refusals: Record<string, RegExp> = {
    "--samples 1,2": /^--samples: several numbers are for a perplexity: name a --corpus$/,
    "--seeds 0,1": /^--seeds: several numbers are for a perplexity: name a --corpus$/,
    "--windows 2": /^--windows is for a perplexity: name a --corpus$/,
  };
  for (const [flags, says] of Object.entries(refusals)) {
    const asked = ["--model", AUSTEN, "--tasks", CHOICES, "--out", "none", ...flags.split(" ")];
    const { message } = await assertRejects(() => runJson("compare", ...asked), PareError);
    assertMatch(message, says);
  }
});

Deno.test("a comparison that is interrupted leaves nothing behind", async () => {
  using folder = temporary();
  const child = start("compare", ...FLAGS, "--samples", "32", "--out", `${folder.path}/out`);
  const stdout = new Response(child.stdout).text();
  let err = "", sent = false;
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
    err += text;
    if (!sent && err.includes("sparsegpt 0.5: block 2")) {
      child.kill("SIGINT");
      sent = true;
    }
  }
  assertEquals([(await child.status).code, await stdout, names(folder.path)], [130, "", []], err);
});

Deno.test("pruned models are trained further under their masks, in three ways, within one budget: the paper's Table 6", async () => {
  using folder = temporary();
  const out = `${folder.path}/tuned`,
    asked = ["--tasks", CHOICES, "--limit", "4", "--methods", "wanda", "--sparsities", "0.5,2:4"];
  const budget = ["--finetune", "--tune-steps", "6", "--tune-batch", "4", "--tune-seqlen", "64", "--tune-rate", "2e-3"];
  const flags = [...FLAGS, "--samples", "4", ...asked, ...budget];
  const found = await runJson("compare", ...flags, "--out", out, "--runs", `${folder.path}/runs.db`);
  const ways = ["wanda", "wanda, LoRA", "wanda, all weights", "wanda, block reconstruction"];
  const rows: { method: string; asked: string; perplexity: number; sparsity: number; results: unknown[] }[] =
    found.rows;
  assertEquals(rows.map(({ method, asked }) => [method, asked]), [
    ["dense", ""],
    ...["0.5", "2:4"].flatMap((asked) => ways.map((way) => [way, asked])),
  ]);
  for (const first of [1, 5]) {
    const [plain, ...tuned] = rows.slice(first, first + 4);
    for (const { method, perplexity, sparsity, results } of tuned) {
      assertLess(perplexity, plain.perplexity, method);
      assertAlmostEquals(sparsity, plain.sparsity, 1e-4, method);
      assertEquals(results.length, 1);
    }
  }
  assertStringIncludes(found.finetune, "LoRA and all weights: 6 steps of 4 x 64 tokens of ");
  assertStringIncludes(found.finetune, "block reconstruction: one epoch over 24 x 64 tokens of it");
  const text = Deno.readTextFileSync(`${out}/compare.md`), csv = Deno.readTextFileSync(`${out}/compare.csv`);
  assertStringIncludes(text, `## Perplexity by method and sparsity\n\n| perplexity | 0.5 | 2:4 |`);
  assertMatch(text, /\| wanda, block reconstruction \| \d+\.\d\d \| \d+\.\d\d \|/);
  assertMatch(text, /accuracy \(%\) \| 0\.5 \| 2:4 \|/);
  assertStringIncludes(text, found.finetune);
  assertEquals(csv.trimEnd().split("\r\n").length, 10);
  assertEquals(names(folder.path).filter((name) => !name.startsWith("runs.db")), ["tuned"]);
  const one = ["--sparsities", "0.5", "--finetune", "full", "--out", out, "--runs", "none", "--force"];
  const again = await runJson("compare", ...flags, ...one);
  assertEquals(again.rows.map(({ method }: { method: string }) => method), ["dense", "wanda", ways[2]]);
  assertEquals(again.rows[2].perplexity, rows[3].perplexity);
});

Deno.test("what a training is asked wrongly is refused before anything is begun", async () => {
  for (
    const [flags, says] of [
      [["--tune-steps", "4"], "--tune-steps: expected --finetune with it"],
      [["--finetune", "lora,qlora"], "--finetune qlora: not known; known are lora, full, reconstruct"],
      [["--finetune", "--tune-rate", "0"], "--tune-rate 0: expected a number above 0"],
      [["--finetune", "--tune-minutes", "0"], "--tune-minutes 0: expected a number above 0"],
    ] as const
  ) assertStringIncludes(await errorsOf("compare", ...FLAGS, ...flags, "--out", "/tmp/never"), says);
});
