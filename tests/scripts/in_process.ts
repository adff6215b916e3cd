/**
 * A command in the test's own process, without its sandbox: what it computes, writes and refuses, for a fraction of what a
 * process costs. Exit codes, streams, signals and the sandbox are claimed of processes (`commands.ts`).
 */
import { assert } from "@std/assert";
import { compareCommand } from "../../src/cli/compare_command.ts";
import type { Context, Delivery, Outcome } from "../../src/cli/context.ts";
import { evalCommand } from "../../src/cli/eval_command.ts";
import { type Command, type Flags, parse, type Values } from "../../src/cli/flags.ts";
import { finetuneCommand } from "../../src/cli/finetune_command.ts";
import { generateCommand } from "../../src/cli/generate_command.ts";
import { packCommand, unpackCommand } from "../../src/cli/pack_command.ts";
import { pruneCommand } from "../../src/cli/prune_command.ts";
import { type RunShut, syncDirectory } from "../../src/cli/sandbox.ts";
import { peakMemory } from "../../src/cli/terminal.ts";
import { verifyCommand } from "../../src/cli/verify_command.ts";
import { PareError } from "../../src/errors.ts";
import { main as compare } from "../../scripts/compare.ts";
import { enter as enterCompare } from "../../scripts/compare/request.ts";
import { enter as enterEval } from "../../scripts/eval/request.ts";
import { main as evaluate } from "../../scripts/eval.ts";
import { main as finetune } from "../../scripts/finetune.ts";
import { enter as enterFinetune } from "../../scripts/finetune/prepared.ts";
import { main as generate } from "../../scripts/generate.ts";
import { enter as enterGenerate } from "../../scripts/generate/request.ts";
import { enter as enterPack, main as pack } from "../../scripts/pack.ts";
import { main as prune } from "../../scripts/prune.ts";
import { enter as enterPrune } from "../../scripts/prune/request.ts";
import { enter as enterUnpack, main as unpack } from "../../scripts/unpack.ts";
import { main as verify } from "../../scripts/verify.ts";
import { DATA_HOME, runJson as processJson } from "./commands.ts";

/** Who hears what a command says of its way, if anybody does. */
let hears: Partial<Context["terminal"]> = {};

/** Lets somebody hear what a command says of its way. */
export async function heard<T>(by: Partial<Context["terminal"]>, act: () => Promise<T>): Promise<T> {
  hears = by;
  try {
    return await act();
  } finally {
    hears = {};
  }
}

/** What a command is given. */
export const CONTEXT: Omit<Context, "args"> = {
  terminal: { note: (line) => hears.note?.(line), progress: (position) => hears.progress?.(position) },
  write() {},
  readLine: () => Promise.resolve(undefined),
  signal: new AbortController().signal,
  peakMemory: () => Promise.resolve(peakMemory()),
  syncDirectory,
};

/** What a sandbox does with a module's `main`, without a process of its own. */
const runHere: RunShut = async (module, values, context) => {
  const { main } = await import(module);
  return overWire(await main(overWire(values), context));
};

/** What comes of a value that goes from one process to another. */
const overWire = <T>(value: T): T => JSON.parse(JSON.stringify(value));

/** Runs a command's two halves, the one that looks around and the one that works, on its flags. */
function inProcess<F extends Flags>(
  command: Command<F>,
  enter: (values: Values<F>, context: Context) => Promise<{ readonly values: Values<F>; readonly sink?: Delivery }>,
  main: (values: Values<F>, context: Context) => Promise<Outcome>,
): (...args: readonly string[]) => Promise<Outcome> {
  return async (...args) => {
    const home = Deno.env.get("XDG_DATA_HOME"), context: Context = { ...CONTEXT, args };
    // Runs are recorded, but not among those of whoever tests.
    Deno.env.set("XDG_DATA_HOME", DATA_HOME);
    try {
      const values = parse(command, [...args]);
      if (values === "help") throw new TypeError("help is a matter of the process");
      // Of work so small a second worker makes hardly less time, and a third more of it.
      const alone = "workers" in command.flags ? { ...values, workers: values.workers ?? 1 } : values;
      const { values: entered, sink } = await enter(alone, context);
      return await main(entered, { ...context, sink });
    } finally {
      if (home === undefined) Deno.env.delete("XDG_DATA_HOME");
      else Deno.env.set("XDG_DATA_HOME", home);
    }
  };
}

/** The commands that can be run so. @throws PareError for what a user can mend. */
export const IN_PROCESS = {
  compare: inProcess(compareCommand, enterCompare, compare),
  prune: inProcess(pruneCommand, enterPrune, prune),
  finetune: inProcess(finetuneCommand, enterFinetune, finetune),
  eval: inProcess(evalCommand, enterEval, evaluate),
  generate: inProcess(generateCommand, enterGenerate, generate),
  pack: inProcess(packCommand, enterPack, pack),
  unpack: inProcess(unpackCommand, enterUnpack, unpack),
  verify: inProcess(
    verifyCommand,
    (values) => Promise.resolve({ values }),
    (values, context) => verify(values, context, runHere),
  ),
};

/** The lines by which a command tells a user what to mend: why it refused, or what is wrong with what it found. */
export async function errorsOf(command: keyof typeof IN_PROCESS, ...args: readonly string[]): Promise<string> {
  const { problems = [] } = await IN_PROCESS[command](...args).catch((error): Pick<Outcome, "problems"> => {
    if (!(error instanceof PareError)) throw error;
    return { problems: [error.message] };
  });
  assert(problems.length, `${command} ${args.join(" ")}: nothing was wrong`);
  return problems.map((problem) => `error: ${problem}\n`).join("");
}

/** What a command gives a program, computed here where that can be, else by a process. */
// deno-lint-ignore no-explicit-any -- the JSON of a command, looked into by the test
export async function runJson(command: string, ...args: readonly string[]): Promise<any> {
  if (!(command in IN_PROCESS)) return await processJson(command, ...args);
  const { json, problems = [] } = await IN_PROCESS[command as keyof typeof IN_PROCESS](...args, "--json");
  if (problems.length) throw new Error(problems.join("\n"));
  return overWire(json);
}
