/** A line of stdin that the work in a sandbox asks for: it comes through, and if it cannot be read the work is told why. */
import { assertEquals, assertRejects } from "@std/assert";
import type { Context } from "../../src/cli/context.ts";
import { runSandboxed } from "../../src/cli/sandbox.ts";
import { PareError } from "../../src/errors.ts";
import { temporary } from "../checkpoint/folders.ts";
import { CONTEXT } from "../scripts/in_process.ts";
import { ROOT } from "../scripts/commands.ts";

Deno.test("a line comes through; one that cannot be read ends the work with the reason", async () => {
  using folder = temporary();
  const program = `${folder.path}/echo.ts`;
  Deno.writeTextFileSync(
    program,
    "export const main = async (_, context) => ({ text: await context.readLine(), json: {} });",
  );
  const echo = (readLine: Context["readLine"]) =>
    runSandboxed(`file://${program}`, {}, { ...CONTEXT, args: [], readLine }, { read: [ROOT, program], write: [] });
  assertEquals((await echo(() => Promise.resolve("She was"))).text, "She was");
  const torn = () => Promise.reject(new PareError("stdin is not UTF-8 text"));
  await assertRejects(() => echo(torn), PareError, "stdin is not UTF-8 text");
});
