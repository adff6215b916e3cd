/**
 * What a written checkpoint is: byte for byte the one it was made from, but for the tensors that were given; and what
 * is left behind by a writer that could not finish: nothing.
 */
import { assertEquals, assertRejects } from "@std/assert";
import { basename } from "node:path";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { sha256 } from "../../src/checkpoint/sha256.ts";
import { createWriter, type WrittenFile } from "../../src/checkpoint/writer.ts";
import { PareError } from "../../src/errors.ts";
import { copyDirectory, FIXTURES, names, snapshot, temporary } from "./folders.ts";

for (const model of ["Austen-700K", "tiny-llama3", "tiny-mistral", "tiny-qwen2", "tiny-qwen3"]) {
  Deno.test(`a copy of ${model} with nothing changed has the same files, byte for byte`, async () => {
    using folder = temporary();
    await using checkpoint = await openDirectory(`${FIXTURES}/${model}`);
    await using writer = await createWriter(checkpoint, `${folder.path}/out`);
    await writer.finish();
    assertEquals(snapshot(`${folder.path}/out`), snapshot(`${FIXTURES}/${model}`));
    assertEquals(names(folder.path), ["out"]);
  });
}

Deno.test("only the given tensors change, whatever their order", async () => {
  using folder = temporary();
  await using checkpoint = await openDirectory(`${FIXTURES}/tiny-mistral`);
  const order = [
    "model.layers.2.mlp.down_proj.weight",
    "model.embed_tokens.weight",
    "model.layers.0.mlp.up_proj.weight",
  ];
  {
    await using writer = await createWriter(checkpoint, `${folder.path}/out`);
    const zeros = (name: string) => new Uint8Array(checkpoint.tensors.get(name)!.bytes);
    const hashes = await Promise.all(order.map((name) => writer.write(name, zeros(name))));
    assertEquals(hashes, order.map((name) => sha256(zeros(name))), "each is hashed as it is written");
    await writer.finish();
  }
  await using copy = await openDirectory(`${folder.path}/out`);
  assertEquals([...copy.headers], [...checkpoint.headers]);
  const before = await checkpoint.read([...checkpoint.tensors.keys()]);
  const after = await copy.read([...copy.tensors.keys()]);
  for (const [name, bytes] of after) {
    assertEquals(bytes, order.includes(name) ? new Uint8Array(bytes.length) : before.get(name), name);
  }
});

Deno.test("a text may tell the hash of every file that was written, as it then stands there", async () => {
  using folder = temporary();
  const out = `${folder.path}/out`;
  await using checkpoint = await openDirectory(`${FIXTURES}/tiny-mistral`);
  await using writer = await createWriter(checkpoint, out);
  await writer.write(
    "model.embed_tokens.weight",
    new Uint8Array(checkpoint.tensors.get("model.embed_tokens.weight")!.bytes),
  );
  let told: readonly WrittenFile[] = [];
  await writer.finish((written) => ({ "list.json": JSON.stringify(told = written) }));
  assertEquals(JSON.parse(Deno.readTextFileSync(`${out}/list.json`)), told);
  const there = names(out).filter((name) => name !== "list.json").map((path) => {
    const bytes = Deno.readFileSync(`${out}/${path}`);
    return { path, bytes: bytes.length, sha256: sha256(bytes) };
  });
  assertEquals(told.toSorted((a, b) => a.path < b.path ? -1 : 1), there.toSorted((a, b) => a.path < b.path ? -1 : 1));
});

Deno.test("weights in other formats and subdirectories stay behind, licence and tokenizer go along", async () => {
  using folder = temporary();
  copyDirectory(`${FIXTURES}/tiny-qwen2`, `${folder.path}/in`);
  for (const extra of ["LICENSE", "tokenizer.model", "merges.txt"]) {
    Deno.writeTextFileSync(`${folder.path}/in/${extra}`, extra);
  }
  for (const weights of ["pytorch_model.bin", "model.gguf", "pytorch_model.bin.index.json", "extra.safetensors"]) {
    Deno.writeTextFileSync(`${folder.path}/in/${weights}`, "");
  }
  Deno.mkdirSync(`${folder.path}/in/onnx`);
  Deno.writeTextFileSync(`${folder.path}/in/.env`, "secret");
  await using checkpoint = await openDirectory(`${folder.path}/in`);
  await using writer = await createWriter(checkpoint, `${folder.path}/out`);
  await writer.finish();
  assertEquals(names(`${folder.path}/out`), [
    "LICENSE",
    "config.json",
    "merges.txt",
    "model.safetensors",
    "tokenizer.model",
  ]);
  assertEquals(checkpoint.omitted, [
    ".env",
    "extra.safetensors",
    "model.gguf",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
  ]);
});

