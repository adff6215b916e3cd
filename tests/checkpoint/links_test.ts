/** A link in a model, in the Hub's cache or in what a run has left never leads to somebody's file. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { listDirectory } from "../../src/checkpoint/listing.ts";
import { salvage } from "../../src/checkpoint/salvage.ts";
import { createWriter } from "../../src/checkpoint/writer.ts";
import { PareError } from "../../src/errors.ts";
import { Registry } from "../../src/run/registry.ts";
import { PermissionSet } from "../../scripts/shared/sandbox.ts";
import { copyDirectory, FIXTURES, names, temporary } from "./folders.ts";
import { ggufFile, TINY, TINY_TENSORS } from "./gguf_file.ts";

const HEX = "0123456789abcdef".repeat(4);

/** A copy of a model in a folder, with somebody's secret beside it. */
function scene(): { path: string; model: string; secret: string } & Disposable {
  const folder = temporary(), { path } = folder, model = `${path}/m`;
  copyDirectory(`${FIXTURES}/tiny-qwen2`, model);
  Deno.writeTextFileSync(`${path}/secret`, "precious");
  return { path, model, secret: `${path}/secret`, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

for (const name of ["vocab.json", "README.md", "config.json", "model.safetensors", "other.safetensors"]) {
  Deno.test(`a model whose ${name} is a link to a file elsewhere is refused, by the library and before the sandbox`, async () => {
    using at = scene();
    const message =
      `${at.model}/${name} is a link to "${at.secret}", which lies neither in the model's directory nor in`;
    // A link to a link leads where the last one does.
    Deno.symlinkSync("../secret", `${at.model}/.relay`);
    for (const target of [at.secret, "../secret", ".relay"]) {
      await Deno.remove(`${at.model}/${name}`).catch(() => {}); // it may not be there yet
      Deno.symlinkSync(target, `${at.model}/${name}`);
      await assertRejects(() => openDirectory(at.model), PareError, message);
      await assertRejects(() => new PermissionSet().model(at.model, {}), PareError, message);
      const { problems } = await salvage(at.model);
      assert(problems.some((problem) => problem.startsWith(message)), String(problems));
    }
  });
}

Deno.test("links within the model's directory and to blobs of the Hub's cache are followed, and only their files are granted", async () => {
  using at = scene();
  const blobs = `${at.path}/hub/models--a--b/blobs`;
  Deno.mkdirSync(blobs, { recursive: true });
  Deno.mkdirSync(`${at.model}/weights`);
  Deno.renameSync(`${at.model}/model.safetensors`, `${at.model}/weights/w`);
  Deno.symlinkSync("weights/w", `${at.model}/model.safetensors`);
  Deno.writeTextFileSync(`${blobs}/${HEX}`, "merges");
  Deno.symlinkSync(`../hub/models--a--b/blobs/${HEX}`, `${at.model}/merges.txt`);
  await using checkpoint = await openDirectory(at.model);
  assertEquals(await checkpoint.readText("merges.txt"), "merges");
  assertEquals(checkpoint.tensors.size > 0, true);
  const allowed = new PermissionSet();
  await allowed.model(at.model, {});
  const [, ...read] = allowed.permissions.read;
  assertEquals(read, [at.model, `${blobs}/${HEX}`, `${at.model}/weights/w`]);
});

Deno.test("what looks like a blob of the Hub's cache and is none, or leads out of it, is not followed", async () => {
  using at = scene();
  const blobs = `${at.path}/hub/models--a--b/blobs`;
  Deno.mkdirSync(blobs, { recursive: true });
  Deno.symlinkSync("../../../secret", `${blobs}/${HEX}`);
  Deno.writeTextFileSync(`${blobs}/token`, "precious");
  for (const target of [`${blobs}/${HEX}`, `${blobs}/token`]) {
    Deno.symlinkSync(target, `${at.model}/vocab.json`);
    await assertRejects(() => openDirectory(at.model), PareError, `${at.model}/vocab.json is a link to`);
    Deno.removeSync(`${at.model}/vocab.json`);
  }
});

Deno.test("directories in a model, linked to or not, are closed to the run; so is a link that no model needs", async () => {
  using at = scene();
  Deno.mkdirSync(`${at.model}/onnx`);
  Deno.symlinkSync("/", `${at.model}/x`);
  Deno.symlinkSync("..", `${at.model}/tokenizer`);
  Deno.symlinkSync(at.secret, `${at.model}/.env`);
  Deno.symlinkSync(at.secret, `${at.model}/pytorch_model.bin`);
  Deno.symlinkSync("nowhere", `${at.model}/LICENSE`);
  Deno.symlinkSync("round", `${at.model}/round`);
  const allowed = new PermissionSet();
  await allowed.model(at.model, {});
  const [, ...read] = allowed.permissions.read;
  assertEquals(read, [at.model]);
  assertEquals(
    [...allowed.permissions.deny!].sort(),
    [".env", "LICENSE", "onnx", "pytorch_model.bin", "round", "tokenizer", "x"].map((name) => `${at.model}/${name}`),
  );
  await using checkpoint = await openDirectory(at.model);
  assertEquals([checkpoint.files, checkpoint.omitted], [["config.json"], []]);
  assertEquals((await listDirectory(at.model)).foreign.size, 2);
});

Deno.test("a GGUF file that a directory only links to elsewhere is refused; by its own name it opens", async () => {
  using folder = temporary();
  Deno.mkdirSync(`${folder.path}/m`);
  Deno.writeFileSync(`${folder.path}/x.gguf`, ggufFile(TINY, TINY_TENSORS));
  Deno.symlinkSync("../x.gguf", `${folder.path}/m/x.gguf`);
  await assertRejects(() => openCheckpoint(`${folder.path}/m`), PareError, "x.gguf is a link to");
  await using checkpoint = await openCheckpoint(`${folder.path}/m/x.gguf`);
  assertEquals(checkpoint.config.model_type, "llama");
});

/** What somebody may have put where a run works, and what is said of it. */
const PLANTED: Readonly<Record<string, readonly [plant: (workshop: string, secret: string) => void, message: string]>> =
  {
    "the workshop itself": [(workshop, secret) => {
      Deno.removeSync(workshop, { recursive: true });
      Deno.mkdirSync(`${secret}.d`);
      Deno.symlinkSync(`${secret}.d`, workshop);
    }, ".out.partial is a link"],
    "its directory of the model": [(workshop, secret) => {
      Deno.renameSync(`${workshop}/model`, `${secret}.d`);
      Deno.symlinkSync(`${secret}.d`, `${workshop}/model`);
    }, "model is a link"],
    "a shard": [(workshop, secret) => {
      Deno.removeSync(`${workshop}/model/model.safetensors`);
      Deno.symlinkSync(secret, `${workshop}/model/model.safetensors`);
    }, "model/model.safetensors is a link"],
    "a shard, as a second name": [(workshop, secret) => {
      Deno.removeSync(`${workshop}/model/model.safetensors`);
      Deno.linkSync(secret, `${workshop}/model/model.safetensors`);
    }, "model/model.safetensors is a file of several names"],
    "a side file": [(workshop, secret) => Deno.symlinkSync(secret, `${workshop}/model/config.json`), "is a link"],
    "the journal": [(workshop, secret) => {
      Deno.removeSync(`${workshop}/journal`);
      Deno.symlinkSync(secret, `${workshop}/journal`);
    }, "journal is a link"],
    "the lock": [(workshop, secret) => {
      Deno.removeSync(`${workshop}/lock`);
      Deno.symlinkSync(`${secret}.new`, `${workshop}/lock`);
    }, "lock is a link"],
    "a file of somebody's": [(workshop) => Deno.writeTextFileSync(`${workshop}/photo`, ""), "photo is not Pare's"],
  };

for (const [what, [plant, message]] of Object.entries(PLANTED)) {
  Deno.test(`planted where a run was left unfinished, ${what}: refused with --resume and without, and nothing is touched`, async () => {
    using at = scene();
    const out = `${at.path}/out`, workshop = `${at.path}/.out.partial`;
    await using checkpoint = await openDirectory(at.model);
    {
      await using writer = await createWriter(checkpoint, out, { plan: "a", resume: true });
      writer.step({});
    }
    plant(workshop, at.secret);
    const before = names(at.path);
    for (const resume of [true, false]) {
      await assertRejects(() => createWriter(checkpoint, out, { plan: "a", resume }), PareError, message);
      assertThrows(() => new PermissionSet().output(out, at.model, false), PareError, message);
    }
    assertEquals([Deno.readTextFileSync(at.secret), names(at.path)], ["precious", before]);
  });
}

Deno.test("what was put among unfinished shards does not become a part of the model", async () => {
  using at = scene();
  const out = `${at.path}/out`, model = `${at.path}/.out.partial/model`;
  await using checkpoint = await openDirectory(at.model);
  {
    await using writer = await createWriter(checkpoint, out, { plan: "a", resume: true });
    writer.step({});
  }
  Deno.writeTextFileSync(`${model}/modeling_evil.py`, "import os");
  Deno.writeTextFileSync(`${model}/model.safetensors`, "more", { append: true });
  await using writer = await createWriter(checkpoint, out, { plan: "a", resume: true });
  await writer.finish();
  assertEquals(names(out), ["config.json", "model.safetensors"]);
  assertEquals(Deno.readFileSync(`${out}/model.safetensors`), Deno.readFileSync(`${at.model}/model.safetensors`));
});

Deno.test("nobody but its owner may write to what a run leaves, as the umask says", async () => {
  using at = scene();
  await using checkpoint = await openDirectory(at.model);
  const mask = Deno.umask(0o027);
  try {
    await using writer = await createWriter(checkpoint, `${at.path}/out`, { plan: "a", resume: true });
    for (const step of [1, 2]) writer.step({ step });
    const workshop = `${at.path}/.out.partial`, mode = (path: string) => Deno.statSync(path).mode! & 0o777;
    const files = ["journal", "lock", "model/model.safetensors"].map((name) => mode(`${workshop}/${name}`));
    assertEquals([files, mode(workshop), mode(`${workshop}/model`)], [[0o640, 0o640, 0o640], 0o750, 0o750]);
  } finally {
    Deno.umask(mask);
  }
});

Deno.test("a link beside a registry is refused: SQLite would write through it", () => {
  using at = scene();
  const runs = `${at.path}/runs.db`;
  for (const end of ["-wal", "-shm", "-journal"]) {
    Deno.symlinkSync(at.secret, `${runs}${end}`);
    assertThrows(() => new PermissionSet().registry(runs), PareError, `${runs}${end} is a link`);
    assertThrows(() => new PermissionSet().readRegistry(runs), PareError, `${runs}${end} is a link`);
    for (const mode of ["read", "write"] as const) {
      assertThrows(() => Registry.open(runs, { mode }), PareError, `${runs}${end} is a link`);
    }
    Deno.removeSync(`${runs}${end}`);
  }
  assertEquals([Deno.readTextFileSync(at.secret), names(at.path)], ["precious", ["m", "secret"]]);
});
