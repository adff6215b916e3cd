/** Ctrl-C at any moment: the output is absent or complete, never half, and nothing else is left. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { names, temporary } from "../checkpoint/folders.ts";
import { AUSTEN, runJson, start, TOKENS } from "./commands.ts";
import { CHANGES, endAfter } from "./moments.ts";

/** A run of some seconds: all of the golden calibration. */
const FLAGS = ["--model", AUSTEN, "--calibration", TOKENS, "--backend", "wasm"];

/** Everything on a stream up to a text, and the rest of it as a promise. */
async function until(stream: ReadableStream<Uint8Array>, text: string): Promise<() => Promise<string>> {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let seen = "";
  while (!seen.includes(text)) {
    const { done, value } = await reader.read();
    assert(!done, `the command ended before it said "${text}": ${seen}`);
    seen += value;
  }
  return async () => {
    for (let read = await reader.read(); !read.done; read = await reader.read()) seen += read.value;
    return seen;
  };
}

// Early enough that the run cannot end before the signal comes.
for (const when of ["backend: wasm", "block 1 of 6", "block 3 of 6"]) {
  for (const spool of [false, true]) {
    Deno.test(`Ctrl-C after "${when}"${spool ? ", spooled" : ""}: exit code 130, and nothing is left`, async () => {
      using folder = temporary();
      const out = `${folder.path}/new/out`, hidden = spool ? ["--spool", folder.path] : [];
      const child = start("prune", ...FLAGS, "--out", out, ...hidden), stdout = new Response(child.stdout).text();
      const rest = await until(child.stderr, when);
      child.kill("SIGINT");
      const err = await rest();
      assertEquals([(await child.status).code, await stdout, names(folder.path)], [130, "", []], err);
      assertStringIncludes(err, "SIGINT: stopping; once more stops at once\n");
      assert(!err.includes("this is a bug"), err);
    });
  }
}

Deno.test("Ctrl-C at whatever moment: no output, or all of it", async () => {
  using folder = temporary();
  const whole = `${folder.path}/whole`, flags = ["--model", AUSTEN, "--method", "magnitude", "--backend", "wasm"];
  await runJson("prune", ...flags, "--out", whole);
  const complete = names(whole), codes = new Set<number>();
  for (const share of [0.01, 0.05, 0.1, 0.3, 0.6, 0.8, 0.9, 0.95, 1]) {
    const out = `${folder.path}/out`, command = () => start("prune", ...flags, "--out", out);
    const { code } = await endAfter(Math.ceil(share * CHANGES), folder.path, "SIGINT", command);
    codes.add(code);
    const left = names(folder.path).filter((name) => name !== "whole");
    if (code !== 0) assertEquals(code, 130);
    // Stopped after the output had got its name, it is complete; nothing else ever stays.
    if (code === 0 || left.length) {
      assertEquals(left, ["out"], `left behind, with exit code ${code}`);
      assertEquals(names(out), complete);
      assertEquals(Deno.readFileSync(`${out}/model.safetensors`), Deno.readFileSync(`${whole}/model.safetensors`));
    }
    if (left.length) Deno.removeSync(out, { recursive: true });
  }
  assert(codes.has(130), "none of them was interrupted");
});

Deno.test("an evaluation that is interrupted says so, and ends with 130", async () => {
  const child = start("eval", "--model", AUSTEN, "--tokens", TOKENS, "--backend", "wasm");
  const stdout = new Response(child.stdout).text(), rest = await until(child.stderr, "block 1 of 6");
  child.kill("SIGINT");
  const err = await rest();
  assertEquals([(await child.status).code, await stdout], [130, ""]);
  assertStringIncludes(err, "error: stopped by SIGINT\n");
});
