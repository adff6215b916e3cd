/**
 * A user's whole way, by the commands alone: prune a model, look at it, measure it; and what each command tells. The way and
 * what stands on the streams are claimed of processes, what flags do in the test's own.
 */
import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { names, snapshot, temporary } from "../checkpoint/folders.ts";
import { AUSTEN, BESIDE, HELD_OUT, ROOT, run, runJson as processJson, TOKENS } from "./commands.ts";
import { errorsOf, IN_PROCESS, runJson } from "./in_process.ts";

/** The published code's perplexities of Austen-700K on the same tokens. */
const GOLDEN: { runs: Record<string, { ppl: number }> } = JSON.parse(
  Deno.readTextFileSync(`${ROOT}tests/golden/Austen-700K/results.json`),
);
/** The project's own target for perplexity end to end. */
const GOLDEN_TOLERANCE = 1e-4;

const WASM = ["--backend", "wasm"];

Deno.test("prune, inspect and eval of 2:4 Wanda: the published perplexity, and all is told", async () => {
  using folder = temporary();
  const out = `${folder.path}/pruned`;
  const pruned = await processJson(
    ...["prune", "--model", AUSTEN, "--pattern", "2:4", "--calibration", TOKENS, "--out", out, ...WASM] as const,
  );
  assertEquals(names(folder.path), ["pruned"]);
  assertEquals(names(out), [...BESIDE, ...names(AUSTEN)].sort());
  for (const [name, bytes] of snapshot(AUSTEN)) {
    if (name !== "model.safetensors") assertEquals(Deno.readFileSync(`${out}/${name}`), bytes, name);
  }
  const { model, method, sparsity, pattern, calibration, backend, plan, linears, seconds, peakBytes } = pruned;
  assertEquals([model, method, sparsity, pattern, pruned.out], [AUSTEN, "wanda", 0.5, { n: 2, m: 4 }, out]);
  assertEquals([calibration.description, calibration.sequences, calibration.seqlen], [TOKENS, 32, 256]);
  assertMatch(calibration.sha256, /^[0-9a-f]{64}$/);
  assertEquals(backend.name, "wasm");
  assertEquals([plan.linears, plan.weights, plan.hiddenBytes, plan.spooled], [42, 608256, 32 * 256 * 96 * 4, false]);
  assert(plan.readBytes > 2 * plan.weights && plan.seconds > 0 && plan.peakBytes > 0);
  assertEquals(linears.length, 42);
  for (const { rows, cols, zeros } of linears) assertEquals(zeros, rows * cols / 2);
  assertGreater(seconds, 0);
  assertGreater(peakBytes, 10e6);

  const inspected = await processJson("inspect", out);
  const patterns = inspected.tensors.filter(({ name }: { name: string }) => /_proj\.weight$/.test(name));
  assertEquals(patterns.length, 42);
  assertEquals(inspected.sparsity, 0.5);
  for (const tensor of patterns) assertEquals(tensor.pattern, "2:4", tensor.name);

  const evaluated = await processJson("eval", "--model", out, "--tokens", TOKENS, ...WASM);
  const { perplexity, windows, seqlen, corpus, sha256 } = evaluated;
  assertEquals([windows, seqlen, corpus, evaluated.sparsity], [64, 256, TOKENS, 0.5]);
  assertMatch(sha256, /^[0-9a-f]{64}$/);
  assertLess(Math.abs(perplexity / GOLDEN.runs["wanda-2_4"].ppl - 1), GOLDEN_TOLERANCE);
});

Deno.test("for a person: the plan before, progress with its rates, a table at the end", async () => {
  using folder = temporary();
  const args = ["--model", AUSTEN, "--calibration", "sample", "--samples", "4", "--seqlen", "64", ...WASM];
  const { code, out, err } = await run("prune", ...args, "--sparsity", "0.6", "--out", `${folder.path}/pruned`);
  assertEquals(code, 0, err);
  const lines = err.trimEnd().split("\n");
  const at = (pattern: RegExp) => lines.findIndex((line) => pattern.test(line));
  const plan = [/^calibration: 4 x 64 tokens of sample/, /^backend: wasm/, /^to prune: 608,256 weights of 42 linears$/]
    .concat([/^to read: .+ MiB; hidden states: .+ KiB$/, /^estimates: peak memory .+ MiB, time .+ m?s$/]).map(at);
  assert(plan.every((line) => line >= 0), err);
  assertLess(Math.max(...plan), at(/^block 1 of 6, observe: /));
  assertMatch(lines.at(-1)!, /^block 6 of 6, observe: 100 %, took .+, [\d,]+ tokens\/s, peak memory .+ MiB$/);
  assertStringIncludes(err, " left, ");
  // floor(96 * 0.6) of 96, floor(256 * 0.6) of 256.
  assertMatch(out, /^self_attn\.q_proj +6 +55,296 +32,832 +59\.38 % +[\d.]+ % +[\d.]+ m?s$/m);
  assertMatch(out, /^mlp\.down_proj +6 +147,456 +88,128 +59\.77 % /m);
  assertMatch(out, /^all +42 +608,256 +361,728 +59\.47 % /m);
  assertMatch(out, /^output error: an estimate /m);
});

