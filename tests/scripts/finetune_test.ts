/** `finetune` as a command: what it writes, that the mask holds to the bit, that it is gone on with, and what it refuses. */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { openFile } from "../../src/checkpoint/file.ts";
import { readSafetensors } from "../../src/checkpoint/safetensors.ts";
import { PareError } from "../../src/errors.ts";
import { runFacts } from "../../scripts/runs/text.ts";
import { Registry } from "../../src/run/registry.ts";
import { copyTree, FIXTURES, names, temporary } from "../checkpoint/folders.ts";
import { AUSTEN, HELD_OUT, run, runJson as processJson, start, TOKENS } from "./commands.ts";
import { heard, IN_PROCESS, runJson } from "./in_process.ts";

const WASM = ["--backend", "wasm"], NO_RUNS = ["--runs", "none"];
/** Little to compute, and enough to be better for it. */
const LITTLE = [
  ...["--calibration", HELD_OUT, "--seqlen", "64", "--eval-windows", "4", "--batch", "2", "--steps", "8"],
  ...["--eval-every", "4", "--warmup", "2", "--rate", "2e-3", ...WASM],
];

/** The same of what is fitted block by block. */
const FITTED = ["--teacher", AUSTEN, "--samples", "8", ...LITTLE.slice(0, 6), ...WASM];

/** Pruned copies of the fixture, which nobody writes into, made once for each of these flags. */
const models = temporary(), made: Record<string, Promise<unknown>> = {};
globalThis.addEventListener("unload", () => models[Symbol.dispose]());

/** A pruned copy of the fixture, to be read. */
async function pruned(...flags: string[]): Promise<string> {
  const out = `${models.path}/pruned${flags.join(" ")}`;
  const small = ["--samples", "4", "--seqlen", "64", "--calibration", TOKENS];
  const asked = ["--model", AUSTEN, "--out", out, ...small, ...WASM, ...NO_RUNS, ...flags];
  await (made[out] ??= runJson("prune", ...asked));
  return out;
}

/** Which numbers of every tensor of a checkpoint are zero, and its bytes. */
async function tensorsOf(directory: string): Promise<Map<string, Uint16Array>> {
  await using file = await openFile(`${directory}/model.safetensors`);
  const { entries, read } = await readSafetensors(file), tensors = new Map<string, Uint16Array>();
  for (const name of entries.keys()) tensors.set(name, new Uint16Array((await read(name)).buffer));
  return tensors;
}

const zerosOf = (numbers: Uint16Array) => numbers.map((bits) => Number((bits & 0x7fff) === 0));

Deno.test("LoRA inside the mask: the merged model has the zeros of the pruned one, and PEFT's files stand beside it", async () => {
  using folder = temporary();
  const model = await pruned(), out = `${folder.path}/tuned`, registry = `${folder.path}/runs.db`;
  const found = await runJson("finetune", "--model", model, "--out", out, ...LITTLE, "--runs", registry);
  assertEquals([found.zeros, found.weights], [304128, 608256]);
  assertEquals(found.steps.length, 8);
  assertEquals(found.evaluations.map(({ step }: { step: number }) => step), [0, 4, 8]);
  assertLess(found.best.loss, found.evaluations[0].loss);
  const before = await tensorsOf(model), after = await tensorsOf(out);
  for (const [name, numbers] of before) {
    const own = after.get(name)!;
    if (/\.(q|v)_proj\.weight$/.test(name)) {
      assertEquals(zerosOf(own), zerosOf(numbers), name);
      assert(own.some((bits, at) => bits !== numbers[at]), `${name} was trained`);
    } else assertEquals(own, numbers, name);
  }
  assertEquals(names(`${out}-adapter`), [
    ...["adapter_config.json", "adapter_model.safetensors", "masks.safetensors", "pare_manifest.json"],
  ]);
  const config = JSON.parse(Deno.readTextFileSync(`${out}-adapter/adapter_config.json`));
  assertEquals([config.r, config.lora_alpha, config.target_modules, config.peft_type], [
    8,
    16,
    ["q_proj", "v_proj"],
    "LORA",
  ]);
  const curve = JSON.parse(Deno.readTextFileSync(`${out}/training.json`));
  assertEquals([curve.steps, curve.evaluations], [found.steps, found.evaluations]);
  {
    using runs = Registry.open(registry, { mode: "read" });
    const [run] = runs.list({ limit: 10 }).runs;
    assertEquals([run.status, run.manifest.plan.kind], ["finished", "finetune"]);
    assertEquals(run.perplexities.map(({ label }) => label), ["pruned", "tuned"]);
    const points = runs.curvePoints(run.id), seconds = points.map((point) => point.seconds);
    assertEquals(
      points.filter(({ kind }) => kind === "step").map(({ seconds: _, kind: _k, ...step }) => step),
      found.steps,
    );
    assertEquals(
      points.flatMap((point) => point.kind === "evaluation" ? [[point.step, point.perplexity]] : []),
      found.evaluations.map(({ step, loss }: { step: number; loss: number }) => [step, Math.exp(loss)]),
    );
    assert(seconds.every((one) => one > 0 && one <= found.seconds + 1));
    const facts = runFacts(run, [], points);
    assertStringIncludes(facts, "steps         8, loss ");
    assertStringIncludes(facts, "held out      perplexity ");
  }
  // What it would write is there.
  const again = await runJson("finetune", "--model", model, "--out", out, ...LITTLE, "--runs", registry);
  assertEquals(again.done, true);
  // By commands, whose sandboxes open what each needs.
  const fast = await processJson("verify", out, "--fast", "--runs", registry);
  assertEquals([fast.identical, fast.files > 1], [true, true]);
  assertEquals((await processJson("verify", found.run, "--runs", registry)).identical, true);
});

