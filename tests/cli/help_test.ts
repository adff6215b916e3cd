/** What `--help` says, of every command that Pare has. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { compareCommand } from "../../src/cli/compare_command.ts";
import { evalCommand } from "../../src/cli/eval_command.ts";
import { type Command, type Flags, spelling } from "../../src/cli/flags.ts";
import { helpText } from "../../src/cli/help.ts";
import { inspectCommand } from "../../src/cli/inspect_command.ts";
import { pruneCommand } from "../../src/cli/prune_command.ts";
import { serveCommand } from "../../src/cli/serve_command.ts";
import { verifyCommand } from "../../src/cli/verify_command.ts";

const COMMANDS: readonly Command<Flags>[] = [
  pruneCommand,
  evalCommand,
  inspectCommand,
  compareCommand,
  verifyCommand,
  serveCommand,
];

Deno.test("the help of every command has every flag, its other spellings, and an example", () => {
  for (const command of COMMANDS) {
    const help = helpText(command);
    for (const [name, flag] of Object.entries(command.flags)) {
      for (const word of [spelling(name), ...flag.aliases ?? []]) assertStringIncludes(help, `--${word}`);
    }
    assertStringIncludes(help, `  deno task ${command.name}`);
    for (const example of command.examples) assertStringIncludes(help, example);
  }
});

Deno.test("explanations stay within a hundred columns and have no line of blanks", () => {
  for (const command of COMMANDS) {
    const [text] = helpText(command).split("\nExample");
    for (const line of text.split("\n")) {
      assert(line.length <= 100, line);
      assertEquals(line, line.trimEnd());
    }
  }
});

Deno.test("the help of prune says that n:m keeps n, and that the published flags count the removed", () => {
  const help = helpText(pruneCommand);
  assertStringIncludes(help, "n:m keeps n of every m weights");
  assertStringIncludes(help, "The published code's flags count the removed");
});
