/**
 * The one place where a command starts and ends: it reads the flags, runs the command, prints its result and decides
 * the exit code. A command returns what it found and throws what went wrong; it never prints a result, never exits.
 *
 * Exit codes: 0 done; 2 something that the user can mend (a {@linkcode PareError}, one line); 70 a bug, with its stack
 * (EX_SOFTWARE of sysexits.h); 129, 130 and 143 stopped by a terminal that closed (SIGHUP), Ctrl-C or SIGTERM, as shells
 * have them (128 + the signal).
 *
 * With `--json` stdout holds one object whatever happens: the result, or `{"error": {"message", "code"}}` with the exit code.
 * The line for a person stands on stderr as always.
 */
import { PareError } from "../errors.ts";
import { fileURLToPath } from "node:url";
import { type Command, type Flags, type Manner, mannerOf, parse, type Values } from "./flags.ts";
import type { Context, Delivery, Outcome } from "./context.ts";
import { helpText, type Program } from "./help.ts";
import { type Permissions, runSandboxed, showPermissions, syncDirectory } from "./sandbox.ts";
import { TextLineStream } from "./lines.ts";
import { EXIT_MENDABLE, peakMemory, Terminal, writeAll } from "./terminal.ts";

const EXIT_BUG = 70;
const EXIT_SIGNAL: Partial<Record<Deno.Signal, number>> = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

/** How long a stopped command may take to leave things tidy. A dispatch or a block's write is over in less. */
const GRACE_MS = 10_000;

/** How a command's work is shut in. */
export interface Sandbox<F extends Flags> {
  /** The module whose export `main` is the command. */
  readonly module: string;
  /**
   * Fetches what is not here yet and says what the work may touch; what it changes of the values is what `main` gets. `leave` is called when the
   * work has ended, however it did.
   */
  enter(
    values: Values<F>,
    context: Context,
  ): Promise<
    { readonly values: Values<F>; readonly permissions: Permissions; readonly sink?: Delivery; leave?(): Promise<void> }
  >;
  /** The command line that this one stands for: that of a sweep's plan. Paths are relative to where the user stands. */
  expand?(args: readonly string[]): Promise<readonly string[]>;
}

export type { Context, Outcome } from "./context.ts";

/** How a command was started. */
export interface Start {
  /** The arguments behind the command's name. */
  readonly args: readonly string[];
  /** What stands before it. */
  readonly program: Program;
}

/** Runs a command on its command line, in its sandbox if it has one, and ends the process. */
export async function run<F extends Flags>(
  command: Command<F>,
  main: (values: Values<F>, context: Context) => Promise<Outcome>,
  sandbox?: Sandbox<F>,
  { args, program }: Start = { args: Deno.args, program: "deno task" },
): Promise<never> {
  const manner = mannerOf(args), terminal = new Terminal(undefined, manner.progress);
  const stop = new AbortController();
  let stopped: number | undefined;
  for (const [name, code] of Object.entries(EXIT_SIGNAL)) {
    // Windows ends a process without asking for the others.
    if (Deno.build.os === "windows" && name !== "SIGINT") continue;
    const ignored = name === "SIGHUP" && hangUpIgnored();
    Deno.addSignalListener(name as Deno.Signal, () => {
      if (ignored) return; // without a listener Deno would take it for one that ends the process
      // A terminal that closes may say so twice, by the kernel and by the shell: that is nobody's impatience.
      if (stopped !== undefined && name === "SIGHUP") return;
      if (stopped !== undefined) Deno.exit(stopped);
      stopped = code;
      terminal.note(`${name}: stopping; once more stops at once`);
      stop.abort(new PareError(`stopped by ${name}`));
      setTimeout(() => Deno.exit(code), GRACE_MS);
    });
  }
  preferNativeGraphics();

  let exitCode = 0;
  try {
    const whole = manner.version ? args : await expand(args, sandbox);
    const values = manner.version ? "version" : parse(command, whole);
    if (values === "help" || values === "version") {
      writeAll(Deno.stdout, `${values === "help" ? helpText(command, program) : `pare ${await version()}`}\n`);
      Deno.exit(0);
    }
    standWhereTheUserDoes();
    const context: Context = {
      args: whole,
      terminal,
      signal: stop.signal,
      write: (text) => values.json || writeAll(Deno.stdout, text),
      readLine,
      peakMemory: () => Promise.resolve(peakMemory()),
      syncDirectory,
    };
    const outcome = sandbox ? await runInSandbox(sandbox, values, context) : await main(values, context);
    writeAll(Deno.stdout, `${values.json ? JSON.stringify(outcome.json) : outcome.text}\n`);
    for (const problem of outcome.problems ?? []) terminal.error(problem);
    if (outcome.problems?.length) exitCode = EXIT_MENDABLE;
  } catch (error) {
    exitCode = fail(error, manner, terminal, stopped);
  }
  Deno.exit(stopped ?? exitCode);
}

