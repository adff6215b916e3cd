/**
 * What the ranks of one run give each other: named bytes in a directory that all of them see, which every cluster has, or under
 * a prefix of a bucket (`meeting.ts`). An item comes to its name whole, is what it was ever after, and is waited for; so a
 * rank may die at any moment, be started again, and find what it and the others had done. There is no protocol beside that,
 * and no daemon.
 *
 * ```text
 *   rank-R.json   which plan a rank works on, and a number that grows while it lives
 *   rank-R.lock   held by the rank's process, in a directory
 *   done          the plan that was done last
 *   PLAN/…        items
 * ```
 *
 * No clock is compared with another machine's: whether a rank lives is seen by its number growing.
 */
import { sha256 } from "../checkpoint/sha256.ts";
import { PareError, toldElsewhere } from "../errors.ts";
import { BEAT_MS, type MeetingPlace } from "./meeting.ts";

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
  /** Where they meet. */
  readonly place: MeetingPlace;
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
export class Exchange implements AsyncDisposable {
  #beat = 0;
  #heart?: ReturnType<typeof setInterval>;
  /** A sign of life that is being given. */
  #giving: Promise<void> = Promise.resolve();
  /** By rank: its last sign, and when it was seen first. */
  readonly #seen = new Map<number, { text: string; since: number }>();

  private constructor(private readonly options: ExchangeOptions, private readonly seat: AsyncDisposable) {}

  /** Says that this rank takes part, from now on. */
  async #begin(): Promise<void> {
    await this.#live();
    this.#heart = setInterval(() => {
      this.#giving = this.#live().catch((error) => {
        if (!(error instanceof PareError)) throw error;
        // What keeps it from this keeps it from the next item, too.
      });
    }, BEAT_MS);
    Deno.unrefTimer(this.#heart as unknown as number);
  }

  /**
   * Takes part in a run.
   * @throws PareError if another process is this rank, another rank has another plan, or nothing can be written there.
   */
  static async open(options: ExchangeOptions): Promise<Exchange> {
    const { place, rank, ranks } = options;
    await using held = new AsyncDisposableStack();
    const exchange = new Exchange(options, held.use(await place.take(signName(rank), rank)));
    // Whoever does not belong to the others is not to be seen by them.
    for (let other = 0; other < ranks; other++) if (other !== rank) await exchange.#look(other);
    await exchange.#begin();
    held.move();
    return exchange;
  }

  /** The plan that was done last at a place; undefined if none was. */
  static async done(place: MeetingPlace): Promise<string | undefined> {
    return textOf(await place.read("done"));
  }

  /** Whether an item is there. */
  has(name: string): Promise<boolean> {
    return this.options.place.has(this.#path(name));
  }

  /** Gives an item to all; one that is there already is replaced by the same. */
  async put(name: string, ...parts: readonly Uint8Array[]): Promise<void> {
    const bytes = concatenate(parts), { place, rank } = this.options;
    await place.write(this.#path(name), concatenate([new TextEncoder().encode(sha256(bytes)), bytes]), rank);
  }

  /**
   * An item, waited for.
   * @param from The rank that gives it.
   * @param failed Ends the waiting with what it was aborted for.
   * @throws PareError naming that rank, if it gives no sign of life for too long; or if the item is damaged.
   */
  async get(name: string, from: number, failed?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const path = this.#path(name), { signal, patience = DEFAULT_PATIENCE_S, place, ranks } = this.options;
    for (let wait = FIRST_LOOK_MS, since = performance.now();; wait = Math.min(2 * wait, LONGEST_LOOK_MS)) {
      signal?.throwIfAborted();
      failed?.throwIfAborted();
      const found = await place.read(path);
      if (found) {
        const bytes = new Uint8Array(found.subarray(64));
        if (sha256(bytes) === textOf(found.subarray(0, 64))) return bytes;
        throw new PareError(`${place.locate(path)} is damaged: remove it, and start rank ${from} again`);
      }
      const alive = await this.#look(from) ?? since;
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

  /** Removes an item that nobody will ask for. */
  drop(name: string): Promise<void> {
    return this.options.place.remove(this.#path(name));
  }

  /** The run is done: nothing of it stays but that. */
  async finish(): Promise<void> {
    const { place, plan, rank } = this.options;
    await place.write("done", new TextEncoder().encode(plan), rank);
    await place.removeAll(plan);
  }

  #path(name: string): string {
    return `${this.options.plan}/${name}`;
  }

  async #live(): Promise<void> {
    const { plan, ranks, rank, place } = this.options;
    const sign: Sign = { plan, ranks, beat: ++this.#beat };
    await place.write(signName(rank), new TextEncoder().encode(JSON.stringify(sign)), rank);
  }

  /**
   * Looks at another rank.
   * @returns When its last sign of life was seen, by this process's own clock.
   * @throws PareError if it is at work on something else.
   */
  async #look(rank: number): Promise<number | undefined> {
    const { plan, ranks, place } = this.options, text = textOf(await place.read(signName(rank)));
    if (text === undefined) return this.#seen.get(rank)?.since;
    const known = this.#seen.get(rank);
    if (known?.text === text) return known.since;
    const sign = parseSign(text);
    if (sign && (sign.plan !== plan || sign.ranks !== ranks)) {
      const found = sign.plan === plan ? `${sign.ranks} ranks, here ${ranks}` : `plan ${sign.plan}, here plan ${plan}`;
      throw new PareError(
        `rank ${rank} in ${place.path} has ${found}: expected one command for all ranks; empty the directory if that run is over`,
      );
    }
    const since = performance.now();
    this.#seen.set(rank, { text, since });
    return since;
  }

  /** The rank takes part no longer. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#heart);
    await this.#giving;
    await this.options.place.remove(signName(this.options.rank));
    await this.seat[Symbol.asyncDispose]();
  }
}

/** Items that are on their way at once, and their bytes at most: a bucket's round trips are hidden, and memory is not filled. */
const ITEMS_AT_ONCE = 8, BYTES_AT_ONCE = 32 << 20;

/**
 * What comes of each of these, in their order, while the next ones are on their way; for the first one they wait, which may
 * be waited for itself.
 * @param bytes Of the largest of what comes.
 */
export async function* inTurn<T, R>(all: readonly T[], bytes: number, act: (one: T) => Promise<R>): AsyncGenerator<R> {
  const width = Math.max(1, Math.min(ITEMS_AT_ONCE, Math.floor(BYTES_AT_ONCE / bytes)));
  const begun: Promise<R>[] = [];
  for (let at = 0, next = 0; at < all.length; at++) {
    const enough = Math.min(all.length, at === 0 ? 1 : at + width);
    while (next < enough) begun.push(toldElsewhere(act(all[next++])));
    yield await begun.shift()!;
  }
}

const signName = (rank: number) => `rank-${rank}.json`;

function parseSign(text: string): Sign | undefined {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined; // it is being written, on a file system that shows that
    throw error;
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