Deno.test("adapters are gone on with: PEFT's directory gives the first weights, and one of other shapes is refused", async () => {
  using folder = temporary();
  const model = await pruned(), out = `${folder.path}/tuned`;
  const flags = ["--model", model, ...LITTLE, ...NO_RUNS], start = ["--start", `${out}-adapter`];
  const first = await runJson("finetune", ...flags, "--out", out);
  const second = await runJson("finetune", ...flags, ...start, "--out", `${folder.path}/next`);
  assertEquals(second.evaluations[0].loss, first.best.loss);
  assertLess(second.best.loss, first.best.loss);
  const refused = async (...more: string[]) => {
    const asked = [...flags, ...start, ...more, "--out", `${folder.path}/no`];
    return (await assertRejects(() => IN_PROCESS.finetune(...asked), PareError)).message;
  };
  assertMatch(
    await refused("--rank", "4"),
    /the adapter does not fit .*: expected .*lora_A\.weight, F32 of 4 x 96, found F32 of 8 x 96/,
  );
  assertStringIncludes(await refused("--targets", "*.q_proj"), "the adapter has base_model.model.model.layers.0");
  assertStringIncludes(await refused("--targets", "*.o_proj"), "found none");
  assertEquals(names(folder.path).filter((name) => name.startsWith("no")), []);
});

Deno.test("LoRA as published fills removed weights, and says how many", async () => {
  using folder = temporary();
  const model = await pruned(), out = `${folder.path}/tuned`;
  const found = await runJson("finetune", "--model", model, "--out", out, ...LITTLE, "--unmasked", ...NO_RUNS);
  // q and v of six blocks are 82944 weights, half of them removed before, nearly none after.
  assertLess(found.zeros, 304128 - 41472 * 0.99);
  const zeros = [...await tensorsOf(out)].filter(([name]) => /_proj\.weight$/.test(name))
    .reduce((sum, [, numbers]) => sum + zerosOf(numbers).reduce((a, b) => a + b), 0);
  assertEquals(found.zeros, zeros);
});

Deno.test("all weights of a 2:4 model: every group of four keeps its zeros, embedding and norms are trained", async () => {
  using folder = temporary();
  const model = await pruned("--pattern", "2:4"), out = `${folder.path}/tuned`;
  const found = await runJson("finetune", "--model", model, "--out", out, "--mode", "full", ...LITTLE, ...NO_RUNS);
  assertGreater(found.evaluations[0].loss - found.best.loss, 0.05);
  const before = await tensorsOf(model), after = await tensorsOf(out);
  for (const [name, numbers] of before) {
    const own = after.get(name)!;
    if (/_proj\.weight$/.test(name)) {
      assert(zerosOf(numbers).every((zero, at) => !zero || (own[at] & 0x7fff) === 0), name);
    }
    assert(own.some((bits, at) => bits !== numbers[at]), `${name} was trained`);
  }
  const { tensors } = await runJson("inspect", out);
  for (const { name, pattern } of tensors) if (/_proj\.weight$/.test(name)) assertEquals(pattern, "2:4", name);
});

Deno.test("all weights in BF16: the same bytes with any number of workers, the mask held, and most of what F32 wins", async () => {
  using folder = temporary();
  // A little more than little: steps on fewer windows win less than BF16 rounds away.
  const model = await pruned(), flags = ["--model", model, "--mode", "full", ...LITTLE, "--batch", "4", ...NO_RUNS];
  const [wide, ...narrow] = await Promise.all([
    runJson("finetune", ...flags, "--out", `${folder.path}/f32`),
    ...["1", "2"].map((workers) =>
      runJson(
        "finetune",
        ...flags,
        "--out",
        `${folder.path}/bf16-${workers}`,
        "--precision",
        "bf16",
        "--workers",
        workers,
      )
    ),
  ]);
  const [one, two] = ["1", "2"].map((workers) => Deno.readFileSync(`${folder.path}/bf16-${workers}/model.safetensors`));
  assertEquals(one, two);
  const before = await tensorsOf(model), after = await tensorsOf(`${folder.path}/bf16-1`);
  for (const [name, numbers] of before) {
    if (/_proj\.weight$/.test(name)) {
      assert(zerosOf(numbers).every((zero, at) => !zero || (after.get(name)![at] & 0x7fff) === 0), name);
    }
  }
  const won = ({ evaluations, best }: typeof wide) => evaluations[0].loss - best.loss;
  for (const found of narrow) assertGreater(won(found), won(wide) / 2);
});