Deno.test("a writer that is not finished leaves nothing, nor the parents that it made", async () => {
  using folder = temporary();
  await using checkpoint = await openDirectory(`${FIXTURES}/tiny-qwen2`);
  {
    await using writer = await createWriter(checkpoint, `${folder.path}/new/deep/out`);
    await writer.write("model.norm.weight", new Uint8Array(128));
    assertEquals(names(`${folder.path}/new/deep`), [".out.partial"]);
  }
  assertEquals(names(folder.path), []);
});

Deno.test("an abort while tensors are written and while finish copies leaves nothing", async () => {
  using folder = temporary();
  await using checkpoint = await openDirectory(`${FIXTURES}/Austen-700K`);
  for (const begin of ["write", "finish"] as const) {
    await using writer = await createWriter(checkpoint, `${folder.path}/out`);
    const busy = begin === "finish" ? writer.finish() : writer.write("model.norm.weight", new Uint8Array(192));
    writer.abort();
    assertEquals(names(folder.path), []);
    await busy.catch((error) =>
      assertEquals([error.name, error.message], ["AbortError", `the writer of ${folder.path}/out is aborted`])
    );
    await assertRejects(() => writer.finish(), DOMException, "is aborted");
  }
  assertEquals(names(folder.path), []);
});

/** Makes a directory that a pruned model stands in, as far as its files tell. */
function prunedModel(path: string): void {
  copyDirectory(`${FIXTURES}/tiny-qwen2`, path);
  const inputs = ["config.json", "model.safetensors", "LICENSE"].map((name) => ({ path: `/base/${name}` }));
  Deno.writeTextFileSync(`${path}/pare_manifest.json`, JSON.stringify({ planId: "0123456789abcdef", inputs }));
  Deno.writeTextFileSync(`${path}/README.md`, "card");
  Deno.writeTextFileSync(`${path}/LICENSE`, "MIT");
}

Deno.test("an output that Pare wrote is replaced by force, and only at the end", async () => {
  using folder = temporary();
  const out = `${folder.path}/out`;
  prunedModel(out);
  const before = snapshot(out);
  await using checkpoint = await openDirectory(`${FIXTURES}/tiny-qwen3`);
  await assertRejects(
    () => createWriter(checkpoint, out),
    PareError,
    `the output ${out} exists and is not empty; --force replaces it`,
  );
  {
    await using _unfinished = await createWriter(checkpoint, out, { force: true });
  }
  assertEquals(snapshot(out), before);
  await using writer = await createWriter(checkpoint, out, { force: true });
  assertEquals(snapshot(out), before);
  await writer.finish();
  assertEquals(snapshot(out), snapshot(`${FIXTURES}/tiny-qwen3`));
  assertEquals(names(folder.path), ["out"]);
});

/** What somebody may have in a directory, and how it is named when it is not replaced. */
const FOREIGN: Readonly<Record<string, readonly [make: (out: string) => void, reason: string]>> = {
  "a photo and nothing else": [(out) => {
    Deno.mkdirSync(out);
    Deno.writeTextFileSync(`${out}/photo.jpg`, "precious");
  }, "has no pare_manifest.json by Pare"],
  "a model of another's": [(out) => copyDirectory(`${FIXTURES}/tiny-qwen2`, out), "has no pare_manifest.json by Pare"],
  "a photo beside a pruned model": [(out) => {
    prunedModel(out);
    Deno.writeTextFileSync(`${out}/photo.jpg`, "precious");
  }, 'holds "photo.jpg", which is not Pare\'s'],
  "a hidden file beside a pruned model": [(out) => {
    prunedModel(out);
    Deno.writeTextFileSync(`${out}/.env`, "precious");
  }, 'holds ".env", which is not Pare\'s'],
  "a directory beside a pruned model": [(out) => {
    prunedModel(out);
    Deno.mkdirSync(`${out}/notes`);
  }, 'holds "notes", which is not Pare\'s'],
  "a directory by a name of Pare's": [(out) => {
    prunedModel(out);
    Deno.removeSync(`${out}/LICENSE`);
    Deno.mkdirSync(`${out}/LICENSE`);
  }, 'holds "LICENSE", which is not Pare\'s'],
  "a link by a name of Pare's": [(out) => {
    prunedModel(out);
    Deno.removeSync(`${out}/LICENSE`);
    Deno.symlinkSync("config.json", `${out}/LICENSE`);
  }, 'holds "LICENSE", a link, which is not Pare\'s'],
  "a file that is only called a manifest": [(out) => {
    prunedModel(out);
    Deno.writeTextFileSync(`${out}/pare_manifest.json`, '{"inputs": 1}');
  }, "has no pare_manifest.json by Pare"],
};

