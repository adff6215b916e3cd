/** `generate`: text on stdout as it comes and its figures as JSON; prompts from flags, from stdin, in the turns of a chat. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { Context } from "../../src/cli/context.ts";
import { PareError } from "../../src/errors.ts";
import { main } from "../../scripts/generate.ts";
import { copyDirectory, temporary } from "../checkpoint/folders.ts";
import { tokenizerOf } from "../text/models.ts";
import { AUSTEN, ROOT, start } from "./commands.ts";
import { CONTEXT, IN_PROCESS, runJson } from "./in_process.ts";

const PROMPT = "Anne had never been more", MODEL = ["--model", AUSTEN, "--backend", "wasm"];

Deno.test("a text comes with its ids, speeds, bytes and how it was chosen; a share of it comes again with --stop", async () => {
  const found = await runJson("generate", ...MODEL, "--prompt", PROMPT, "--tokens", "12");
  const tokenizer = await tokenizerOf(AUSTEN), prompt = tokenizer.encode(PROMPT, { special: true });
  assertEquals(tokenizer.decode([...prompt, ...found.ids]), PROMPT + found.text);
  assertEquals([found.ids.length, found.finish, found.promptTokens, found.tokens], [12, "length", prompt.length, 12]);
  // All weights are F16, and the embedding is the head.
  assertEquals(found.weightBytesPerToken, 2 * 707_808);
  for (const figure of ["promptTokensPerSecond", "tokensPerSecond", "peakBytes"]) assert(found[figure] > 0, figure);
  assertEquals(found.sampling.temperature, 0);

  const stop = found.text.slice(5, 9),
    cut = await runJson("generate", ...MODEL, "-p", PROMPT, "-n", "12", "--stop", stop);
  assertEquals([cut.text, cut.finish], [found.text.slice(0, found.text.indexOf(stop)), "stop"]);
  const half = await runJson("generate", ...MODEL, "-p", PROMPT, "-n", "3", "--cache", "f16");
  assertEquals([half.cache, half.ids.length], ["f16", 3]);
});

Deno.test("prompts are written side by side; a seed that nobody gave is told and writes the same text again", async () => {
  const both = ["-p", PROMPT, "-p", "It was", "--tokens", "6"],
    { outputs } = await runJson("generate", ...MODEL, ...both);
  assertEquals(outputs.map(({ prompt }: { prompt: string }) => prompt), [PROMPT, "It was"]);
  for (const { prompt, text } of outputs) {
    assertEquals((await runJson("generate", ...MODEL, "-p", prompt, "-n", "6")).text, text);
  }
  const draws = ["-p", PROMPT, "-n", "6", "--top-k", "50", "--temperature", "1.5"];
  const drawn = await runJson("generate", ...MODEL, ...draws);
  assert(Number.isInteger(drawn.sampling.seed));
  assertEquals((await runJson("generate", ...MODEL, ...draws, "--seed", `${drawn.sampling.seed}`)).ids, drawn.ids);
});

Deno.test("what makes no sense is refused in one line", async () => {
  const refuse = async (...args: string[]) =>
    (await assertRejects(() => IN_PROCESS.generate(...MODEL, ...args), PareError)).message;
  assertEquals(await refuse("-p", "a", "--system", "b"), "--system is for --chat");
  assertEquals(await refuse("-p", "a", "--top-p", "1.5"), "--top-p 1.5: expected above 0 and at most 1");
  assertEquals(await refuse("-p", "a", "--temperature", "-1"), "--temperature -1: expected 0 or more");
  assertStringIncludes(
    await refuse("-p", "a", "--chat"),
    "no chat template in chat_template.jinja or tokenizer_config.json",
  );
  assertStringIncludes(await refuse("-p", "a ".repeat(600)), "tokens: the model takes 512, with those that it writes");
});

/** A chat model: Austen-700K with a template that sets turns one after the other. */
function chatModel(within: string): string {
  const folder = `${within}/chat`;
  copyDirectory(AUSTEN, folder);
  Deno.writeTextFileSync(
    `${folder}/chat_template.jinja`,
    "{% for m in messages %}{{ m.role[0] }}: {{ m.content }} {% endfor %}",
  );
  return folder;
}

Deno.test("--chat puts the prompt into the template; a conversation remembers its turns until stdin ends", async () => {
  using folder = temporary();
  const model = chatModel(folder.path), flags = ["--model", model, "--backend", "wasm", "--tokens", "5"];
  const { text } = await runJson("generate", ...flags, "--chat", "--system", "Mind.", "-p", "She was");
  assertEquals(text, (await runJson("generate", ...flags, "-p", "s: Mind. u: She was ")).text);

  const lines = ["She was", "", "He was"], shown: string[] = [];
  const context: Context = {
    ...CONTEXT,
    args: [],
    write: (text) => void shown.push(text),
    readLine: () => Promise.resolve(lines.shift()),
  };
  const sampling = { temperature: 0, topK: undefined, topP: undefined, minP: undefined, repetitionPenalty: undefined };
  const { json } = await main({
    ...{
      model,
      prompt: [],
      chat: true,
      system: undefined,
      tokens: 5,
      seed: undefined,
      stop: [],
      quantize: undefined,
      cache: "f32",
    },
    ...{ ...sampling, backend: "wasm", workers: undefined, explainPermissions: false, json: false, conversation: true },
    ...{ runs: undefined, name: undefined, tag: [], note: undefined },
  }, context);
  const [first, answer, second, last] = json.messages as { role: string; content: string }[];
  assertEquals([first.content, second.content], ["She was", "He was"]);
  const asked = `u: She was a: ${answer.content} u: He was `;
  assertEquals(last.content, (await runJson("generate", ...flags, "-p", asked)).text);
  assertEquals(shown.join(""), `> ${answer.content}\n> > ${last.content}\n> `);
});

/** The process of a command with something on its stdin. */
async function piped(input: Uint8Array<ArrayBuffer>, ...args: string[]): Promise<Deno.CommandOutput> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", `${ROOT}scripts/generate.ts`, ...args],
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(input);
  await writer.close();
  return await child.output();
}

Deno.test("a prompt on stdin is gone on with inside the sandbox, and nothing but the text is on stdout", async () => {
  const { code, stdout, stderr } = await piped(new TextEncoder().encode(`${PROMPT}\n`), ...MODEL, "--tokens", "12");
  const { text } = await runJson("generate", ...MODEL, "--prompt", PROMPT, "--tokens", "12");
  assertEquals([code, new TextDecoder().decode(stdout)], [0, `${text}\n`], new TextDecoder().decode(stderr));
});

Deno.test("a prompt on stdin that is no text is refused, not written on from", async () => {
  const { code, stdout, stderr } = await piped(Uint8Array.of(0x41, 0xff, 0x0a), ...MODEL), text = new TextDecoder();
  assertEquals([code, text.decode(stdout), text.decode(stderr)], [2, "", "error: stdin is not UTF-8 text\n"]);
});

Deno.test("Ctrl-C ends a text where it stands, and its line: exit code 130", async () => {
  const child = start("generate", ...MODEL, "--prompt", PROMPT, "--tokens", "480"), reader = child.stdout.getReader();
  const stderr = new Response(child.stderr).text();
  let text = "";
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    if (!text) child.kill("SIGINT");
    text += new TextDecoder().decode(read.value);
  }
  const { code } = await child.status, err = await stderr;
  assertEquals(code, 130, err);
  assert(text.length > 1 && text.endsWith("\n"), text);
  assertStringIncludes(err, "error: stopped by SIGINT");
});