Deno.test("a pruned model is fitted to its teacher, block by block: its zeros stay, and what was found is recorded", async () => {
  using folder = temporary();
  const model = await pruned("--pattern", "2:4"), out = `${folder.path}/fitted`;
  const registry = `${folder.path}/runs.db`, flags = ["--model", model, "--mode", "reconstruct", ...FITTED];
  const found = await runJson("finetune", ...flags, "--out", out, "--runs", registry);
  assertEquals([found.zeros, found.weights], [304128, 608256]);
  assertEquals(found.evaluations.map(({ step }: { step: number }) => step), [0, 6]);
  assertGreater(found.evaluations[0].loss - found.best.loss, 0.1);
  const before = await tensorsOf(model), after = await tensorsOf(out);
  for (const [name, numbers] of before) {
    if (/_proj\.weight$/.test(name)) assertEquals(zerosOf(after.get(name)!), zerosOf(numbers), name);
    else assertEquals(after.get(name), numbers, name);
  }
  const { tensors } = await runJson("inspect", out);
  for (const { name, pattern } of tensors) if (/_proj\.weight$/.test(name)) assertEquals(pattern, "2:4", name);
  {
    using runs = Registry.open(registry, { mode: "read" });
    const [run] = runs.list({ limit: 10 }).runs, points = runs.curvePoints(run.id);
    assertEquals([run.manifest.plan.request.method, points.length], ["reconstruct", 8]);
    const blocks = points.flatMap((point) => point.kind === "block" ? [point] : []);
    assertEquals(blocks.map(({ block }) => block), [0, 1, 2, 3, 4, 5]);
    for (const { before, after } of blocks) assertLess(after, before);
    assertStringIncludes(runFacts(run, [], points), "blocks        6 reconstructed, mean error ");
  }
  assertEquals(JSON.parse(Deno.readTextFileSync(`${out}/training.json`)).reconstructions, found.reconstructions);
  assertEquals((await runJson("verify", out, "--runs", registry)).identical, true);
  // Half of the linears, and no time: one block is fitted, and the rest is as it was.
  const little = ["--targets", "*.mlp.*", "--hours", "1e-9", ...NO_RUNS, "--force"];
  const some = await runJson("finetune", ...flags, "--out", out, ...little);
  assertEquals([some.zeros, some.ended, some.reconstructions.length], [304128, { why: "time" }, 1]);
  const fitted = [...await tensorsOf(out)].filter(([name, own]) => String(own) !== String(before.get(name)));
  assertEquals(
    fitted.map(([name]) => name).sort(),
    ["down", "gate", "up"].map((of) => `model.layers.0.mlp.${of}_proj.weight`),
  );
});

/** Little of each mode, its state kept in between. */
const resumable = (model: string, [mode, ...how]: readonly string[]) => {
  const own = mode === "reconstruct" ? [...FITTED, "--eval-every", "2"] : LITTLE;
  return ["--model", model, "--mode", mode, ...how, ...own, ...NO_RUNS];
};

/** The same files were written, and nothing is left beside one of them. */
function sameFiles(out: string, whole: string): void {
  for (const file of ["model.safetensors", "training.json"]) {
    assertEquals(Deno.readFileSync(`${out}/${file}`), Deno.readFileSync(`${whole}/${file}`), file);
  }
  assertEquals(names(dirname(out)).filter((name) => name.startsWith(".")), []);
}

for (const mode of [["full"], ["full", "--precision", "bf16"], ["reconstruct"]]) {
  Deno.test(`${mode.join(" ")}, gone on with from what lies there after an evaluation, gives identical bytes`, async () => {
    using folder = temporary();
    const flags = resumable(await pruned(), mode),
      [work, left] = ["work", "left"].map((name) => `${folder.path}/${name}`);
    Deno.mkdirSync(work);
    // What the disk has in the middle of the run is what one that is killed there leaves.
    const progress = ({ label }: { readonly label: string }) => {
      if (/^(step 5 of 8|block 4 of 6)/.test(label) && !existsSync(left)) copyTree(work, left);
    };
    await heard({ progress }, () => runJson("finetune", ...flags, "--out", `${work}/out`));
    const said: string[] = [], note = (line: string) => void said.push(line);
    await heard({ note }, () => runJson("finetune", ...flags, "--out", `${left}/out`, "--resume"));
    assertMatch(said.join("\n"), mode[0] === "reconstruct" ? /going on after block [0-4]/ : /going on after step 4/);
    sameFiles(`${left}/out`, `${work}/out`);
  });
}

