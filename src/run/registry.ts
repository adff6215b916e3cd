/**
 * The registry: every run that was begun, in one SQLite file that many processes write at once and the server reads. What a
 * run reports is a transaction of its own, so a process that is killed leaves all of it or nothing.
 *
 * A process that died cannot say so. A live run gives a sign of life every few seconds instead, and one that has been
 * silent for longer reads as interrupted; that needs no permission to look at other processes, and holds for a process in
 * another container too.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { PareError } from "../errors.ts";
import { inWords, type Mode, openDatabase, transact } from "./database.ts";
import type { LinearRecord, Manifest, PerplexityRecord, RunProgress, RunRecord, RunStatus } from "./record.ts";

/** Milliseconds between two signs of life. */
const HEARTBEAT = 5_000;

/** Milliseconds of silence after which a run counts as interrupted: several heartbeats, for a machine that is busy. */
const SILENCE = 6 * HEARTBEAT;

/** Milliseconds between two reports of progress that are kept: as often as an eye can use. */
const PROGRESS_INTERVAL = 250;

/** Runs of a page, unless asked otherwise. */
const PAGE = 50;

/** A linear without what is drawn: small enough for a page of all of them. */
export type LinearSummary = Omit<LinearRecord, "magnitudes" | "scores" | "density">;

/** Something that happened to a run. */
export type RunEvent =
  & {
    /** Grows from event to event, over all runs. */
    readonly id: number;
  }
  & (
    | { readonly kind: "status"; readonly data: { readonly status: RunStatus; readonly error?: string } }
    | { readonly kind: "progress"; readonly data: RunProgress }
    | { readonly kind: "linear"; readonly data: LinearSummary }
    | { readonly kind: "perplexity"; readonly data: PerplexityRecord }
  );

/** Which runs to list: those that agree with everything that is given. */
export interface RunFilter {
  /** The model's name in the plan. */
  readonly model?: string;
  readonly method?: string;
  /** Such as `2:4`; `unstructured` for runs without a pattern. */
  readonly pattern?: string;
  readonly status?: RunStatus;
  /** Where the page before ended: its `next`. */
  readonly cursor?: string;
  /** Runs on the page at most. Default 50. */
  readonly limit?: number;
}

/** How a registry is opened. */
export interface RegistryOptions {
  readonly mode: Mode;
  /** Milliseconds since 1970. Default: the system's clock. */
  readonly now?: () => number;
}

/** A row of `runs`, with what belongs to it from the other tables. */
interface RunRow {
  readonly seq: number;
  readonly id: string;
  readonly status: RunStatus;
  readonly started: number;
  readonly finished: number | null;
  readonly manifest: string;
  readonly out: string | null;
  readonly phases: string;
  readonly peak: number | null;
  readonly error: string | null;
  readonly perplexities: string;
  readonly progress: string | null;
}

/** A run's status as it reads at a time: nobody writes down the death of a process. */
const STATUS = "CASE WHEN status = 'running' AND alive_at < :now - :silence THEN 'interrupted' ELSE status END";

const RUNS = `
  SELECT * FROM (
    SELECT seq, id, ${STATUS} AS status, started_at AS started, manifest, out, phases, peak_bytes AS peak, error,
      plan, model, method, pattern, alive_at AS alive,
      CASE ${STATUS} WHEN 'running' THEN NULL ELSE coalesce(finished_at, alive_at) END AS finished,
      (SELECT json_group_array(json(record)) FROM (SELECT record FROM perplexities WHERE run = runs.seq ORDER BY seq)) AS perplexities,
      (SELECT data FROM events WHERE run = runs.seq AND kind = 'progress') AS progress
    FROM runs
  )`;

/** The runs of one file. Close it with `using`; a run that is still live then gives no more signs of life. */
export class Registry implements Disposable {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #now: () => number;
  readonly #statements = new Map<string, StatementSync>();
  /** The runs that this process carries out, and when the last progress of each was written and in which phase. */
  readonly #live = new Map<string, { written: number; phase: string }>();
  #heart?: ReturnType<typeof setInterval>;

