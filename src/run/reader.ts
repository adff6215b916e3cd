/**
 * What can be asked of a registry: pages of runs, a run, what happened to it since. Nothing here writes.
 *
 * A process that died cannot say so. A live run gives a sign of life every few seconds instead, and one that has been
 * silent for longer reads as interrupted; that needs no permission to look at other processes, and holds for a process in
 * another container too.
 */
import { PareError } from "../errors.ts";
import type { RunLabels } from "./labels.ts";
import type {
  CurvePoint,
  LinearRecord,
  PerplexityRecord,
  RunProgress,
  RunRecord,
  RunStatus,
  TaskRecord,
} from "./record.ts";
import { parseStored, type Statements } from "./statements.ts";

/** Milliseconds between two signs of life. */
export const HEARTBEAT_MS = 5_000;

/** Milliseconds of silence after which a run counts as interrupted: several heartbeats, for a machine that is busy. */
const SILENCE_MS = 6 * HEARTBEAT_MS;

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
    | { readonly kind: "curve"; readonly data: CurvePoint }
    | { readonly kind: "perplexity"; readonly data: PerplexityRecord }
    | { readonly kind: "task"; readonly data: TaskRecord }
    | { readonly kind: "labels"; readonly data: RunLabels }
  );

/** Which runs to list: those that agree with everything that is given. */
export interface RunFilter {
  /** The model's name in the plan. */
  readonly model?: string;
  /** The method's name in the plan. */
  readonly method?: string;
  /** Such as `2:4`; `unstructured` for runs without a pattern. */
  readonly pattern?: string;
  /** As it reads now. */
  readonly status?: RunStatus;
  /** What a person calls it. */
  readonly name?: string;
  /** One of its tags. */
  readonly tag?: string;
  /** Where the page before ended: its `next`. */
  readonly cursor?: string;
  /** Runs on the page at most. Default 50. */
  readonly limit?: number;
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
  readonly name: string | null;
  readonly note: string | null;
  readonly tags: string;
  readonly perplexities: string;
  readonly tasks: string;
  readonly progress: string | null;
  readonly ratios: string | null;
  readonly texts: string | null;
}

/** A run's status as it reads at a time: nobody writes down the death of a process. */
const STATUS = "CASE WHEN status = 'running' AND alive_at < :now - :silence THEN 'interrupted' ELSE status END";

const RUNS = `
  SELECT * FROM (
    SELECT seq, id, ${STATUS} AS status, started_at AS started, manifest, out, phases, peak_bytes AS peak, error, ratios, texts,
      plan, model, method, pattern, alive_at AS alive, name, note,
      (SELECT json_group_array(tag) FROM (SELECT tag FROM tags WHERE run = runs.seq ORDER BY tag)) AS tags,
      CASE ${STATUS} WHEN 'running' THEN NULL ELSE coalesce(finished_at, alive_at) END AS finished,
      (SELECT json_group_array(json(record)) FROM (SELECT record FROM perplexities WHERE run = runs.seq ORDER BY seq)) AS perplexities,
      (SELECT json_group_array(json(record)) FROM (SELECT record FROM tasks WHERE run = runs.seq ORDER BY seq)) AS tasks,
      (SELECT data FROM events WHERE run = runs.seq AND kind = 'progress') AS progress
    FROM runs
  )`;

/** A run has a tag. */
const TAGGED = "EXISTS (SELECT 1 FROM tags WHERE tags.run = seq AND tags.tag = :tag)";

/** Characters of an id that name a run, if no other begins with them: as few as Git takes of a commit's. */
const SHORTEST_PREFIX = 4;

/** The runs of an open file, to look at. */
export class RunReader {
  /** The file. */
  protected readonly file: Statements;
  /** Milliseconds since 1970. */
  protected now: () => number;

  /** A registry makes one of an open file. */
  protected constructor(file: Statements, now: () => number) {
    this.file = file;
    this.now = now;
  }

