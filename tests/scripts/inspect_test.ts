/** What `deno task inspect` tells of models that are whole, pruned, and damaged in every way that a disk knows. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { temporary } from "../checkpoint/folders.ts";
import { AUSTEN, ROOT, run } from "./commands.ts";
import { Copy } from "./damage.ts";

const MISTRAL = `${ROOT}tests/fixtures/models/tiny-mistral`;
const Q_PROJ = "model.layers.0.self_attn.q_proj.weight";

/** The part of the JSON that is looked at here. */
interface Report {
  readonly shape: { readonly family: string; readonly blocks: number } | null;
  readonly sparsity: number;
  readonly tensors: readonly {
    readonly name: string;
    readonly zeros?: number;
    readonly pattern?: string | null;
    readonly damage?: string;
  }[];
  readonly problems: readonly string[];
}

async function report(model: string): Promise<{ readonly code: number; readonly err: string } & Report> {
  const { code, out, err } = await run("inspect", model, "--json");
  return { code, err, ...JSON.parse(out) };
}

Deno.test("inspect shows the family, the sizes and every linear of a whole model", async () => {
  const { code, out, err } = await run("inspect", AUSTEN);
  assertEquals([code, err], [0, ""]);
  assertStringIncludes(out, "llama: 6 blocks, hidden 96, 6 heads of 16 (3 for keys and values), MLP 256");
  assertEquals(out.match(/^model\.layers\.\d\.\S+_proj +\d+ x \d+ +F16 /gm)?.length, 42);
  assertMatch(out, /^linears +42 +F16 +1\.16 MiB$/m);
});

Deno.test("inspect names a pattern that the zeros follow, and counts the zeros", async () => {
  using folder = temporary();
  const copy = new Copy(`${folder.path}/model`, AUSTEN);
  // F16 in groups of four: the first two of each go.
  copy.tensor(Q_PROJ, (bytes) => {
    for (let group = 0; group < bytes.length; group += 8) bytes.fill(0, group, group + 4);
  });
  const { code, tensors, problems } = await report(copy.path);
  const { zeros, pattern } = tensors.find(({ name }) => name === Q_PROJ)!;
  assertEquals([code, zeros, pattern, problems], [0, 96 * 96 / 2, "2:4", []]);
});

Deno.test("inspect of a truncated file shows what stands before the cut and names what does not", async () => {
  using folder = temporary();
  const copy = new Copy(`${folder.path}/model`, AUSTEN);
  const file = `${copy.path}/model.safetensors`;
  const { size } = await Deno.stat(file);
  await Deno.truncate(file, size / 2);
  const { code, err, shape, tensors, problems } = await report(copy.path);
  assertEquals([code, shape?.blocks, tensors.length], [2, 6, 56]);
  const damaged = tensors.filter(({ damage }) => damage).length;
  assert(damaged > 0 && damaged < 56, `${damaged} damaged`);
  assertMatch(problems.join("\n"), new RegExp(`tensor ".*" ends at byte \\d+, the file at ${Math.floor(size / 2)}`));
  assertEquals(err.trimEnd().split("\n"), problems.map((problem) => `error: ${problem}`));
});

Deno.test("inspect of a missing shard shows the others", async () => {
  using folder = temporary();
  const copy = new Copy(`${folder.path}/model`, MISTRAL);
  await Deno.remove(`${copy.path}/model-00002-of-00002.safetensors`);
  const { code, tensors, problems } = await report(copy.path);
  assertEquals([code, tensors.length], [2, 14]);
  assertStringIncludes(problems.join("\n"), "model-00002-of-00002.safetensors");
});

Deno.test("inspect names a tensor that holds NaN", async () => {
  using folder = temporary();
  const copy = new Copy(`${folder.path}/model`, AUSTEN);
  copy.tensor(Q_PROJ, (bytes) => bytes.set([0xff, 0x7f]));
  const { code, problems, tensors } = await report(copy.path);
  assertEquals([code, tensors.filter(({ damage }) => damage).map(({ name }) => name)], [2, [Q_PROJ]]);
  assertMatch(problems.join("\n"), /q_proj\.weight" holds NaN or Inf$/);
});

Deno.test("inspect of a header that is garbage still shows the config", async () => {
  using folder = temporary();
  const copy = new Copy(`${folder.path}/model`, AUSTEN);
  for (const garbage of ["", "short", "x".repeat(100), "\x10\0\0\0\0\0\0\0{ this is no JSON"]) {
    await Deno.writeTextFile(`${copy.path}/model.safetensors`, garbage);
    const { code, shape, tensors } = await report(copy.path);
    assertEquals([code, shape?.family, tensors.length], [2, "llama", 0]);
  }
});

Deno.test("inspect of a config that is none still shows the tensors", async () => {
  using folder = temporary();
  const copy = new Copy(`${folder.path}/model`, AUSTEN);
  for (const config of ["{", "[]", '{"model_type": "gpt2"}', '{"model_type": "llama"}']) {
    await Deno.writeTextFile(`${copy.path}/config.json`, config);
    const { code, shape, tensors, problems } = await report(copy.path);
    assertEquals([code, shape, tensors.length, problems.length], [2, null, 56, 1]);
    assertStringIncludes(problems[0], "config.json");
  }
});

Deno.test("inspect of a tensor of another shape than the config says names it", async () => {
  using folder = temporary();
  const copy = new Copy(`${folder.path}/model`, AUSTEN);
  copy.json("config.json", (config) => config.intermediate_size = 128);
  const { code, shape, problems } = await report(copy.path);
  assertEquals([code, shape?.blocks], [2, 6]);
  assertMatch(problems.join("\n"), /mlp\.\w+_proj\.weight/);
});

Deno.test("inspect of nothing, or of what is no model, is one line and exit code 2", async () => {
  using empty = temporary();
  for (const model of ["/nowhere/at/all", empty.path, `${ROOT}deno.json`]) {
    const { code, out, err } = await run("inspect", model);
    assertEquals([code, out], [2, ""]);
    assertMatch(err, /^error: [^\n]+\n$/);
  }
});
