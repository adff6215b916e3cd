/**
 * What the ranks of one run give each other: named bytes in a directory that all of them see, which every cluster has. An item
 * comes to its name whole, is what it was ever after, and is waited for; so a rank may die at any moment, be started again, and
 * find what it and the others had done. There is no protocol beside that, and no daemon.
 *
 * ```text
 *   rank-R.json   which plan a rank works on, and a number that grows while it lives
 *   rank-R.lock   held by the rank's process
 *   done          the plan that was done last
 *   PLAN/…        items
 * ```
 *
 * No clock is compared with another machine's: whether a rank lives is seen by its number growing.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ABSENT, insteadOf, isExpected, PareError } from "../errors.ts";
import { sha256 } from "../checkpoint/sha256.ts";

/** Milliseconds between two signs of life. */
const BEAT_MS = 5_000;

/** Milliseconds between two looks at what is waited for, from the first on; a network file system is not to be pestered. */
const FIRST_LOOK_MS = 20, LONGEST_LOOK_MS = 1_000;

/** Seconds without a sign of life after which a rank is given up. A rank that is started again by a scheduler takes minutes. */
export const DEFAULT_PATIENCE_S = 600;

/** Who takes part. */
export interface Ranks {
  /** This one, from 0. */
  readonly rank: number;
  /** How many. */
  readonly ranks: number;
}

/** How to take part. */
export interface ExchangeOptions extends Ranks {
  /** The directory, which must be there. */
  readonly directory: string;
  /** The plan's id: all ranks must have the same. */
  readonly plan: string;
  /** Seconds without a sign of life after which another rank is given up. */
  readonly patience?: number;
  /** Ends all waiting. */
  readonly signal?: AbortSignal;
}

/** What a rank says of itself. */
interface Sign {
  readonly plan: string;
  readonly ranks: number;
  readonly beat: number;
}

/** See the file's head. */
export class Exchange implements Disposable {
  #beat = 0;
  #heart?: ReturnType<typeof setInterval>;
  /** By rank: its last sign, and when it was seen first. */
  readonly #seen = new Map<number, { text: string; since: number }>();

  private constructor(private readonly options: ExchangeOptions, private readonly lock: Deno.FsFile) {}