for (const [what, [make, reason]] of Object.entries(FOREIGN)) {
  Deno.test(`${what}: not replaced, whatever is forced`, async () => {
    using folder = temporary();
    const out = `${folder.path}/out`;
    make(out);
    const before = names(out);
    await using checkpoint = await openDirectory(`${FIXTURES}/tiny-qwen2`);
    await assertRejects(() => createWriter(checkpoint, out, { force: true }), PareError, `the output ${out} ${reason}`);
    await assertRejects(() => createWriter(checkpoint, out), PareError);
    assertEquals([names(out), names(folder.path)], [before, ["out"]]);
  });
}

Deno.test("what is put beside a pruned model while it is replaced stays, and the new one is given up", async () => {
  using folder = temporary();
  const out = `${folder.path}/out`;
  prunedModel(out);
  await using checkpoint = await openDirectory(`${FIXTURES}/tiny-qwen2`);
  await using writer = await createWriter(checkpoint, out, { force: true });
  Deno.writeTextFileSync(`${out}/photo.jpg`, "precious");
  await assertRejects(() => writer.finish(), PareError, `the output ${out} holds "photo.jpg"`);
  assertEquals([names(folder.path), Deno.readTextFileSync(`${out}/photo.jpg`)], [["out"], "precious"]);
});

Deno.test("an old output that a power loss has left out of the way comes back to its name", async () => {
  using folder = temporary();
  const out = `${folder.path}/out`;
  Deno.mkdirSync(`${folder.path}/.out.partial`);
  prunedModel(`${folder.path}/.out.partial/replaced`);
  const before = snapshot(`${folder.path}/.out.partial/replaced`);
  await using checkpoint = await openDirectory(`${FIXTURES}/tiny-qwen2`);
  await assertRejects(() => createWriter(checkpoint, out), PareError, "exists and is not empty; --force replaces it");
  assertEquals(snapshot(out), before);
  {
    await using _unfinished = await createWriter(checkpoint, out, { force: true });
  }
  assertEquals([names(folder.path), snapshot(out)], [["out"], before]);
});

Deno.test("an empty output directory is taken, and a name that is filled meanwhile is not", async () => {
  using folder = temporary();
  const out = `${folder.path}/out`;
  Deno.mkdirSync(out);
  await using checkpoint = await openDirectory(`${FIXTURES}/tiny-qwen2`);
  {
    await using writer = await createWriter(checkpoint, out);
    Deno.writeTextFileSync(`${out}/late`, "");
    await assertRejects(() => writer.finish(), PareError, `the output ${out} exists and is not empty`);
  }
  assertEquals([names(folder.path), names(out)], [["out"], ["late"]]);
  Deno.removeSync(`${out}/late`);
  await using writer = await createWriter(checkpoint, out);
  await writer.finish();
  assertEquals(snapshot(out), snapshot(`${FIXTURES}/tiny-qwen2`));
});

Deno.test("the output is never the input, inside it, or around it, by whatever road", async () => {
  using folder = temporary();
  const input = `${folder.path}/models/in`;
  Deno.mkdirSync(`${folder.path}/models`);
  copyDirectory(`${FIXTURES}/tiny-qwen2`, input);
  Deno.symlinkSync(input, `${folder.path}/link`);
  await using checkpoint = await openDirectory(input);
  const before = snapshot(input);
  for (
    const [out, reason] of [
      [input, "is the input"],
      [`${input}/`, "is the input"],
      [`${input}/../in/.`, "is the input"],
      [`${folder.path}/link`, "is the input"],
      [`${input}/out`, "lies inside the input"],
      [`${folder.path}/link/new/out`, "lies inside the input"],
      [`${folder.path}/models`, "contains the input"],
      [`${folder.path}/models/../`, "contains the input"],
      ["/", "contains the input"],
    ]
  ) {
    await assertRejects(() => createWriter(checkpoint, out, { force: true }), PareError, `the output ${out} ${reason}`);
  }
  assertEquals(snapshot(input), before);
  assertEquals(names(folder.path), ["link", "models"]);
});

Deno.test("a shard that is only linked to, in the Hub's cache, counts as the input", async () => {
  using folder = temporary();
  const cache = `${folder.path}/models--a--b`, snapshotOf = `${cache}/snapshots/1`, blobs = `${cache}/blobs`;
  for (const path of [`${cache}/snapshots`, blobs]) Deno.mkdirSync(path, { recursive: true });
  copyDirectory(`${FIXTURES}/tiny-qwen2`, snapshotOf);
  const blob = `${blobs}/${"0123456789abcdef".repeat(4)}`;
  Deno.renameSync(`${snapshotOf}/model.safetensors`, blob);
  Deno.symlinkSync(`../../blobs/${basename(blob)}`, `${snapshotOf}/model.safetensors`);
  await using checkpoint = await openDirectory(snapshotOf);
  await assertRejects(
    () => createWriter(checkpoint, blobs, { force: true }),
    PareError,
    `the output ${blobs} contains the input ${snapshotOf}/model.safetensors`,
  );
  await using writer = await createWriter(checkpoint, `${folder.path}/out`);
  await writer.finish();
  assertEquals(snapshot(`${folder.path}/out`), snapshot(`${FIXTURES}/tiny-qwen2`));
});

