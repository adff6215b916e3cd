/** `deno task chat-server` as a user runs it. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import OpenAI from "openai";
import { TextLineStream } from "../../src/cli/lines.ts";
import { AUSTEN, run, start } from "../scripts/commands.ts";

Deno.test("it loads its model in the sandbox, says where it answers, answers there, and ends on SIGTERM", async () => {
  const child = start("chat-server", "--model", AUSTEN, "--backend", "wasm", "--port", "0");
  const lines = child.stderr.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream()).getReader();
  let address: string | undefined, said = "";
  while (!address) {
    const { done, value } = await lines.read();
    if (done) throw new Error(`it ended: ${said}`);
    said += `${value}\n`;
    [, address] = /^(http:\S+) answers as Austen-700K/.exec(value) ?? [];
  }
  try {
    assertStringIncludes(said, "it has no chat template: completions only; only this machine can see it");
    const client = new OpenAI({ baseURL: address, apiKey: "none", maxRetries: 0 });
    const prompt = "Anne had",
      { choices } = await client.completions.create({ model: "Austen-700K", prompt, max_tokens: 3 });
    assertEquals(choices.length, 1);
  } finally {
    child.kill("SIGTERM");
    await lines.cancel();
    await child.stdout.cancel();
    assertEquals((await child.status).code, 143);
  }
});

Deno.test("a host that others reach needs a token", async () => {
  const open = await run("chat-server", "--model", AUSTEN, "--host", "0.0.0.0");
  assertEquals([open.code, open.out], [2, ""]);
  assertStringIncludes(open.err, "--host 0.0.0.0 is open to other machines: expected a token");
});