Deno.test("a perplexity stands beside its window length, its windows and its corpus", async () => {
  const args = ["--model", AUSTEN, "--corpus", HELD_OUT, "--seqlen", "128", "--windows", "3", ...WASM];
  const [{ code, out }, json] = [await run("eval", ...args), await runJson("eval", ...args)];
  assertEquals(code, 0);
  assertMatch(out, /^perplexity +seqlen +windows +sparsity +corpus$/m);
  assertStringIncludes(out, `${json.perplexity.toFixed(4)}     128        3    0.00 %  ${HELD_OUT}\n`);
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(HELD_OUT));
  const sha256 = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  assertStringIncludes(out, `SHA-256 of the corpus: ${sha256}\n`);
  assertEquals([json.sha256, json.windows, json.seqlen, json.sparsity], [sha256, 3, 128, 0]);
});

Deno.test("an old command of the published code gives the same bytes as ours", async () => {
  using folder = temporary();
  const [ours, published] = [`${folder.path}/ours`, `${folder.path}/published`];
  const rest = ["--model", AUSTEN, "--calibration", TOKENS, "--seqlen", "64", ...WASM];
  await runJson("prune", ...rest, "--method", "wanda", "--pattern", "4:8", "--samples", "6", "--out", ours);
  await runJson(
    "prune",
    ...[...rest, "--prune_method", "wanda", "--sparsity_ratio", "0.5", "--sparsity_type", "4:8"],
    ...["--nsamples", "6", "--save", `${folder.path}/log`, "--save_model", published],
  );
  assertEquals(names(folder.path), ["ours", "published"]);
  // The manifests and cards differ, since they hold the command as it was given.
  for (const folder of [ours, published]) for (const name of BESIDE) Deno.removeSync(`${folder}/${name}`);
  assertEquals(snapshot(published), snapshot(ours));
});

Deno.test("--use_variant is Wanda's variant, which is not the count of every row", async () => {
  const flags = ["--model", AUSTEN, "--calibration", TOKENS, "--samples", "2", ...WASM];
  using folder = temporary();
  const zeros = async (out: string, ...more: string[]): Promise<number[]> => {
    const { linears } = await runJson("prune", ...flags, "--out", `${folder.path}/${out}`, ...more);
    return linears.map(({ zeros }: { zeros: number }) => zeros);
  };
  const [variant, count] = [await zeros("variant", "--use_variant"), await zeros("count")];
  assertEquals(count, variant.map((_, i) => [96 * 48, 48 * 48, 48 * 48, 96 * 48, 256 * 48, 256 * 48, 96 * 128][i % 7]));
  for (const [i, found] of variant.entries()) assertLess(Math.abs(found / (2 * count[i]) - 0.5), 0.01);
  assert(String(variant) !== String(count));
});

Deno.test("token ids from a file are used whole unless --samples or --seqlen say less", async () => {
  const plan = async (...flags: string[]) => {
    const { calibration } = await runJson(
      "prune",
      "--model",
      AUSTEN,
      "--calibration",
      TOKENS,
      "--dry-run",
      ...flags,
      ...WASM,
    );
    return [calibration.sequences, calibration.seqlen];
  };
  assertEquals(await plan(), [32, 256]);
  assertEquals(await plan("--samples", "5"), [5, 256]);
  assertEquals(await plan("--seqlen", "100", "--samples", "1000"), [32, 100]);
});

Deno.test("--seqlen is the model's limit by default, not 2048 and not what the config may claim", async () => {
  const args = ["--model", AUSTEN, "--calibration", "sample", "--dry-run", "--samples", "2", ...WASM];
  const { calibration } = await runJson("prune", ...args);
  assertEquals(calibration.seqlen, 512);
});

