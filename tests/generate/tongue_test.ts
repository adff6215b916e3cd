/** How a model reads and writes text: what is missing is told from what is damaged. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { PareError } from "../../src/errors.ts";
import { readTongue } from "../../src/generate/tongue.ts";
import { AUSTEN } from "../text/models.ts";

/** Austen-700K with a chat template of its own, or none. */
async function read(template: string | undefined, chat: "needed" | "taken" | "left") {
  await using checkpoint = await openDirectory(AUSTEN);
  const readText = (file: string) =>
    file === "chat_template.jinja" ? Promise.resolve(template) : checkpoint.readText(file);
  return await readTongue({ ...checkpoint, readText }, chat);
}

Deno.test("a chat template that is not there is left out unless it is needed; one that is damaged is always refused", async () => {
  const tongue = await read(undefined, "taken");
  assertEquals(tongue.template, undefined);
  assert(tongue.endTokens.size > 0);
  await assertRejects(() => read(undefined, "needed"), PareError, "no chat template in chat_template.jinja or");
  for (const chat of ["needed", "taken"] as const) {
    assertEquals((await read("{{ 1 }}", chat)).template!.render([]), "1");
    await assertRejects(() => read("{% if %}", chat), PareError, "chat template: ");
  }
  assertEquals((await read("{% if %}", "left")).template, undefined);
});