  /**
   * The runs that agree with the filter, newest first.
   * @returns A page of them, and the cursor of the next page if there is one.
   * @throws PareError for a cursor that no page ended with.
   */
  list(filter: RunFilter = {}): { readonly runs: RunRecord[]; readonly next?: string } {
    const { model, method, pattern, status, name, tag, cursor, limit = PAGE } = filter;
    if (cursor !== undefined && !/^[1-9]\d{0,14}$/.test(cursor)) {
      throw new PareError(`cursor ${JSON.stringify(cursor)}: expected the "next" of another page`);
    }
    const asked = Object.entries({ model, method, pattern, status, name, tag }).filter((entry) =>
      entry[1] !== undefined
    );
    const where = [...asked.map(([column]) => column === "tag" ? TAGGED : `${column} = :${column}`), "seq < :before"]
      .join(" AND ");
    // One more than the page holds tells whether another one follows.
    const found = this.file.all(readRow, `${RUNS} WHERE ${where} ORDER BY seq DESC LIMIT :count`, {
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
    return this.file.get(readRow, `${RUNS} WHERE id = :id`, { ...this.#clock(), id })?.run;
  }

  /**
   * The run that a person means by an id, the beginning of one, or a name; undefined if there is none.
   * @throws PareError if there are several.
   */
  search(reference: string): RunRecord | undefined {
    const exact = this.get(reference);
    if (exact) return exact;
    const named = this.list({ name: reference }).runs;
    const runs = named.length || reference.length < SHORTEST_PREFIX ? named : this.file.all(
      readRow,
      `${RUNS} WHERE substr(id, 1, length(:reference)) = :reference ORDER BY seq DESC LIMIT :count`,
      { ...this.#clock(), reference, count: PAGE },
    ).map(({ run }) => run);
    if (runs.length < 2) return runs[0];
    const ids = runs.map(({ id }) => id).join(", ");
    throw new PareError(`${JSON.stringify(reference)} means ${runs.length} runs: ${ids}; expected one of them`);
  }

  /** The same. @throws PareError if there is none, too. */
  find(reference: string): RunRecord {
    const found = this.search(reference);
    if (found) return found;
    const what = `no run ${JSON.stringify(reference)}; pare runs list shows all`;
    throw new PareError(`the registry of runs ${this.file.path} has ${what}`);
  }

  /** The newest run that carried out this plan to its end; undefined if there is none. */
  finishedRun(planId: string): RunRecord | undefined {
    return this.file.get(
      readRow,
      `${RUNS} WHERE plan = :planId AND status = 'finished' ORDER BY seq DESC LIMIT 1`,
      { ...this.#clock(), planId },
    )?.run;
  }

  /** The newest run that began this plan for this output and did not come to its end; undefined if there is none. */
  unfinishedRun(planId: string, out: string): RunRecord | undefined {
    return this.file.get(
      readRow,
      `${RUNS} WHERE plan = :planId AND out = :out AND status <> 'finished' ORDER BY seq DESC LIMIT 1`,
      { ...this.#clock(), planId, out },
    )?.run;
  }

  /**
   * What happened to a run after an event (0: from the beginning), in order. Of progress there is only the latest.
   * A run whose process died has no event that says so: `get` does.
   */
  events(id: string, after = 0): RunEvent[] {
    return this.file.all(
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
    return this.file.get(
      (row: { newest: number }) => row.newest,
      `SELECT coalesce(max(id), 0) AS newest FROM events ${where}`,
      ...values,
    )!;
  }

  #clock(): { now: number; silence: number } {
    return { now: this.now(), silence: SILENCE_MS };
  }
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
    tasks: parseStored(row.tasks),
    ...row.ratios !== null && { ratios: parseStored(row.ratios) },
    ...row.texts !== null && { texts: parseStored(row.texts) },
    phases: parseStored(row.phases),
    ...row.peak !== null && { peakBytes: row.peak },
    ...row.error !== null && { error: row.error },
    ...row.name !== null && { name: row.name },
    tags: parseStored(row.tags),
    ...row.note !== null && { note: row.note },
    ...row.progress !== null && { progress: parseStored(row.progress) },
  };
  return { seq: row.seq, run };
}