  private constructor(path: string, database: DatabaseSync, now: () => number) {
    this.#path = path;
    this.#database = database;
    this.#now = now;
  }

  /**
   * Opens a registry; for writing, it is created if there is none.
   * @throws PareError if it does not exist (to read), is none, is damaged, comes from a newer Pare, or cannot be written.
   */
  static open(path: string, { mode, now = Date.now }: RegistryOptions): Registry {
    return new Registry(path, openDatabase(path, mode), now);
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    clearInterval(this.#heart);
    this.#database.close();
  }

  /**
   * A run begins.
   * @param out Where its result will stand.
   * @returns Its id: the plan's, with `-2`, `-3` … behind it where the same plan was run before.
   */
  begin(manifest: Manifest, out?: string): string {
    const id = this.#transact(() => {
      const before = this.#get(
        (row: { before: number }) => row.before,
        "SELECT count(*) AS before FROM runs WHERE plan = ?",
        manifest.planId,
      );
      const id = before ? `${manifest.planId}-${before + 1}` : manifest.planId;
      this.#run(
        "INSERT INTO runs (id, status, started_at, alive_at, manifest, out) VALUES (:id, 'running', :now, :now, :manifest, :out)",
        { id, now: this.#now(), manifest: JSON.stringify(manifest), out: out ?? null },
      );
      this.#tell(this.#seq(id), "status", { status: "running" });
      return id;
    });
    this.#live.set(id, { written: -Infinity, phase: "" });
    this.#beat();
    return id;
  }

  /** A run that failed or was interrupted goes on, in this process. What it reported before stays until it is reported anew. */
  resume(id: string): void {
    this.#transact(() => {
      const run = this.#seq(id);
      this.#run(
        "UPDATE runs SET status = 'running', finished_at = NULL, error = NULL, alive_at = ? WHERE seq = ?",
        this.#now(),
        run,
      );
      this.#tell(run, "status", { status: "running" });
    });
    this.#live.set(id, { written: -Infinity, phase: "" });
    this.#beat();
  }

  /** How far a run has come. May be called at any rate: what comes too fast to be watched is not written. */
  progress(id: string, progress: RunProgress): void {
    const last = this.#live.get(id), now = this.#now(), phase = `${progress.phase} ${progress.block}`;
    if (last && last.phase === phase && now - last.written < PROGRESS_INTERVAL) return;
    this.#live.set(id, { written: now, phase });
    this.#transact(() => {
      const run = this.#seq(id);
      this.#run("UPDATE runs SET alive_at = ? WHERE seq = ?", now, run);
      this.#tell(run, "progress", progress);
    });
  }

  /** A linear is done. One that was reported before (in a run that was resumed) is replaced. */
  linear(id: string, { magnitudes, scores, density, ...summary }: LinearRecord): void {
    this.#transact(() => {
      const run = this.#seq(id);
      this.#run(
        "INSERT OR REPLACE INTO linears (run, name, summary, plots) VALUES (?, ?, ?, ?)",
        ...[run, summary.name, JSON.stringify(summary), JSON.stringify({ magnitudes, scores, density })],
      );
      this.#tell(run, "linear", summary);
    });
  }

  /** A perplexity is known. One of the same label is replaced. */
  perplexity(id: string, record: PerplexityRecord): void {
    this.#transact(() => {
      const run = this.#seq(id);
      this.#run(
        "INSERT OR REPLACE INTO perplexities (run, label, record) VALUES (?, ?, ?)",
        ...[run, record.label, JSON.stringify(record)],
      );
      this.#tell(run, "perplexity", record);
    });
  }

  /** A run reached its end. */
  finish(id: string, { phases, peakBytes }: Pick<RunRecord, "phases" | "peakBytes">): void {
    this.#end(id, "finished", { phases: JSON.stringify(phases), peak: peakBytes ?? null });
  }

  /** A run ended before its end. */
  fail(id: string, status: "failed" | "interrupted", error?: string): void {
    this.#end(id, status, { error });
  }

  /**
   * The runs that agree with the filter, newest first.
   * @returns A page of them, and the cursor of the next page if there is one.
   * @throws PareError for a cursor that no page ended with.
   */
  list(filter: RunFilter = {}): { readonly runs: RunRecord[]; readonly next?: string } {
    const { model, method, pattern, status, cursor, limit = PAGE } = filter;
    if (cursor !== undefined && !/^[1-9]\d{0,14}$/.test(cursor)) {
      throw new PareError(`cursor ${JSON.stringify(cursor)}: expected the "next" of another page`);
    }
    const asked = Object.entries({ model, method, pattern, status }).filter((entry) => entry[1] !== undefined);
    const where = [...asked.map(([column]) => `${column} = :${column}`), "seq < :before"].join(" AND ");
    // One more than the page holds tells whether another one follows.
    const found = this.#all(readRow, `${RUNS} WHERE ${where} ORDER BY seq DESC LIMIT :count`, {
      ...this.#clock(),
      ...Object.fromEntries(asked),
      before: cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor),
      count: limit + 1,
    });
    const page = found.slice(0, limit);
    return { runs: page.map(({ run }) => run), ...found.length > limit && { next: String(page.at(-1)!.seq) } };
  }

  /** A run by its id; undefined if there is none. */
  get(id: string): RunRecord | undefined {
    return this.#get(readRow, `${RUNS} WHERE id = :id`, { ...this.#clock(), id })?.run;
  }

  /** The newest run that carried out this plan to its end; undefined if there is none. */
  finishedRun(planId: string): RunRecord | undefined {
    return this.#get(
      readRow,
      `${RUNS} WHERE plan = :planId AND status = 'finished' ORDER BY seq DESC LIMIT 1`,
      { ...this.#clock(), planId },
    )?.run;
  }

  /** A run's linears without histograms and maps, in the order in which they were done. */
  layers(id: string): LinearSummary[] {
    return this.#all(
      (row: { summary: string }): LinearSummary => parseStored(row.summary),
      "SELECT summary FROM linears WHERE run = (SELECT seq FROM runs WHERE id = ?) ORDER BY seq",
      id,
    );
  }

  /** All of one linear; undefined if the run has none of this name. */
  layer(id: string, name: string): LinearRecord | undefined {
    return this.#get(
      (row: { summary: string; plots: string }): LinearRecord => ({
        ...parseStored(row.summary),
        ...parseStored(row.plots),
      }),
      "SELECT summary, plots FROM linears WHERE run = (SELECT seq FROM runs WHERE id = ?) AND name = ?",
      ...[id, name],
    );
  }

  /**
   * What happened to a run after an event (0: from the beginning), in order. Of progress there is only the latest.
   * A run whose process died has no event that says so: `get` does.
   */
  events(id: string, after = 0): RunEvent[] {
    return this.#all(
      (row: { id: number; kind: RunEvent["kind"]; data: string }): RunEvent => ({
        ...row,
        data: parseStored(row.data),
      }),
      "SELECT id, kind, data FROM events WHERE run = (SELECT seq FROM runs WHERE id = ?) AND id > ? ORDER BY id",
      ...[id, after],
    );
  }

  /**
   * The id of the newest event of a run, or of any: 0 if there is none. What was read of a run stays true as long as this
   * does not change, but for its status.
   */
  newestEvent(id?: string): number {
    const [where, ...values] = id === undefined ? [""] : ["WHERE run = (SELECT seq FROM runs WHERE id = ?)", id];
    return this.#get(
      (row: { newest: number }) => row.newest,
      `SELECT coalesce(max(id), 0) AS newest FROM events ${where}`,
      ...values,
    )!;
  }

  #end(id: string, status: RunStatus, results: { phases?: string; peak?: number | null; error?: string }): void {
    const { phases = null, peak = null, error } = results;
    this.#transact(() => {
      const run = this.#seq(id);
      this.#run(
        `UPDATE runs SET status = :status, finished_at = :now, alive_at = :now, phases = coalesce(:phases, phases),
          peak_bytes = coalesce(:peak, peak_bytes), error = :error WHERE seq = :run`,
        { status, now: this.#now(), phases, peak, error: error ?? null, run },
      );
      this.#tell(run, "status", { status, error });
    });
    this.#live.delete(id);
    this.#beat();
  }

  /** Gives signs of life as long as this process has runs. The timer keeps no process from its end. */
  #beat(): void {
    if (!this.#live.size) {
      clearInterval(this.#heart);
      this.#heart = undefined;
    } else if (this.#heart === undefined) {
      this.#heart = setInterval(() => {
        try {
          for (const id of this.#live.keys()) this.#run("UPDATE runs SET alive_at = ? WHERE id = ?", this.#now(), id);
        } catch {
          // No reason to end a run from a timer: what keeps the registry from this keeps it from the next result, too.
        }
      }, HEARTBEAT);
      Deno.unrefTimer(this.#heart as unknown as number);
    }
  }

  /** Appends to the log. Progress takes the place of the progress before it, under a new id. */
  #tell(run: number, kind: RunEvent["kind"], data: unknown): void {
    this.#run("INSERT OR REPLACE INTO events (run, kind, data) VALUES (?, ?, ?)", run, kind, JSON.stringify(data));
  }

  #seq(id: string): number {
    const seq = this.#get((row: { seq: number }) => row.seq, "SELECT seq FROM runs WHERE id = ?", id);
    if (seq === undefined) throw new PareError(`the registry of runs ${this.#path} has no run ${JSON.stringify(id)}`);
    return seq;
  }

  #clock(): { now: number; silence: number } {
    return { now: this.#now(), silence: SILENCE };
  }

  #transact<T>(act: () => T): T {
    return inWords(this.#path, () => transact(this.#database, act));
  }

  #run(sql: string, ...values: Values): void {
    inWords(this.#path, () => this.#statement(sql).run(...values as []));
  }

  /** The first row as `read` understands it: a row that it cannot read is a damaged file. */
  #get<Row, T>(read: (row: Row) => T, sql: string, ...values: Values): T | undefined {
    return inWords(this.#path, () => {
      const row = this.#statement(sql).get(...values as []) as Row | undefined;
      return row && read(row);
    });
  }

  #all<Row, T>(read: (row: Row) => T, sql: string, ...values: Values): T[] {
    return inWords(this.#path, () => (this.#statement(sql).all(...values as []) as Row[]).map(read));
  }

  /** Every statement is prepared once. */
  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, known);
    return known;
  }
}

/** What a statement's parameters take: by name, or in order. */
type Values = (string | number | null | Record<string, string | number | null>)[];

/** The JSON of a column: always an object or a list. */
function parseStored(text: string): ReturnType<typeof JSON.parse> {
  const value = JSON.parse(text);
  if (typeof value !== "object" || value === null) throw new SyntaxError("a column without its object");
  return value;
}

/** A run, and its place in the order of the list. */
function readRow(row: RunRow): { readonly seq: number; readonly run: RunRecord } {
  const run = {
    id: row.id,
    status: row.status,
    startedAt: new Date(row.started).toISOString(),
    ...row.finished !== null && { finishedAt: new Date(row.finished).toISOString() },
    manifest: parseStored(row.manifest),
    ...row.out !== null && { out: row.out },
    perplexities: parseStored(row.perplexities),
    phases: parseStored(row.phases),
    ...row.peak !== null && { peakBytes: row.peak },
    ...row.error !== null && { error: row.error },
    ...row.progress !== null && { progress: parseStored(row.progress) },
  };
  return { seq: row.seq, run };
}