  /** Says that this rank takes part, from now on. */
  #begin(): void {
    this.#live();
    this.#heart = setInterval(() => {
      try {
        this.#live();
      } catch (error) {
        if (!(error instanceof PareError)) throw error;
        // What keeps it from this keeps it from the next item, too.
      }
    }, BEAT_MS);
    Deno.unrefTimer(this.#heart as unknown as number);
  }

  /**
   * Takes part in a run.
   * @throws PareError if another process is this rank, another rank has another plan, or the directory cannot be written.
   */
  static open(options: ExchangeOptions): Exchange {
    const { directory, rank, plan } = options;
    return inWords(directory, () => {
      const lock = Deno.openSync(join(directory, `rank-${rank}.lock`), { write: true, create: true });
      try {
        if (!lock.tryLockSync(true)) throw new PareError(`rank ${rank} is at work in ${directory} already`);
        const exchange = new Exchange(options, lock);
        // Whoever does not belong to the others is not to be seen by them.
        for (let other = 0; other < options.ranks; other++) if (other !== rank) exchange.#look(other);
        mkdirSync(join(directory, plan), { recursive: true });
        exchange.#begin();
        return exchange;
      } catch (error) {
        lock.close();
        throw error;
      }
    });
  }

  /** The plan that was done last in a directory; undefined if none was. */
  static done(directory: string): string | undefined {
    return inWords(directory, () => textOf(read(join(directory, "done"))));
  }

  /** Whether an item is there. */
  has(name: string): boolean {
    return inWords(this.options.directory, () => statSync(this.#path(name), { throwIfNoEntry: false }) !== undefined);
  }

  /** Gives an item to all; one that is there already is replaced by the same. */
  put(name: string, ...parts: readonly Uint8Array[]): void {
    const path = this.#path(name), bytes = concatenate(parts);
    inWords(this.options.directory, () => {
      mkdirSync(dirname(path), { recursive: true });
      this.#write(path, concatenate([new TextEncoder().encode(sha256(bytes)), bytes]));
    });
  }

  /**
   * An item, waited for.
   * @param from The rank that gives it.
   * @throws PareError naming that rank, if it gives no sign of life for too long; or if the item is damaged.
   */
  async get(name: string, from: number): Promise<Uint8Array<ArrayBuffer>> {
    const path = this.#path(name), { signal, patience = DEFAULT_PATIENCE_S, directory, ranks } = this.options;
    for (let wait = FIRST_LOOK_MS, since = performance.now();; wait = Math.min(2 * wait, LONGEST_LOOK_MS)) {
      signal?.throwIfAborted();
      const found = inWords(directory, () => read(path));
      if (found) {
        const bytes = new Uint8Array(found.subarray(64));
        if (sha256(bytes) === textOf(found.subarray(0, 64))) return bytes;
        throw new PareError(`${path} is damaged: remove it, and start rank ${from} again`);
      }
      const alive = inWords(directory, () => this.#look(from)) ?? since;
      if (performance.now() - Math.max(alive, since) > patience * 1000) {
        const what = this.#seen.has(from) ? "has given no sign of life" : "has not come";
        throw new PareError(
          `rank ${from} of ${ranks} ${what} for ${patience} s, and ${name} is waited for: start it again; ` +
            "then this one goes on with --resume, or as it was begun",
        );
      }
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }

  /** Removes items that nobody will ask for. */
  drop(name: string): void {
    rmSync(this.#path(name), { force: true, recursive: true });
  }

  /** The run is done: nothing of it stays but that. */
  finish(): void {
    const { directory, plan } = this.options;
    inWords(directory, () => {
      this.#write(join(directory, "done"), new TextEncoder().encode(plan));
      rmSync(join(directory, plan), { force: true, recursive: true });
    });
  }

  #path(name: string): string {
    return join(this.options.directory, this.options.plan, name);
  }

  #write(path: string, bytes: Uint8Array): void {
    const passing = `${path}.rank-${this.options.rank}`;
    writeFileSync(passing, bytes);
    renameSync(passing, path);
  }

  #sign(rank: number): string {
    return join(this.options.directory, `rank-${rank}.json`);
  }

  #live(): void {
    const { plan, ranks, rank, directory } = this.options;
    const sign: Sign = { plan, ranks, beat: ++this.#beat };
    inWords(directory, () => this.#write(this.#sign(rank), new TextEncoder().encode(JSON.stringify(sign))));
  }

  /**
   * Looks at another rank.
   * @returns When its last sign of life was seen, by this process's own clock.
   * @throws PareError if it is at work on something else.
   */
  #look(rank: number): number | undefined {
    const { plan, ranks, directory } = this.options, text = textOf(read(this.#sign(rank)));
    if (text === undefined) return this.#seen.get(rank)?.since;
    const known = this.#seen.get(rank);
    if (known?.text === text) return known.since;
    const sign = parseSign(text);
    if (sign && (sign.plan !== plan || sign.ranks !== ranks)) {
      const found = sign.plan === plan ? `${sign.ranks} ranks, here ${ranks}` : `plan ${sign.plan}, here plan ${plan}`;
      throw new PareError(
        `rank ${rank} in ${directory} has ${found}: expected one command for all ranks; empty the directory if that run is over`,
      );
    }
    const since = performance.now();
    this.#seen.set(rank, { text, since });
    return since;
  }

  /** The rank takes part no longer. */
  [Symbol.dispose](): void {
    clearInterval(this.#heart);
    rmSync(this.#sign(this.options.rank), { force: true });
    this.lock.close();
  }
}

function parseSign(text: string): Sign | undefined {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined; // it is being written, on a file system that shows that
    throw error;
  }
}

/** A file's bytes; undefined if it is not there. */
function read(path: string): Uint8Array | undefined {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (error) {
    return insteadOf<undefined>(ABSENT, undefined)(error);
  }
}

function textOf(bytes: Uint8Array): string;
function textOf(bytes: Uint8Array | undefined): string | undefined;
function textOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes && new TextDecoder().decode(bytes);
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** What the system says, as a user can mend it. */
function inWords<T>(directory: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof PareError) throw error;
    const { code } = Object(error) as { code?: string };
    if (code === undefined && !isExpected(error, [Deno.errors.PermissionDenied, Deno.errors.NotFound])) throw error;
    throw new PareError(`--exchange ${directory}: ${code ?? (error as Error).message}`, { cause: error });
  }
}