Deno.test("lora, killed after an evaluation and gone on with, gives identical bytes", async () => {
  using folder = temporary();
  const flags = resumable(await pruned(), ["lora"]), whole = `${folder.path}/whole`, out = `${folder.path}/out`;
  await runJson("finetune", ...flags, "--out", whole);
  const child = start("finetune", ...flags, "--out", out);
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
    if (text.includes("step 5 of 8")) break;
  }
  child.kill("SIGKILL");
  await child.stdout.cancel();
  await child.status;
  const { code, err } = await run("finetune", ...flags, "--out", out, "--resume");
  assertEquals(code, 0, err);
  assertStringIncludes(err, "going on after step 4");
  sameFiles(out, whole);
});

/** What a user may get wrong, and what is said. */
const REFUSED: readonly (readonly [what: string, flags: readonly string[], says: string])[] = [
  ["a model that is not pruned", ["--model", AUSTEN], "is not pruned: 0 of the 608256 weights"],
  ["no steps", ["--model", "PRUNED", "--steps", "0"], "--steps 0: expected a whole number of 1 or more"],
  ["no time", ["--model", "PRUNED", "--hours", "0"], "--hours 0: expected a number above 0"],
  [
    "a text that is too short",
    ["--model", "PRUNED", "--eval-windows", "5000"],
    "training text too short: found 16969 tokens",
  ],
  ["a mask of another model", ["--model", "PRUNED", "--mask", TOKENS], "has no mask of model.layers.0"],
  ["targets that are not there", ["--model", "PRUNED", "--targets", "query"], "--targets query: matches no linear"],
  [
    "LoRA's flags for all weights",
    ["--model", "PRUNED", "--mode", "full", "--rank", "4"],
    "--rank is for --mode lora, not for full",
  ],
  [
    "BF16 for adapters",
    ["--model", "PRUNED", "--precision", "bf16"],
    "--precision is for --mode full, not for lora",
  ],
  [
    "steps for blocks",
    ["--model", "PRUNED", "--mode", "reconstruct", "--steps", "4"],
    "--steps is for --mode lora or full, not",
  ],
  ["no teacher", ["--model", "PRUNED", "--mode", "reconstruct"], "--teacher is missing: name the dense model"],
  [
    "a teacher for steps",
    ["--model", "PRUNED", "--teacher", AUSTEN],
    "--teacher is for --mode reconstruct, not for lora",
  ],
  [
    "no epochs",
    ["--model", "PRUNED", "--mode", "reconstruct", "--teacher", AUSTEN, "--epochs", "0"],
    "--epochs 0: expected a whole",
  ],
  [
    "a teacher of other shapes",
    ["--model", "PRUNED", "--mode", "reconstruct", "--teacher", `${FIXTURES}/tiny-llama3`],
    "tiny-llama3: expected the model that was pruned, with model.embed_tokens.weight of ",
  ],
];

Deno.test("what cannot be trained is refused in a line, and nothing is left behind", async (t) => {
  using folder = temporary();
  const model = await pruned(), before = names(folder.path);
  for (const [what, flags, says] of REFUSED) {
    await t.step(what, async () => {
      const own = flags.map((flag) => flag === "PRUNED" ? model : flag);
      const all = [
        ...LITTLE.slice(0, 2),
        "--seqlen",
        "64",
        ...WASM,
        ...NO_RUNS,
        "--out",
        `${folder.path}/tuned`,
        ...own,
      ];
      const { message } = await assertRejects(() => IN_PROCESS.finetune(...all), PareError);
      assertStringIncludes(message, says);
      assertEquals(names(folder.path), before);
    });
  }
});

Deno.test("a loss that is no number ends the training, the best state is written, and the command says so", async () => {
  using folder = temporary();
  const model = await pruned(), out = `${folder.path}/tuned`;
  const ask = [
    "--model",
    model,
    "--out",
    out,
    "--mode",
    "full",
    ...LITTLE,
    "--warmup",
    "0",
    "--rate",
    "1e30",
    ...NO_RUNS,
  ];
  const { problems = [], json } = await IN_PROCESS.finetune(...ask);
  assertStringIncludes(String(problems), "the loss of step 2 is");
  assertEquals((json.best as { step: number }).step, 0);
  assertEquals(Deno.readFileSync(`${out}/model.safetensors`), Deno.readFileSync(`${model}/model.safetensors`));
});
