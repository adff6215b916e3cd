/**
 * A command in a sandbox: its work is done by a process of its own that holds only the permissions which its arguments ask
 * for. The process that a person starts reads the flags, fetches what must be fetched and owns the terminal and the
 * signals; a model file that got the better of a reader would find no network, no environment, no subprocess and no file
 * but those of the run.
 *
 * ```text
 *   command line ──▶ launcher ── stdin: values, what to stop ──▶ the command's `main` (sandboxed.ts)
 *   terminal, stdout ◀────────── stdout: notes, progress, outcome ──┘
 * ```
 *
 * Both pipes carry lines of JSON. The process ends when its stdin does, whatever the work is busy with: it cannot outlive its
 * launcher, however that ends.
 */
import { TextLineStream } from "./lines.ts";
import { PareError, toldElsewhere } from "../errors.ts";
import type { Context, Delivery, Outcome } from "./context.ts";
import { peakMemory, type Position } from "./terminal.ts";

/**
 * The work lives in typed arrays; its objects are small and soon garbage. V8 would let 16 MiB of them collect before it looks
 * (more with more threads), now here, now there: with 1 MiB a run's peak is 20 MB lower, and the same every time. What is
 * garbage a little later, such as of text that becomes tokens, would collect until it is several times what is alive (14,256
 * documents: 270 MB in place of 191, for the same time). With --optimize-for-size it compacts more: hellaswag's 10,042 peak at
 * 132 MiB in place of 149 while they become tokens, and a run takes the same processor time.
 */
const COLLECTOR =
  "--v8-flags=--max-semi-space-size=1,--initial-old-space-size=32,--heap-growing-percent=50,--optimize-for-size";

/**
 * Of glibc's allocator. Large arrays go back to the system when they are let go of: it would raise the threshold, to 32 MiB, with
 * the first that are, and from then on they would leave holes among what stays. And what one thread has let go of is there
 * for all: what they allocate besides is little and seldom.
 */
const ALLOCATOR = { MALLOC_MMAP_THRESHOLD_: `${128 << 10}`, MALLOC_ARENA_MAX: "1" };

/** What a command's work may do; whatever is not here it may not: no environment, subprocess, library or system call. */
export interface Permissions {
  /** Files, and directories with all that is in them. */
  readonly read: readonly string[];
  /** The same. */
  readonly write: readonly string[];
  /** Addresses, `host:port`; of a run there are none. */
  readonly net?: readonly string[];
  /**
   * What of all that may be neither read nor written: Deno goes by names and follows links, so a link in a directory that may
   * be read would open what it leads to.
   */
  readonly deny?: readonly string[];
}

/**
 * No code but what is here: a module from elsewhere is refused, and nobody is asked for it. Where Pare itself was imported from
 * an address, its own modules are remote ones, but cached.
 */
const NO_FOREIGN_CODE = [
  ...import.meta.url.startsWith("file:") ? ["--deny-import", "--no-remote"] : [],
  "--cached-only",
];

/** What the launcher tells the work. */
export type ToWork =
  | { readonly module: string; readonly values: unknown; readonly args: readonly string[]; readonly sink?: string }
  | { readonly peak: number }
  | { readonly synced: string; readonly error?: string }
  | { readonly delivered: number; readonly error?: string }
  | { readonly line: string | null; readonly error?: string }
  | { readonly abort: string };

/** What the work tells the launcher. */
export type FromWork =
  | { readonly note: string }
  | { readonly progress: Position }
  | { readonly ask: "peak" | "line" }
  | { readonly write: string }
  | { readonly sync: string }
  | { readonly send: string; readonly delivery: number }
  | { readonly commit: readonly string[]; readonly delivery: number }
  | { readonly outcome: Outcome }
  | { readonly refused: string }
  | { readonly bug: string };

/**
 * One flag of Deno for each kind, and those that refuse code from elsewhere.
 * @throws PareError for a path with a comma: Deno's flags have no way to name it.
 */
export function permissionFlags({ read, write, net = [], deny = [] }: Permissions): string[] {
  const flag = (kind: string, paths: readonly string[]) => {
    const odd = paths.find((path) => path.includes(","));
    if (odd !== undefined) {
      const verb = kind.startsWith("deny") ? "closed" : "opened";
      throw new PareError(`${odd}: a path with a comma cannot be ${verb} to a run; rename it or link to it`);
    }
    return paths.length ? [`--${kind}=${paths.join(",")}`] : [];
  };
  return [
    ...[...flag("allow-read", read), ...flag("allow-write", write), ...flag("allow-net", net)],
    ...[...flag("deny-read", deny), ...flag("deny-write", deny), ...NO_FOREIGN_CODE],
  ];
}

