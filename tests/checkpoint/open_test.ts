/** Whatever the user names: a directory, a GGUF file, or neither. (The Hub has its own tests.) */
import { assertEquals, assertRejects } from "@std/assert";
import { openFile } from "../../src/checkpoint/file.ts";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { PareError } from "../../src/errors.ts";
import { FIXTURES, temporary } from "./folders.ts";
import { ggufFile, TINY, TINY_TENSORS } from "./gguf_file.ts";

Deno.test("a directory and a GGUF file open, whatever the file is called", async () => {
  using folder = temporary();
  Deno.writeFileSync(`${folder.path}/weights`, ggufFile(TINY, TINY_TENSORS));
  await using directory = await openCheckpoint(`${FIXTURES}/tiny-qwen3/`);
  await using file = await openCheckpoint(`${folder.path}/weights`);
  assertEquals([directory.config.model_type, file.config.model_type], ["qwen3", "llama"]);
});

Deno.test("what is no checkpoint gets one line", async () => {
  using folder = temporary();
  const at = (name: string) => `${folder.path}/${name}`;
  Deno.writeTextFileSync(at("model.gguf"), "no");
  Deno.mkdirSync(at("empty"));
  Deno.symlinkSync(at("loop"), at("loop"));
  const expected = "a directory with config.json and safetensors, or a GGUF file, was expected";
  for (
    const [reference, message] of [
      [at("nothing"), `cannot read ${at("nothing")}: no such file or directory`],
      ["./nothing", "cannot read ./nothing: no such file or directory"],
      ["nothing", "cannot read nothing: no such file or directory"],
      ["", "cannot read : no such file or directory"],
      [at("model.gguf"), `${at("model.gguf")} is no model: ${expected}`],
      [at("model.gguf/deeper"), `cannot read ${at("model.gguf/deeper")}: a part of the path is not a directory`],
      ["/dev/null", `/dev/null is no model: ${expected}`],
      [at("empty"), `${at("empty")} is not a model directory: it has no config.json`],
      [at("loop"), `cannot read ${at("loop")}: its symbolic links go round in circles`],
      ["x".repeat(300), `cannot read ${"x".repeat(300)}: the name is too long`],
    ]
  ) {
    const error = await assertRejects(() => openCheckpoint(reference), PareError);
    assertEquals(error.message, message);
  }
});

Deno.test("a file is read in ranges, many at once, and never beyond its end", async () => {
  using folder = temporary();
  const path = `${folder.path}/f`;
  const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i * 7);
  Deno.writeFileSync(path, bytes);
  await using source = await openFile(path);
  assertEquals([source.name, source.size], [path, bytes.length]);
  const offsets = Array.from({ length: 200 }, (_, i) => i * 499);
  const ranges = await Promise.all(offsets.map((offset) => source.read(offset, 500)));
  for (const [i, offset] of offsets.entries()) assertEquals(ranges[i], bytes.slice(offset, offset + 500));
  await assertRejects(
    () => source.read(99_999, 2),
    PareError,
    `${path}: truncated: bytes 99999 to 100001 wanted, the file has 100000`,
  );
  Deno.truncateSync(path, 10);
  await assertRejects(() => source.read(0, 20), PareError, `${path}: it became shorter while it was read`);
});

Deno.test("a file that may not be read, and a pipe, are refused at once", async () => {
  using folder = temporary();
  const pipe = `${folder.path}/pipe`;
  new Deno.Command("mkfifo", { args: [pipe] }).outputSync();
  await assertRejects(() => openFile(pipe), PareError, `cannot read ${pipe}: it is not a regular file`);
  await assertRejects(() => openFile(folder.path), PareError, `cannot read ${folder.path}: it is not a regular file`);
});
