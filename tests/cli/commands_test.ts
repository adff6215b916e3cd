/** Which command a command line of `pare` begins with, and what is said where that is none. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { COMMANDS, findCommand } from "../../src/cli/commands.ts";
import { helpText, overview } from "../../src/cli/help.ts";
import { PareError } from "../../src/errors.ts";

/** The command's name with the arguments that are left, or the names of those that are listed. */
function find(line: string): unknown {
  const asked = findCommand(line.split(" ").filter((word) => word !== ""));
  return "list" in asked ? asked.list.map(({ name }) => name) : [asked.command.name, ...asked.args];
}
const refuse = (line: string) => assertThrows(() => find(line), PareError).message;

Deno.test("the first word is the command, the first two those of a group; the rest is its arguments", () => {
  assertEquals(find("prune -m model --out x"), ["prune", "-m", "model", "--out", "x"]);
  assertEquals(find("runs list --tag a"), ["runs list", "--tag", "a"]);
  assertEquals(find("help prune"), ["prune", "--help"]);
  assertEquals(find("help runs list"), ["runs list", "--help"]);
});

Deno.test("without a command, or asked for help, all are listed; a group lists its own", () => {
  const all = COMMANDS.map(({ name }) => name);
  for (const line of ["", "--help", "-h", "help", "--version"]) assertEquals(find(line), all);
  const group = ["runs list", "runs show", "runs name", "runs tag", "runs note", "runs rm"];
  for (const line of ["runs", "runs --help", "help runs"]) assertEquals(find(line), group);
});

Deno.test("an unknown command names the nearest one", () => {
  assertEquals(refuse("pruen"), "unknown command pruen: did you mean prune?");
  assertEquals(refuse("Prune"), "unknown command Prune: did you mean prune?");
  assertEquals(refuse("evaluate x"), "unknown command evaluate: did you mean eval?");
  assertEquals(refuse("dashboard"), "unknown command dashboard: did you mean serve?");
  assertEquals(refuse("run list"), "unknown command run: did you mean runs?");
  assertEquals(refuse("runs lst"), "unknown command runs lst: did you mean runs list?");
  assertEquals(refuse("runs delete x"), "unknown command runs delete: did you mean runs rm?");
  assertEquals(refuse("./model"), "unknown command ./model; pare --help lists the commands");
  assertEquals(
    refuse("--model x"),
    "--model stands before the command: expected pare COMMAND --model; pare --help lists commands",
  );
});

Deno.test("the list has every command with its summary, within a hundred columns", () => {
  const text = overview(COMMANDS, "1.2.3"), words = text.replace(/\s+/g, " ");
  for (const { name, summary } of COMMANDS) assert(words.includes(`${name} ${summary}`), name);
  for (const line of text.split("\n")) assert(line.length <= 100 && line === line.trimEnd(), line);
});

Deno.test("a command's help names the program that it was asked of", () => {
  const [prune] = COMMANDS;
  assert(helpText(prune, "pare").includes("Usage: pare prune <DIR|FILE.gguf|ID|URL> [flags]"));
  assert(!helpText(prune, "pare").includes("deno task"));
  assert(helpText(prune, "deno task").includes("\n  deno task prune --model"));
});

Deno.test("no two flags of a command have one letter, and all short forms are in the help", () => {
  for (const command of COMMANDS) {
    const shorts = Object.values(command.flags).flatMap(({ short }) => short ?? []).concat("h", "V");
    assertEquals(new Set(shorts).size, shorts.length, command.name);
    for (const short of shorts) assert(helpText(command).includes(`\n  -${short}, --`), `${command.name} -${short}`);
  }
});