/**
 * Runs the `main` of a command's module in a process that has these permissions.
 * @param values The command's, as JSON can hold them.
 * @throws PareError as the command does, or if the process is ended from outside; Error with its stack for a bug.
 */
export async function runSandboxed(
  module: string,
  values: unknown,
  { terminal, signal, args, write, readLine, sink }: Context,
  permissions: Permissions,
): Promise<Outcome> {
  // What the module imports must be here before it is shut in (`verify` runs another command's).
  await import(module);
  const program = new URL("./sandboxed.ts", import.meta.url).href;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", COLLECTOR, ...permissionFlags(permissions), program],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
    env: ALLOCATOR,
  }).spawn();
  const stdin = child.stdin.getWriter();
  // A process that has ended reads no more; how it ended is seen below.
  const tell = (message: ToWork) =>
    toldElsewhere(stdin.write(new TextEncoder().encode(`${JSON.stringify(message)}\n`)));
  signal.addEventListener("abort", () => tell({ abort: String(signal.reason?.message ?? signal.reason) }));
  tell({ module, values, args, ...sink && { sink: sink.path } });

  let outcome: Outcome | undefined;
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  for await (const line of lines) {
    const said: FromWork = JSON.parse(line);
    if ("note" in said) terminal.note(said.note);
    else if ("progress" in said) terminal.progress(said.progress, peakMemory(child.pid));
    else if ("write" in said) write(said.write);
    else if ("ask" in said && said.ask === "peak") tell({ peak: peakMemory(child.pid) });
    else if ("ask" in said) void lineOf(readLine).then(tell); // a person may take their time
    else if ("sync" in said) tell(await synced(said.sync));
    else if ("delivery" in said) void delivered(sink!, said).then(tell); // the work goes on meanwhile
    else if ("outcome" in said) outcome = said.outcome;
    else if ("refused" in said) throw new PareError(said.refused);
    else throw Object.assign(new Error("in the sandbox"), { stack: said.bug });
  }
  const { code, signal: killer } = await child.status;
  if (outcome) return outcome;
  signal.throwIfAborted();
  throw new PareError(`the run's process was ended by ${killer ?? `code ${code}`}; expected it to come to its end`);
}

/** How a command runs a module in a sandbox. */
export type RunShut = typeof runSandboxed;

/** Forces a directory's entries to the disk. Nothing is read of it, so that whoever asks learns nothing. */
export async function syncDirectory(path: string): Promise<void> {
  // Windows opens no directory.
  if (Deno.build.os === "windows" || !(await Deno.lstat(path)).isDirectory) return;
  using directory = await Deno.open(path);
  await directory.sync();
}

/** The next line, or why there is none. */
async function lineOf(readLine: Context["readLine"]): Promise<{ line: string | null; error?: string }> {
  try {
    return { line: await readLine() ?? null };
  } catch (error) {
    return { line: null, error: (error as Error).message };
  }
}

/** Sends what the work has finished. A name that leads elsewhere is not one that it may name. */
async function delivered(
  sink: Delivery,
  said: Extract<FromWork, { delivery: number }>,
): Promise<{ delivered: number; error?: string }> {
  const { delivery } = said, names = "send" in said ? [said.send] : said.commit;
  try {
    const odd = names.find((name) => !/^[^/\\\0]+$/.test(name) || name === "..");
    if (odd !== undefined) throw new PareError(`${odd}: expected the name of a file`);
    await ("send" in said ? sink.send(said.send) : sink.commit(said.commit));
    return { delivered: delivery };
  } catch (error) {
    return { delivered: delivery, error: error instanceof PareError ? error.message : String(error) };
  }
}

async function synced(path: string): Promise<{ synced: string; error?: string }> {
  try {
    await syncDirectory(path);
    return { synced: path };
  } catch (error) {
    return { synced: path, error: (error as Error).message };
  }
}

/** The permissions in Deno's own words, a line for each path. */
export function showPermissions({ read, write, net = [], deny = [] }: Permissions): string {
  const list = (kind: string, names: readonly string[]) => names.map((name) => `--${kind}=${name}`);
  const rest = `and nothing else: no ${net.length ? "other address" : "network"}, no environment, no subprocess`;
  return [
    ...[...list("allow-read", read), ...list("allow-write", write), ...list("allow-net", net)],
    ...[...list("deny-read", deny), ...list("deny-write", deny), rest],
  ].join("\n");
}
