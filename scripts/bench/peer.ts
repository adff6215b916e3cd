/**
 * Other software, each in a process of its own that answers questions: a line of JSON in, a line of JSON out. So a peer
 * brings its own runtime, its packages are in nobody's imports, and it can be measured in turn with Pare. Its first line
 * is a greeting: `{"name": "…"}`, or `{"missing": "…"}` where it cannot run here. The programs are in `tests/peers`.
 */
import { peakMemory } from "../../src/cli/terminal.ts";
import { insteadOf } from "../../src/errors.ts";

const PEERS = new URL("../../tests/peers/", import.meta.url);

/** The Python that has PyTorch, where it is not the system's. */
const PYTHON = Deno.env.get("PARE_PYTHON") ?? "python3";

/** Hears what a program says beside its answers, and which process it is. */
type Watch = (text: string, pid: number) => void;

async function follow({ stderr, pid }: Deno.ChildProcess, watch: Watch): Promise<void> {
  for await (const text of stderr.pipeThrough(new TextDecoderStream())) watch(text, pid);
}

/** A program that waits for questions. */
export class Peer implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<string>;
  readonly #watched?: Promise<void>;
  #rest = "";
  /** What it calls itself, version included. */
  name = "";
  /** How many threads it computes on, where it is not all cores. */
  threads?: number;

  private constructor(
    command: string,
    { args, env, watch }: { readonly args: string[]; readonly env: Record<string, string>; readonly watch?: Watch },
  ) {
    const stderr = watch ? "piped" : "null";
    this.#child = new Deno.Command(command, { args, env, stdin: "piped", stdout: "piped", stderr }).spawn();
    this.#watched = watch && follow(this.#child, watch);
    this.#writer = this.#child.stdin.getWriter();
    this.#reader = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /**
   * Starts a program of `tests/peers`, or tells by `note` why there is none.
   * @param watch Given what it says on stderr, as it comes.
   */
  static async start(
    file: string,
    args: string[],
    note: (line: string) => void,
    watch?: Watch,
  ): Promise<Peer | undefined> {
    const path = new URL(file, PEERS).pathname;
    let peer: Peer | undefined;
    try {
      // Threads of Python's libraries are all cores, as Pare's workers are.
      peer = file.endsWith(".py")
        ? new Peer(PYTHON, { args: [path, ...args], env: { PYTHONDONTWRITEBYTECODE: "1" }, watch })
        // Neither the lock file nor the imports of Pare know of peers.
        : new Peer(Deno.execPath(), {
          args: ["run", "--allow-all", "--no-lock", "--no-config", "--quiet", path, ...args],
          env: {},
          watch,
        });
      const { missing, ...greeting } = await peer.#answer<{ name: string; threads?: number; missing?: string }>();
      if (missing) throw new Error(missing);
      return Object.assign(peer, greeting);
    } catch (error) {
      await peer?.[Symbol.asyncDispose]();
      note(`${file} ${args.join(" ")}`.trimEnd() + ` is left out: ${(error as Error).message}`);
    }
  }

  /** The most memory that it has held, where the system tells; what it started itself is not in it. */
  get peakBytes(): number | undefined {
    return peakMemory(this.#child.pid) || undefined;
  }

  /** One question, one answer. */
  async ask<T>(question: Record<string, unknown>): Promise<T> {
    await this.#writer.write(new TextEncoder().encode(`${JSON.stringify(question)}\n`));
    return await this.#answer<T>();
  }

  async #answer<T>(): Promise<T> {
    for (;;) {
      const end = this.#rest.indexOf("\n");
      if (end >= 0) {
        const line = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 1);
        // Libraries print notices of their own.
        if (line.startsWith("{")) return JSON.parse(line);
        continue;
      }
      const { value, done } = await this.#reader.read();
      if (done) throw new Error("it ended without an answer");
      this.#rest += value;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A child that has ended has closed its input already.
    await this.#writer.close().catch(insteadOf([TypeError, Deno.errors.BrokenPipe], undefined));
    await this.#reader.cancel();
    await this.#watched;
    await this.#child.status;
  }
}

/** Starts several; those that cannot run here are told by `note` and left out. `stack` ends them. */
export async function startPeers(
  programs: readonly (readonly [file: string, ...args: string[]])[],
  note: (line: string) => void,
  stack: AsyncDisposableStack,
): Promise<Peer[]> {
  const peers = [];
  for (const [file, ...args] of programs) {
    const peer = await Peer.start(file, args, note);
    if (peer) peers.push(stack.use(peer));
  }
  return peers;
}
