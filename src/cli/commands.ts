/** Every command of `pare`, in the order in which a person meets them. */
import { chatServerCommand } from "./chat_server_command.ts";
import { collectCommand } from "./collect_command.ts";
import { compareCommand } from "./compare_command.ts";
import { completionsCommand } from "./completions_command.ts";
import { demoCommand } from "./demo_command.ts";
import { evalCommand } from "./eval_command.ts";
import { finetuneCommand } from "./finetune_command.ts";
import type { Command, Flags } from "./flags.ts";
import { generateCommand } from "./generate_command.ts";
import { inspectCommand } from "./inspect_command.ts";
import { PareError } from "../errors.ts";
import { nearest } from "./nearest.ts";
import { packCommand, unpackCommand } from "./pack_command.ts";
import { pruneCommand } from "./prune_command.ts";
import { RUNS_COMMANDS } from "./runs_command.ts";
import { serveCommand } from "./serve_command.ts";
import { sweepCommand } from "./sweep_command.ts";
import { verifyCommand } from "./verify_command.ts";

/** Every command; the name of one in a group is two words. */
export const COMMANDS: readonly Command<Flags>[] = [
  pruneCommand,
  finetuneCommand,
  evalCommand,
  compareCommand,
  generateCommand,
  inspectCommand,
  packCommand,
  unpackCommand,
  verifyCommand,
  sweepCommand,
  collectCommand,
  ...Object.values(RUNS_COMMANDS),
  serveCommand,
  chatServerCommand,
  demoCommand,
  completionsCommand,
];

/** What a command line asks of `pare`: a command with the arguments behind its name, or what there is. */
export type Asked =
  | { readonly command: Command<Flags>; readonly args: readonly string[] }
  | { readonly list: readonly Command<Flags>[] };

/**
 * Finds the command that a command line begins with; without one, or with `help`, what there is.
 * @throws PareError for a command that does not exist; it names the nearest one.
 */
export function findCommand(args: readonly string[]): Asked {
  const [first, ...rest] = args;
  if (first === undefined || ["--help", "-h", "--version", "-V"].includes(first)) return { list: COMMANDS };
  if (first === "help") return rest.length ? findCommand([...rest, "--help"]) : { list: COMMANDS };
  if (first.startsWith("-")) {
    throw new PareError(
      `${first} stands before the command: expected pare COMMAND ${first}; pare --help lists commands`,
    );
  }
  const command = COMMANDS.find(({ name }) => name === first);
  if (command) return { command, args: rest };
  const group = COMMANDS.filter(({ name }) => name.startsWith(`${first} `)), [second, ...behind] = rest;
  if (!group.length) throw unknownCommand(first, COMMANDS.map(({ name }) => name.split(" ")[0]));
  if (second === undefined || ["--help", "-h"].includes(second)) return { list: group };
  const found = group.find(({ name }) => name === `${first} ${second}`);
  if (!found) throw unknownCommand(`${first} ${second}`, group.map(({ name }) => name));
  return { command: found, args: behind };
}

/** The other words that people try for what a command does. */
const SYNONYMS: Readonly<Record<string, string>> = {
  evaluate: "eval",
  train: "finetune",
  tune: "finetune",
  perplexity: "eval",
  show: "inspect",
  info: "inspect",
  check: "verify",
  dashboard: "serve",
  list: "runs list",
  "runs ls": "runs list",
  "runs remove": "runs rm",
  "runs delete": "runs rm",
  "runs rename": "runs name",
  completion: "completions",
};

function unknownCommand(word: string, names: readonly string[]): PareError {
  const guess = SYNONYMS[word] ?? nearest(word, names);
  return new PareError(
    `unknown command ${word}${guess === undefined ? "; pare --help lists the commands" : `: did you mean ${guess}?`}`,
  );
}
