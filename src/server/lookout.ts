/**
 * One pair of eyes for all who listen. SQLite tells no other process that a row was written; the log is asked instead, a few
 * times a second, and by its newest id alone. Only a run of which something new is there is read, once, however many listen:
 * what they are told is one text.
 */
import type { RunStatus } from "../run/record.ts";
import { requireRun, type Source } from "./source.ts";
import { toldElsewhere } from "../errors.ts";

/** Milliseconds between two looks at the log: a quarter of a second is soon enough for an eye. */
const LOG_POLL_INTERVAL_MS = 250;

/** Milliseconds between two looks at the status of a run that says nothing: its process may have died. */
const STATUS_POLL_INTERVAL_MS = 5000;

/** Listeners at most: every one has a connection, and a process may have a thousand open files on most systems. */
const LISTENERS = 512;

/** What is told of a run. */
export interface Told {
  /** What happened, as server-sent events. */
  readonly text: string;
  /** The id of the last event in it, or of the one that was asked for. */
  readonly last: number;
  /** The run's status before that was read. */
  readonly status: RunStatus;
}

/** A run that somebody listens to. */
interface Watched {
  readonly listeners: Set<Listener>;
  /** The id of its newest event at the last look. */
  newest: number;
  status: RunStatus;
  /** What was told last, and after which event: most listeners have seen the same. */
  told?: Told & { readonly after: number };
}

/** Looks at the log while somebody listens. */
export class Lookout {
  readonly #runs = new Map<string, Watched>();
  readonly #source: Source;
  readonly #look: number;
  readonly #most: number;
  #timer?: ReturnType<typeof setInterval>;
  #listeners = 0;
  #newest = 0;
  #lookedForDeath = 0;

  /** @param look Milliseconds between two looks. @param most Listeners at most. */
  constructor(source: Source, look: number = LOG_POLL_INTERVAL_MS, most: number = LISTENERS) {
    this.#source = source;
    this.#look = look;
    this.#most = most;
  }

  /** Whether there are as many listeners as there may be. */
  get full(): boolean {
    return this.#listeners >= this.#most;
  }

  /** Listens to a run, until disposed. @throws HTTPException 404 if there is none. */
  listen(id: string): Listener {
    const run = this.#runs.get(id) ??
      { listeners: new Set(), newest: this.#source.newestEvent(id), status: requireRun(this.#source, id).status };
    const listener = new Listener(
      (after) => this.#tell(id, run, after),
      () => {
        if (!run.listeners.delete(listener)) return;
        this.#listeners--;
        if (!run.listeners.size) this.#runs.delete(id);
        if (!this.#runs.size) clearInterval(this.#timer);
      },
    );
    if (!this.#runs.size) this.#timer = setInterval(() => this.#lookAtAll(), this.#look);
    this.#runs.set(id, run);
    run.listeners.add(listener);
    this.#listeners++;
    return listener;
  }

  #tell(id: string, run: Watched, after: number): Told {
    if (run.told?.after === after) return run.told;
    // The status was read before: what happened until the run had it is in the log that is read now.
    const { status } = run, events = this.#source.events(id, after);
    const text = events.map(({ id, kind, data }) => `event: ${kind}\ndata: ${JSON.stringify(data)}\nid: ${id}\n\n`);
    run.told = { after, text: text.join(""), last: events.at(-1)?.id ?? after, status };
    return run.told;
  }

  #lookAtAll(): void {
    let forDeath: boolean;
    try {
      const newest = this.#source.newestEvent(), now = performance.now();
      forDeath = now - this.#lookedForDeath >= STATUS_POLL_INTERVAL_MS;
      if (newest === this.#newest && !forDeath) return;
      this.#newest = newest;
      if (forDeath) this.#lookedForDeath = now;
    } catch (error) {
      return this.#fail(this.#runs.values(), error);
    }
    for (const [id, run] of this.#runs) {
      try {
        this.#lookAt(id, run, forDeath);
      } catch (error) {
        this.#fail([run], error);
      }
    }
  }

  /** Tells listeners why they hear no more: the registry cannot be read, or the run was removed from it. */
  #fail(runs: Iterable<Watched>, error: unknown): void {
    for (const { listeners } of runs) for (const listener of listeners) listener.fail(error);
  }

  #lookAt(id: string, run: Watched, forDeath: boolean): void {
    const newest = this.#source.newestEvent(id);
    if (newest === run.newest && !forDeath) return;
    const { status } = requireRun(this.#source, id);
    if (newest === run.newest && status === run.status) return;
    Object.assign(run, { newest, status, told: undefined });
    for (const listener of run.listeners) listener.wake();
  }
}

/** Someone who listens to a run. */
export class Listener implements Disposable {
  /** What happened to the run after an event (0: from the beginning). @throws what the registry does. */
  readonly after: (id: number) => Told;
  readonly #end: () => void;
  #news = Promise.withResolvers<void>();

  /** A {@linkcode Lookout} makes it. */
  constructor(after: (id: number) => Told, end: () => void) {
    this.after = after;
    this.#end = end;
  }

  /** Something happened. */
  wake(): void {
    this.#news.resolve();
  }

  /** Nothing can be read any more. */
  fail(error: unknown): void {
    this.#news.reject(error);
    // Whoever is busy hears of it when it waits next; until then it is nobody's.
    toldElsewhere(this.#news.promise);
  }

  /**
   * Waits until something happens, or has happened since it last waited.
   * @returns False if nothing did for so many milliseconds.
   * @throws what the registry does.
   */
  async news(milliseconds: number): Promise<boolean> {
    const silence = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => silence.resolve(false), milliseconds);
    try {
      const heard = await Promise.race([this.#news.promise.then(() => true), silence.promise]);
      if (heard) this.#news = Promise.withResolvers();
      return heard;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Listens no more. */
  [Symbol.dispose](): void {
    this.#end();
  }
}