Deno.test("--dry-run tells the plan and writes nothing, with a place for the result or without", async () => {
  using folder = temporary();
  const args = ["--model", AUSTEN, "--calibration", TOKENS, "--dry-run", ...WASM];
  for (const out of [[], ["--out", `${folder.path}/new/out`]]) {
    const { text } = await IN_PROCESS.prune(...args, ...out);
    assertMatch(text, /^to prune: 608,256 weights of 42 linears$/m);
    const json = await runJson("prune", ...args, ...out);
    assertEquals([json.plan.weights, json.linears, json.out], [608256, undefined, undefined]);
    assertEquals(names(folder.path), []);
  }
});

Deno.test("--dry-run has the model write nothing for --calibration self: no hash is known, and no plan names one", async () => {
  const asked = ["--calibration", "self", "--samples", "4", "--seqlen", "64"];
  const args = ["--model", AUSTEN, "--dry-run", ...asked, ...WASM];
  const { text } = await IN_PROCESS.prune(...args, "--start-token", "0");
  assertMatch(
    text,
    /^calibration: 4 x 64 tokens of what the model writes itself, which is written first, in time that is not told here$/m,
  );
  const { calibration, runPlan, plan } = await runJson("prune", ...args, "--start-token", "0");
  const description = "what the model writes itself";
  assertEquals([calibration, runPlan], [{ description, sequences: 4, seqlen: 64 }, undefined]);
  assertEquals(plan.hiddenBytes, 4 * 64 * 96 * 4);
});

Deno.test("--blocks, --include and --exclude leave the rest of the model byte for byte", async () => {
  using folder = temporary();
  const out = `${folder.path}/pruned`;
  const choice = [
    "--blocks",
    "1-2",
    "--include",
    "*.mlp.*",
    "--include",
    "q_proj",
    "--exclude",
    "layers.2.mlp.up_proj",
  ];
  const { linears } = await runJson(
    ...["prune", "--model", AUSTEN, "--method", "magnitude", ...choice, "--out", out, ...WASM] as const,
  );
  const chosen = ["1.self_attn.q_proj", "1.mlp.gate_proj", "1.mlp.up_proj", "1.mlp.down_proj"]
    .concat(["2.self_attn.q_proj", "2.mlp.gate_proj", "2.mlp.down_proj"]).map((name) => `model.layers.${name}`);
  assertEquals(linears.map(({ name }: { name: string }) => name), chosen);
  const { tensors } = await runJson("inspect", out);
  const zeros = tensors.filter(({ zeros }: { zeros?: number }) => zeros && zeros > 100);
  assertEquals(zeros.map(({ name }: { name: string }) => name).sort(), chosen.map((name) => `${name}.weight`).sort());
});

Deno.test("--force replaces what the output held, and what fails before the end replaces nothing", async () => {
  using folder = temporary();
  const out = `${folder.path}/out`;
  const args = ["--model", AUSTEN, "--calibration", TOKENS, "--samples", "1", "--out", out, "--force", ...WASM];
  await runJson("prune", "--model", AUSTEN, "--method", "magnitude", "--out", out, ...WASM);
  const old = Deno.readFileSync(`${out}/model.safetensors`);
  const told = await errorsOf("prune", ...args, "--seqlen", "600", "--calibration", "sample");
  assertStringIncludes(told, "600");
  assertEquals([names(folder.path), Deno.readFileSync(`${out}/model.safetensors`)], [["out"], old]);
  await runJson("prune", ...args);
  assertNotEquals(Deno.readFileSync(`${out}/model.safetensors`), old);
  assertEquals([names(folder.path), names(out)], [["out"], [...BESIDE, ...names(AUSTEN)].sort()]);
});

Deno.test("a model of shards keeps its shards", async () => {
  using folder = temporary();
  const model = `${ROOT}tests/fixtures/models/tiny-mistral`, out = `${folder.path}/out`;
  await runJson("prune", "--model", model, "--method", "magnitude", "--out", out, ...WASM);
  assertEquals(names(out), [...BESIDE, ...names(model)].sort());
  const index = "model.safetensors.index.json";
  assertEquals(Deno.readFileSync(`${out}/${index}`), Deno.readFileSync(`${model}/${index}`));
});