/**
 * Says what went wrong, to a person and to programs.
 * @param stopped The exit code of a command that was stopped.
 * @returns The exit code.
 */
export function fail(error: unknown, { json }: Manner, terminal: Terminal, stopped?: number): number {
  const code = stopped ?? (error instanceof PareError ? EXIT_MENDABLE : EXIT_BUG);
  const bug = code === EXIT_BUG ? (error instanceof Error ? error.stack : undefined) ?? Deno.inspect(error) : undefined;
  const message = error instanceof PareError
    ? error.message
    : bug === undefined
    ? "stopped"
    : "this is a bug in Pare; please report it with the lines below";
  terminal.error(message, code, bug);
  if (json) writeAll(Deno.stdout, `${JSON.stringify({ error: { message, code } })}\n`);
  return code;
}

/** Lines of stdin, which is touched by who asks for one only. */
let stdinLines: ReadableStreamDefaultReader<string> | undefined;

async function readLine(): Promise<string | undefined> {
  const text = () => new TextDecoderStream("utf-8", { fatal: true });
  stdinLines ??= Deno.stdin.readable.pipeThrough(text()).pipeThrough(new TextLineStream()).getReader();
  try {
    return (await stdinLines.read()).value;
  } catch (error) {
    throw new PareError(error instanceof TypeError ? "stdin is not UTF-8 text" : `stdin: ${(error as Error).message}`);
  }
}

/** Pare's version: only who asks for it waits for the file. */
export async function version(): Promise<string> {
  return (await (await fetch(new URL("../../deno.json", import.meta.url))).json()).version;
}

/**
 * `deno task` goes to the folder of Pare's deno.json before it starts a command, and leaves in INIT_CWD where the user stood:
 * paths are relative to there. Elsewhere the variable is of another tool's (npm sets it too), and the user stands here.
 */
function standWhereTheUserDoes(): void {
  const there = Deno.env.get("INIT_CWD");
  if (!there || Deno.realPathSync(".") !== Deno.realPathSync(fileURLToPath(new URL("../..", import.meta.url)))) return;
  try {
    Deno.chdir(there);
  } catch (error) {
    throw new PareError(`INIT_CWD ${there}: not a folder that can be entered: ${(error as Error).message}`);
  }
}

/** The command line that one stands for. */
async function expand<F extends Flags>(args: readonly string[], sandbox?: Sandbox<F>): Promise<readonly string[]> {
  if (!sandbox?.expand || ["--help", "-h"].some((word) => args.includes(word))) return args;
  standWhereTheUserDoes();
  return await sandbox.expand(args);
}

/** Runs a command in its sandbox, or shows what that would hold. */
async function runInSandbox<F extends Flags>(
  sandbox: Sandbox<F>,
  given: Values<F>,
  context: Context,
): Promise<Outcome> {
  const { values, permissions, sink, leave } = await sandbox.enter(given, context);
  if ((values as { explainPermissions?: boolean }).explainPermissions) {
    const goes = sink && `what it writes goes to ${sink.path}, by the process that starts it`;
    return { text: [showPermissions(permissions), ...goes ? [goes] : []].join("\n"), json: { permissions } };
  }
  const left = async (): Promise<string[]> => {
    try {
      await leave?.();
      return [];
    } catch (error) {
      if (!(error instanceof PareError)) throw error;
      return [error.message];
    }
  };
  let outcome: Outcome;
  try {
    outcome = await runSandboxed(sandbox.module, values, { ...context, sink }, permissions);
  } catch (error) {
    // Why the work ended is the news that comes last.
    for (const problem of await left()) context.terminal.note(problem);
    throw error;
  }
  return { ...outcome, problems: [...outcome.problems ?? [], ...await left()] };
}

/** Whether this process was started to outlive its terminal (`nohup`): then it does. */
function hangUpIgnored(): boolean {
  if (Deno.build.os !== "linux") return !Deno.stderr.isTerminal(); // nohup leads it to a file
  const [, ignored] = /^SigIgn:\s+([0-9a-f]+)$/m.exec(Deno.readTextFileSync("/proc/self/status")) ?? [];
  return (BigInt(`0x${ignored ?? 0}`) & 1n) === 1n; // SIGHUP is number 1
}

/**
 * Deno falls back to OpenGL where no Vulkan driver is found, and that backend lacks what Pare's shaders need: name the
 * native ones only. Deno reads the variable when an adapter is asked for. The second one silences a complaint of the
 * graphics library on machines without a desktop.
 */
function preferNativeGraphics(): void {
  for (const [name, value] of Object.entries(GRAPHICS_ENVIRONMENT)) {
    if (Deno.env.get(name) === undefined) Deno.env.set(name, value);
  }
}

/** The environment under which Deno finds a usable graphics driver or none. */
export const GRAPHICS_ENVIRONMENT: Readonly<Record<string, string>> = {
  DENO_WEBGPU_BACKEND: "vulkan,metal,dx12",
  XDG_RUNTIME_DIR: "/tmp",
};
