/** `deno task verify`, and the record that it goes by. */
import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { copyDirectory, temporary } from "../checkpoint/folders.ts";
import { parseManifest } from "../../src/run/manifest.ts";
import { planId } from "../../src/run/plan.ts";
import { Registry } from "../../src/run/registry.ts";
import { AUSTEN, HELD_OUT, ROOT, run, runJson as processJson, TOKENS } from "./commands.ts";
import { errorsOf, runJson } from "./in_process.ts";
import { GoldenFile } from "../golden/files.ts";

const SAMPLED = ["--model", AUSTEN, "--calibration", "sample", "--samples", "4", "--seqlen", "64", "--backend", "wasm"];

/** The same of ready token ids: to encode a text takes longer than to prune. */
const FLAGS = SAMPLED.with(3, TOKENS);

/** A pruned model and its registry in a folder. */
async function prunedIn(folder: string, ...more: string[]): Promise<{ out: string; runs: string[]; id: string }> {
  const out = `${folder}/pruned`, runs = ["--runs", `${folder}/runs.db`];
  const flags = FLAGS.filter((_, at) => !more.includes(FLAGS[at - at % 2]));
  const { run: id } = await runJson("prune", ...flags, ...more, "--out", out, ...runs);
  return { out, runs, id };
}

/** The same JSON with the keys of every object in another order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).reverse().map(([key, inner]) => [key, reversed(inner)]));
}

Deno.test("a prune leaves a run with all of its linears, a manifest and a card with the base's licence", async () => {
  using folder = temporary();
  const base = `${folder.path}/base`;
  copyDirectory(AUSTEN, base);
  Deno.writeTextFileSync(`${base}/README.md`, "---\nlicense: apache-2.0\nlanguage: [en, no]\n---\n# Base\n");
  const { out, runs, id } = await prunedIn(folder.path, "--model", base, "--method", "sparsegpt");
  const manifest = parseManifest(Deno.readTextFileSync(`${out}/pare_manifest.json`), "manifest");
  assertEquals(manifest.planId, id);
  assertEquals(manifest.inputs.map(({ path }) => path.split("/").at(-1)).slice(0, 1), ["model.safetensors"]);
  const card = Deno.readTextFileSync(`${out}/README.md`);
  assertStringIncludes(card, `| plan | ${id} |`);
  assertStringIncludes(card, "\nlicense: apache-2.0\nlanguage:\n  - en\n  - 'no'\n");
  assertStringIncludes(card, "## Licence\n\nThe base's: apache-2.0.\n");
  using registry = Registry.open(runs[1], { mode: "read" });
  const found = registry.get(id)!;
  assertEquals([found.status, found.out, registry.layers(id).length], ["finished", out, 42]);
  const { density, magnitudes, damping, outputErrorFrom } = registry.layer(id, "model.layers.3.mlp.up_proj")!;
  assertEquals([density.rows, density.cols, damping, outputErrorFrom], [64, 64, 0.01, "hessian"]);
  assertEquals(magnitudes.counts.reduce((a, b) => a + b), 256 * 96);
});

Deno.test("the same plan has the same id wherever its result goes, another one another", async () => {
  using folder = temporary();
  const ids: string[] = [];
  for (const [name, ...flags] of [["a"], ["b"], ["c", "--seed", "1"], ["d", "--sparsity", "0.4"]]) {
    const asked = [...SAMPLED, ...flags, "--out", `${folder.path}/${name}`, "--dry-run"];
    ids.push(planId((await runJson("prune", ...asked)).runPlan));
  }
  assertEquals(ids[1], ids[0]);
  assertEquals(new Set(ids).size, 3);
});

Deno.test("a run is verified by its id, its manifest or its model: identical, and its evaluation stands beside it", async () => {
  using folder = temporary();
  const { out, runs, id } = await prunedIn(folder.path);
  const { identical, linears, sameWeights, agreement } = await runJson("verify", id, ...runs);
  assertEquals([identical, linears, sameWeights, agreement], [true, 42, 42, 1]);
  // However it is named, it is found.
  for (const reference of [id, out, `${out}/pare_manifest.json`]) {
    const fast = await runJson("verify", reference, "--fast", ...runs);
    assertEquals([fast.run, fast.identical], [id, true]);
  }
  const evaluated = ["--tokens", TOKENS, "--seqlen", "128", "--windows", "2", "--backend", "wasm"];
  const { perplexity } = await runJson("eval", "--model", out, ...evaluated, ...runs);
  using registry = Registry.open(runs[1], { mode: "read" });
  assertEquals(registry.get(id)!.perplexities.map(({ label, perplexity }) => [label, perplexity]), [[
    "pruned",
    perplexity,
  ]]);
});

Deno.test("a run that reconstructs its blocks says by how much, is another plan than one that does not, and is verified", async () => {
  using folder = temporary();
  const { id } = await prunedIn(folder.path),
    out = `${folder.path}/fitted`,
    runs = ["--runs", `${folder.path}/runs.db`];
  const found = await runJson("prune", ...FLAGS, "--reconstruct", "--out", out, ...runs);
  assert(found.run !== id);
  assertEquals(found.reconstruct.epochs, 1);
  assertEquals(found.reconstructions.length, 6);
  for (const { before, after } of found.reconstructions) assert(after < before);
  assertEquals((await runJson("verify", out, ...runs)).identical, true);
  assertEquals((await runJson("prune", ...FLAGS, "--reconstruct", "2", "--dry-run")).reconstruct.epochs, 2);
});

Deno.test("what has been evaluated is not evaluated again, unless it is asked for or something is different", async () => {
  using folder = temporary();
  const runs = ["--runs", `${folder.path}/runs.db`],
    text = ["--corpus", HELD_OUT, "--seqlen", "64", "--backend", "wasm"];
  const evaluate = (...flags: string[]) => runJson("eval", "--model", AUSTEN, ...text, ...runs, ...flags);
  const first = await evaluate("--windows", "2");
  assertEquals(first.done, undefined);
  const twice = await evaluate("--windows", "2", "--workers", "2");
  assertEquals({ ...twice, backend: first.backend }, { ...first, done: true });
  const again = await evaluate("--windows", "2", "--force");
  assertEquals([again.done, again.run, again.perplexity], [undefined, `${first.run}-2`, first.perplexity]);
  assertEquals((await evaluate("--windows", "3")).done, undefined);
  const { done, run: unrecorded } = await runJson(
    "eval",
    "--model",
    AUSTEN,
    ...text,
    "--windows",
    "2",
    "--runs",
    "none",
  );
  assertEquals([done, unrecorded], [undefined, first.run]);
});

Deno.test("eval --card writes the perplexity into the model's card, the dense one beside it", async () => {
  using folder = temporary();
  const { out, runs } = await prunedIn(folder.path), card = () => Deno.readTextFileSync(`${out}/README.md`);
  const evaluated = ["--tokens", TOKENS, "--seqlen", "128", "--windows", "2", "--backend", "wasm", ...runs];
  const before = card(), first = await runJson("eval", "--model", out, ...evaluated), { perplexity } = first;
  assertEquals(card(), before);
  const dense = await runJson("eval", "--model", AUSTEN, ...evaluated);
  await runJson("eval", "--model", out, ...evaluated, "--card");
  const digits = [dense.perplexity, perplexity].map((each) => each.toPrecision(4));
  assertMatch(card(), new RegExp(`^\\| dense \\| ${digits[0]} \\| .*\n\\| pruned \\| ${digits[1]} \\| `, "m"));
  assertEquals([...Deno.readDirSync(out)].filter(({ name }) => name.startsWith(".")), []);
  // The card is no part of the model: what was run before can be run again.
  assert((await runJson("verify", first.run, ...runs)).identical);
  const err = await errorsOf("eval", "--model", AUSTEN, ...evaluated, "--card");
  assertMatch(err, /^error: --card: .*Austen-700K has no pare_manifest\.json: it is no model that Pare has pruned$/m);
});

Deno.test("a model that was changed since is not identical: the linear is named, and the bits of its mask", async () => {
  using folder = temporary();
  const { out, runs } = await prunedIn(folder.path), path = `${out}/model.safetensors`;
  const file = Deno.readFileSync(path), length = Number(new DataView(file.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length)));
  const name = "model.layers.2.mlp.gate_proj", [from] = header[`${name}.weight`].data_offsets;
  // The first weights, F16: whatever they are, three of the first four change between zero and not.
  const words = new Uint16Array(file.slice(8 + length + from, 8 + length + from + 8).buffer);
  for (const i of [0, 1, 2]) words[i] = words[i] === 0 ? 0x3c00 : 0;
  file.set(new Uint8Array(words.buffer), 8 + length + from);
  Deno.writeFileSync(path, file);
  const { code, out: said, err } = await run("verify", out, ...runs);
  assertEquals(code, 2);
  assertMatch(said, /^ +42 +41 +41 +99\.999\d %$/m);
  assertStringIncludes(err, `error: not identical; first ${name}: its mask differs, in 3 bits of the mask\n`);
});

Deno.test("a run is verified from anywhere, and where its model stands elsewhere by now; another model is refused", async () => {
  using folder = temporary();
  const there = `${folder.path}/there`, elsewhere = `${folder.path}/elsewhere`;
  Deno.mkdirSync(there);
  copyDirectory(AUSTEN, `${there}/model`);
  Deno.copyFileSync(HELD_OUT, `${there}/text.txt`);
  Deno.writeTextFileSync(`${there}/map.json`, JSON.stringify({ "*.mlp.*": 0.6, q_proj: "2:4" }));
  const flags = ["--model", "model", "--calibration", "text.txt", "--samples", "4", "--seqlen", "64"];
  flags.push("--backend", "wasm", "--sparsity-map", "map.json", "--out", "out", "--runs", "none");
  const program = [Deno.execPath(), "run", "--quiet", "--allow-all", `${ROOT}scripts/prune.ts`, ...flags];
  const { success } = await new Deno.Command(program[0], { args: program.slice(1), cwd: there }).output();
  assert(success);
  // Its manifest does not say where things stood: they are found beside it, wherever that is.
  assert((await runJson("verify", `${there}/out`)).identical);
  Deno.mkdirSync(elsewhere);
  Deno.renameSync(`${there}/out`, `${elsewhere}/out`);
  const gone = await errorsOf("verify", `${elsewhere}/out`);
  assertMatch(gone, /^error: model is neither here nor beside the model; --model says where it stands$/m);
  for (const name of ["model", "text.txt"]) Deno.renameSync(`${there}/${name}`, `${elsewhere}/my-${name}`);
  const moved = ["--model", `${elsewhere}/my-model`, "--calibration", `${elsewhere}/my-text.txt`];
  assert((await runJson("verify", `${elsewhere}/out`, ...moved)).identical);
  const other = await errorsOf("verify", `${elsewhere}/out`, ...moved.slice(2), "--model", `${elsewhere}/out`);
  assertMatch(other, /^error: the run's plan: the model's SHA-256 is [0-9a-f]{64}, the plan has [0-9a-f]{64}$/m);
});

Deno.test("an evaluation and a comparison are verified by their perplexities", async () => {
  using folder = temporary();
  const runs = ["--runs", `${folder.path}/runs.db`],
    text = ["--corpus", HELD_OUT, "--windows", "3", "--backend", "wasm"];
  const evaluated = await runJson("eval", "--model", AUSTEN, ...text, "--seqlen", "64", ...runs);
  // By commands, whose sandboxes open what each needs.
  const once = await processJson("verify", evaluated.run, ...runs);
  assertEquals([once.identical, once.sameBackend], [true, true]);
  const { perplexity } = evaluated;
  assertEquals(once.perplexities, [{ label: "dense", expected: perplexity, found: perplexity }]);

  const asked = ["--methods", "wanda,magnitude", "--sparsities", "0.5", ...text, "--eval-seqlen", "64"];
  const compared = await runJson("compare", ...FLAGS, ...asked, "--out", `${folder.path}/compared`, ...runs);
  const twice = await processJson("verify", compared.run, ...runs);
  assertEquals([twice.identical, twice.perplexities.length], [true, 3]);

  // What is not identical is said: here the record itself is changed.
  using file = new DatabaseSync(`${folder.path}/runs.db`);
  file.exec(`UPDATE perplexities SET record = replace(record, '"dense"', '"elsewhere"')`);
  const err = await errorsOf("verify", evaluated.run, ...runs);
  assertMatch(err, /^error: not identical; first elsewhere: none, the run has \d+\.\d+$/m);
});

Deno.test("an input that changed is named, and how; what is no run is refused", async () => {
  using folder = temporary();
  const tokens = `${folder.path}/text.txt`;
  Deno.copyFileSync(HELD_OUT, tokens);
  const out = `${folder.path}/pruned`, runs = ["--runs", `${folder.path}/runs.db`];
  const flags = FLAGS.with(3, tokens);
  await runJson("prune", ...flags, "--out", out, ...runs);
  Deno.writeTextFileSync(tokens, "x", { append: true });
  assertMatch(
    await errorsOf("verify", out, ...runs),
    /^error: what the run read has changed: .*text\.txt: \d+ bytes, the run read \d+$/m,
  );
  const unknown = await errorsOf("verify", "0123456789abcdef", ...runs);
  assertMatch(unknown, /^error: 0123456789abcdef: neither a run of the registry nor a manifest/m);
});

Deno.test("a plan is what a dry run says; it is run on another machine's paths, and not on another model or text", async () => {
  using folder = temporary();
  const plan = `${folder.path}/plan.json`, none = ["--runs", "none"];
  const asked = ["--method", "sparsegpt", "--pattern", "2:4", "--damping", "0.02", "--blocks", "1-2", "--seed", "3"];
  const { runPlan } = await runJson("prune", ...FLAGS, ...asked, "--dry-run");
  // As another program might write it: in another order.
  Deno.writeTextFileSync(plan, JSON.stringify(reversed(runPlan)));
  const direct = await runJson("prune", ...FLAGS, ...asked, "--out", `${folder.path}/direct`, ...none);
  const paths = ["--model", AUSTEN, "--calibration", TOKENS];
  const planned = await runJson("prune", ...paths, "--plan", plan, "--out", `${folder.path}/planned`, ...none);
  assertEquals([planned.run, planned.linears.length], [direct.run, 14]);
  const bytes = (name: string) => Deno.readFileSync(`${folder.path}/${name}/model.safetensors`);
  assertEquals(bytes("planned"), bytes("direct"));
  // A manifest holds its plan.
  const manifest = `${folder.path}/direct/pare_manifest.json`;
  const again = await runJson("prune", ...paths, "--plan", manifest, "--out", `${folder.path}/again`, ...none);
  assertEquals(again.run, direct.run);
  const text = ["--model", AUSTEN, "--calibration", HELD_OUT];
  assertMatch(
    await errorsOf("prune", ...text, "--plan", plan, "--out", `${folder.path}/x`, ...none),
    /^error: --plan .*plan\.json: the calibration's SHA-256 is [0-9a-f]{64}, the plan has [0-9a-f]{64}$/m,
  );
});

Deno.test("a permuted model's manifest says the orders; its plan gives the same bytes again, and verify too", async () => {
  using folder = temporary();
  const { path } = folder, out = `${path}/out`, asked = ["--pattern", "2:4", "--permute", "--blocks", "0-1"];
  const runs = ["--runs", `${path}/runs.db`];
  await runJson("prune", ...FLAGS, ...asked, "--out", out, ...runs);
  const { permutations, plan } = JSON.parse(Deno.readTextFileSync(`${out}/pare_manifest.json`));
  const names = [0, 1].flatMap((block) =>
    ["self_attn.o_proj", "mlp.down_proj"].map((role) => `model.layers.${block}.${role}`)
  );
  assertEquals([Object.keys(permutations).toSorted(), plan.request.permute], [names.toSorted(), true]);
  for (const [name, cols] of names.map((name) => [name, name.endsWith("o_proj") ? 96 : 256] as const)) {
    const order = new Uint32Array(Uint8Array.fromBase64(permutations[name]).buffer);
    assertEquals(order.toSorted(), Uint32Array.from({ length: cols }, (_, j) => j), name);
  }
  const paths = ["--model", AUSTEN, "--calibration", TOKENS, "--plan", `${out}/pare_manifest.json`];
  await runJson("prune", ...paths, "--out", `${path}/again`, "--runs", "none");
  const bytes = (name: string) => Deno.readFileSync(`${path}/${name}/model.safetensors`);
  assertEquals(bytes("again"), bytes("out"));
  assertEquals((await runJson("verify", out, ...runs)).identical, true);
});

Deno.test("what a model writes to be calibrated on is known by its hash, and written again by verify", async () => {
  using folder = temporary();
  const { path } = folder, out = `${path}/out`, runs = ["--runs", `${path}/runs.db`];
  const asked = ["--calibration", "self", "--samples", "4", "--seqlen", "64", "--start-token", "0", "--blocks", "0"];
  await runJson("prune", "--model", AUSTEN, "--backend", "wasm", ...asked, "--out", out, ...runs);
  const { plan } = JSON.parse(Deno.readTextFileSync(`${out}/pare_manifest.json`));
  const golden = new GoldenFile(
    new URL("../golden/Austen-700K/methods/generated.safetensors", import.meta.url).pathname,
  );
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", golden.bytes("generated"))).toHex();
  assertEquals([plan.calibration.sha256, plan.calibration.description], [hash, "what the model writes itself"]);
  assertEquals((await runJson("verify", out, ...runs)).identical, true);
  assertMatch(
    await errorsOf("eval", "--model", AUSTEN, "--corpus", "self", ...runs),
    /^error: self: what the model writes itself is for prune's --calibration; a file of that name is \.\/self$/m,
  );
});

Deno.test("what is done already is not computed twice, unless it is asked for", async () => {
  using folder = temporary();
  const { out, runs, id } = await prunedIn(folder.path);
  const before = Deno.statSync(`${out}/model.safetensors`).mtime;
  const again = await runJson("prune", ...FLAGS, "--out", out, ...runs);
  assertEquals([again.done, again.run], [true, id]);
  assertEquals(Deno.statSync(`${out}/model.safetensors`).mtime, before);
  assertEquals((await runJson("verify", out, "--fast", ...runs)).identical, true);
  const other = await errorsOf("prune", ...FLAGS, "--sparsity", "0.4", "--out", out, ...runs);
  assertMatch(other, /^error: the output .*pruned exists and is not empty; --force replaces it$/m);
  const forced = await runJson("prune", ...FLAGS, "--out", out, ...runs, "--force");
  assertEquals(forced.run, `${id}-2`);
});

Deno.test("a model whose weights were lost, cut or changed is not done, and verify --fast says which file is another", async () => {
  using folder = temporary();
  const { out, runs, id } = await prunedIn(folder.path), path = `${out}/model.safetensors`;
  const whole = Deno.readFileSync(path), changed = whole.slice();
  changed[changed.length - 1] ^= 1;
  const says = {
    "no such file any more": () => Deno.removeSync(path),
    [`1000 bytes, the run wrote ${whole.length}`]: () => Deno.writeFileSync(path, whole.subarray(0, 1000)),
    "the same size, another content": () => Deno.writeFileSync(path, changed),
  };
  for (const [what, damage] of Object.entries(says)) {
    damage();
    assertStringIncludes(
      await errorsOf("prune", ...FLAGS, "--out", out, ...runs),
      `error: ${out} is not what plan ${id} gave any more: model.safetensors: ${what}; --force`,
    );
  }
  const fast = await errorsOf("verify", out, "--fast", "--runs", "none");
  assertEquals(fast, `error: not what the run wrote: ${path}: the same size, another content\n`);
  // A head, an embedding or a norm is no linear that was pruned, and verify compares them, too.
  const err = await errorsOf("verify", out, ...runs);
  assertMatch(err, /^error: not identical; first .*model\.safetensors: the same size, another content/m);
});

Deno.test({
  name:
    "a machine that rounds otherwise reports agreement, and neither goes on with nor believes what another has begun",
  // The flag is of x86: relaxed SIMD multiplies and adds in two steps there without it.
  ignore: Deno.build.arch !== "x86_64",
  fn: async () => {
    using folder = temporary();
    const flags = [...FLAGS.slice(2), "--method", "sparsegpt"], { out, runs } = await prunedIn(folder.path, ...flags);
    const elsewhere = async (command: string, ...args: string[]) => {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--quiet", "--allow-all", `${ROOT}scripts/${command}.ts`, ...args, ...runs],
        env: { NO_COLOR: "1", DENO_V8_FLAGS: "--no-enable-fma3" },
      }).output();
      return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
    };
    const verified = await elsewhere("verify", out);
    assertEquals(verified.code, 0, verified.err);
    assertMatch(
      verified.out,
      /not identical, and need not be: the run computed in relaxed SIMD, here relaxed SIMD, not fused does$/m,
    );
    const again = await elsewhere("prune", "--model", AUSTEN, ...flags, "--out", out);
    assertEquals(again.code, 2);
    assertMatch(again.err, /error: the output .*pruned exists and is not empty; --force replaces it$/m);
  },
});

Deno.test("what a method without a statistic was given to calibrate on was not read, and need not be there again", async () => {
  using folder = temporary();
  const text = `${folder.path}/text.txt`;
  Deno.copyFileSync(HELD_OUT, text);
  const { out, runs } = await prunedIn(folder.path, "--method", "magnitude", "--calibration", text);
  Deno.removeSync(text);
  assert((await runJson("verify", out, ...runs)).identical);
});

Deno.test("a manifest of an older Pare, with the places of its machine and without numerics, is verified as before", async () => {
  using folder = temporary();
  const { out } = await prunedIn(folder.path, "--method", "magnitude"), path = `${out}/pare_manifest.json`;
  const { plan: { numerics: _, ...plan }, outputs: _outputs, ...rest } = JSON.parse(Deno.readTextFileSync(path));
  const inputs = rest.inputs.map((input: { path: string }) => ({ ...input, path: `${AUSTEN}/${input.path}` }));
  const args = ["--model", "Austen-700K", "--method", "magnitude", "--out", "/nowhere"], directory = `${AUSTEN}/..`;
  const older = { ...rest, plan, planId: planId(plan), inputs, args, directory };
  Deno.writeTextFileSync(path, JSON.stringify(older));
  const none = ["--runs", `${folder.path}/none.db`];
  assert((await runJson("verify", out, ...none)).identical);
  assertMatch(
    await errorsOf("verify", out, "--fast", ...none),
    /^error: [0-9a-f]{16}: it is of an older Pare, and has no hashes of what it wrote; without --fast/m,
  );

  // Whatever else it names: no device, and nothing that is not of the recorded size, is read.
  const calibrated = {
    ...plan,
    calibration: { description: "text", sequences: 1, seqlen: 2, sha256: "00".repeat(32) },
  };
  const calibratedOn = (name: string) => ({
    plan: calibrated,
    planId: planId(calibrated),
    args: [...args, "--calibration", name],
  });
  for (
    const [change, says] of [
      [{ inputs: [{ path: "/dev/zero", bytes: 0, sha256: "00".repeat(32) }] }, "/dev/zero: it is not a regular file"],
      [
        { inputs: [{ path: "/etc/passwd", bytes: 1, sha256: "00".repeat(32) }] },
        "/etc/passwd: \\d+ bytes, the run read 1$",
      ],
      [calibratedOn("/dev/zero"), "/dev/zero: it is not a regular file$"],
      [calibratedOn("c4:/dev/zero"), "/dev/zero: it is not a regular file$"],
      [calibratedOn("/etc/passwd"), "/etc/passwd: the manifest does not say that the run read it$"],
    ] as const
  ) {
    Deno.writeTextFileSync(path, JSON.stringify({ ...older, ...change }));
    assertMatch(await errorsOf("verify", out, ...none), new RegExp(`^error: .*${says}`, "m"));
  }
});
