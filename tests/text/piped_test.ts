/** A corpus that comes by a pipe is kept once, as what it is, with an end; it is called a pipe and not by where it is kept. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { gzipSync } from "node:zlib";
import { PareError } from "../../src/errors.ts";
import { describeCorpus, parseCorpus } from "../../src/text/corpus.ts";
import { fetchCorpus } from "../../src/text/fetch.ts";
import { keep } from "../../src/text/piped.ts";
import { evaluationWindows } from "../../src/text/windows.ts";
import { TOKENS } from "../scripts/commands.ts";

/** A stream of these bytes, in two parts. */
function streamOf(content: string | Uint8Array): ReadableStream<Uint8Array> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const half = Math.ceil(bytes.length / 2);
  return ReadableStream.from([bytes.slice(0, half), bytes.slice(half)]);
}

Deno.test("what came by a pipe is told by its first bytes, and kept as it came", async () => {
  const document = JSON.stringify({ text: "a document" });
  const token = await Deno.readFile(TOKENS);
  for (
    const [content, kind] of [
      ["It is a truth universally acknowledged", "text"],
      ['{ "text" } is how a set begins', "text"],
      ['{"name": "no document"}\n', "text"],
      [`${document}\n${document}\n`, "jsonl"],
      [document, "jsonl"],
      [`{"text": "${"long ".repeat(300_000)}"}\n`, "jsonl"],
      [new Uint8Array(gzipSync(document)), "jsonl"],
      [token, "tokens"],
      [token.subarray(0, 7), "text"],
    ] as const
  ) {
    const path = await keep(streamOf(content), "stdin");
    const named = parseCorpus(`stdin:${path}`);
    assertEquals([named.kind, describeCorpus(named, "train")], [kind, "stdin"]);
    assertEquals(await Deno.readFile(path), new Uint8Array(await new Response(content).arrayBuffer()));
    assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
    await Deno.remove(path);
  }
});

Deno.test("a pipe that gives nothing, or has no end, or breaks, leaves one line and no file", async () => {
  const dir = await Deno.makeTempDir();
  await assertRejects(() => keep(streamOf(""), "stdin", { dir }), PareError, "stdin: nothing came; expected a text");
  const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1000)) });
  await assertRejects(() => keep(endless, "stdin", { dir, most: 5000 }), PareError, "stdin: more than 5000 bytes came");
  const broken = new ReadableStream({ pull: (controller) => controller.error(new Error("broken")) });
  await assertRejects(() => keep(broken, "stdin", { dir }), Error, "broken");
  await Deno.remove(dir); // it is empty
});

Deno.test("a named pipe is a corpus like any other", async () => {
  const directory = await Deno.makeTempDir(), pipe = `${directory}/pipe`;
  try {
    await new Deno.Command("mkfifo", { args: [pipe] }).output();
    const kept = fetchCorpus(pipe, "test");
    await Deno.writeTextFile(pipe, "a text by a pipe");
    const { name, path, file } = await kept;
    assertEquals([name, file], [`pipe:${path}`, undefined]);
    assertMatch(path, /pare-pipe-.*\.txt$/);
    const encode = (text: string) => Uint32Array.from(new TextEncoder().encode(text));
    const tokenizer = () => Promise.resolve({ encode, decode: () => "" });
    const windows = await evaluationWindows(name, { tokenizer, vocabulary: 256, seqlen: 8 });
    assertEquals([windows.windows, windows.description], [2, "pipe"]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