Deno.test("a file, a link to nothing and a place below a file are refused as outputs", async () => {
  using folder = temporary();
  await using checkpoint = await openDirectory(`${FIXTURES}/tiny-qwen2`);
  const file = `${folder.path}/file`;
  Deno.writeTextFileSync(file, "");
  Deno.symlinkSync(`${folder.path}/nowhere`, `${folder.path}/dangling`);
  for (
    const [out, message] of [
      [file, `the output ${file} exists and is not a directory`],
      [`${file}/out`, `cannot write ${file}/out: a part of the path is not a directory`],
      [`${folder.path}/dangling`, `cannot write ${folder.path}/dangling: it is a link to nothing`],
      [`/proc/out`, `cannot write /proc/out: no such file or directory`],
    ]
  ) await assertRejects(() => createWriter(checkpoint, out, { force: true }), PareError, message);
  assertEquals(names(folder.path), ["dangling", "file"]);
});

Deno.test("the current directory is no output, empty or not", async () => {
  using folder = temporary();
  await using checkpoint = await openDirectory(`${FIXTURES}/tiny-qwen2`);
  const here = Deno.cwd();
  Deno.chdir(folder.path);
  try {
    const message = "the output . is or holds the current directory; name another directory";
    await assertRejects(() => createWriter(checkpoint, "."), PareError, message);
  } finally {
    Deno.chdir(here);
  }
  assertEquals(names(folder.path), []);
});

Deno.test("two writers of one output: the second is refused", async () => {
  using folder = temporary();
  await using checkpoint = await openDirectory(`${FIXTURES}/tiny-qwen2`);
  await using writer = await createWriter(checkpoint, `${folder.path}/out`);
  await assertRejects(() => createWriter(checkpoint, `${folder.path}/out`), PareError, "is being written already");
  await writer.finish();
  assertEquals(names(folder.path), ["out"]);
});

for (const [signal, code, left] of [["SIGINT", 130, 0], ["SIGKILL", 137, 1]] as const) {
  const what = left === 0 ? "nothing" : "no output, only what has the name of a partial one";
  Deno.test(`a program that gets ${signal} while it writes leaves ${what}`, async () => {
    using folder = temporary();
    const program = new URL("interrupted.ts", import.meta.url).pathname;
    const args = ["run", "-A", program, `${FIXTURES}/Austen-700K`, `${folder.path}/new/out`];
    const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
    for await (const _line of child.stdout.pipeThrough(new TextDecoderStream())) break; // it has begun
    child.kill(signal);
    assertEquals((await child.status).code, code);
    assertEquals(
      left === 0 ? names(folder.path) : names(`${folder.path}/new`),
      left === 0 ? [] : [".out.partial"],
    );
  });
}

/** A file system of 256 KiB, where the one who runs the tests may mount one. */
function tinyDisk(path: string): boolean {
  Deno.mkdirSync(path);
  const mount = (command: string, ...args: string[]) => {
    try {
      return new Deno.Command(command, { args, stderr: "null" }).outputSync().success;
    } catch {
      return false; // no such command on this system
    }
  };
  return mount("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", path);
}

Deno.test("a full or read-only disk is one line, and what was written is gone", async (t) => {
  using folder = temporary();
  const disk = `${folder.path}/disk`;
  const mounted = tinyDisk(disk);
  await t.step({
    name: "on a file system of 256 KiB (needs the right to mount one)",
    ignore: !mounted,
    fn: async () => {
      try {
        await using checkpoint = await openDirectory(`${FIXTURES}/tiny-llama3`);
        const message = `cannot write ${disk}/new/out: the disk is full`;
        {
          await using writer = await createWriter(checkpoint, `${disk}/new/out`);
          await assertRejects(() => writer.finish(), PareError, message);
        }
        assertEquals(names(disk), []);
        new Deno.Command("mount", { args: ["-o", "remount,ro", disk] }).outputSync();
        await assertRejects(
          () => createWriter(checkpoint, `${disk}/new/out`),
          PareError,
          `cannot write ${disk}/new/out: the file system is read-only`,
        );
        await assertRejects(
          () => createWriter(checkpoint, disk),
          PareError,
          `the output ${disk} is a mount point and cannot be renamed; name a directory inside it`,
        );
      } finally {
        new Deno.Command("umount", { args: [disk] }).outputSync();
      }
    },
  });
});
