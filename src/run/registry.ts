/**
 * The registry: every run that was begun, in one SQLite file that many processes write at once and the server reads. What a
 * run reports is a transaction of its own, so a process that is killed leaves all of it or nothing.
 */
import { PareError } from "../errors.ts";
import type { Mode } from "./database.ts";
import { checkLabels, isUnchanged, type LabelChange, type RunLabels } from "./labels.ts";
import { HEARTBEAT_MS, type RunEvent } from "./reader.ts";
import { packDocuments } from "./documents.ts";
import type {
  CurvePoint,
  DocumentRecord,
  LinearRecord,
  Manifest,
  PerplexityRecord,
  RunProgress,
  RunStatus,
  TaskRecord,
} from "./record.ts";
import type { RecordEntry } from "./record_file.ts";
import { ResultReader } from "./results.ts";
import type { RunEnd, RunSink } from "./sink.ts";
import { Statements } from "./statements.ts";

export type { LinearSummary, RunEvent, RunFilter } from "./reader.ts";

/** Milliseconds between two reports of progress that are kept: as often as an eye can use. */
const PROGRESS_INTERVAL_MS = 250;

/** What is known of a run at its end; JSON. */
interface EndResults {
  readonly phases?: string;
  readonly peak?: number | null;
  readonly manifest?: string;
  readonly ratios?: string;
  readonly texts?: string;
  readonly error?: string;
}

/** How a registry is opened. */
export interface RegistryOptions {
  /** To read, it must exist; to write, it is created if it does not. */
  readonly mode: Mode;
  /** Milliseconds since 1970. Default: the system's clock. */
  readonly now?: () => number;
}

/** The runs of one file. Close it with `using`; a run that is still live then gives no more signs of life. */
export class Registry extends ResultReader implements RunSink {
  /** The runs that this process carries out, and when the last progress of each was written and in which phase. */
  readonly #live = new Map<string, { written: number; phase: string }>();
  #heart?: ReturnType<typeof setInterval>;

  /**
   * Opens a registry.
   * @throws PareError if it does not exist (to read), is none, is damaged, comes from a newer Pare, or cannot be written.
   */
  static open(path: string, { mode, now = Date.now }: RegistryOptions): Registry {
    return new Registry(new Statements(path, mode), now);
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    clearInterval(this.#heart);
    this.file[Symbol.dispose]();
  }

  /**
   * A run begins.
   * @param out Where its result will stand.
   * @returns Its id: the plan's, with `-2`, `-3` … behind it where the same plan was run before.
   */
  begin(manifest: Manifest, out?: string): string {
    const id = this.file.transact(() => {
      // Not their number: one of them may have been removed.
      const before = this.file.all(
        (row: { id: string }) => Number(row.id.slice(manifest.planId.length + 1)) || 1,
        "SELECT id FROM runs WHERE plan = ?",
        manifest.planId,
      );
      const id = before.length ? `${manifest.planId}-${Math.max(...before) + 1}` : manifest.planId;
      this.file.run(
        "INSERT INTO runs (id, status, started_at, alive_at, manifest, out) VALUES (:id, 'running', :now, :now, :manifest, :out)",
        { id, now: this.now(), manifest: JSON.stringify(manifest), out: out ?? null },
      );
      this.#tell(this.#seq(id), "status", { status: "running" });
      return id;
    });
    this.#enliven(id);
    return id;
  }

  /** A run that failed or was interrupted goes on, in this process. What it reported before stays until it is reported anew. */
  resume(id: string): void {
    this.file.transact(() => {
      const run = this.#seq(id);
      this.file.run(
        "UPDATE runs SET status = 'running', finished_at = NULL, error = NULL, alive_at = ? WHERE seq = ?",
        this.now(),
        run,
      );
      this.#tell(run, "status", { status: "running" });
    });
    this.#enliven(id);
  }

  /** How far a run has come. May be called at any rate: what comes too fast to be watched is not written. */
  progress(id: string, progress: RunProgress): void {
    const last = this.#live.get(id), now = this.now(), phase = `${progress.phase} ${progress.block}`;
    if (last && last.phase === phase && now - last.written < PROGRESS_INTERVAL_MS) return;
    this.#live.set(id, { written: now, phase });
    this.file.transact(() => {
      const run = this.#seq(id);
      this.file.run("UPDATE runs SET alive_at = ? WHERE seq = ?", now, run);
      this.#tell(run, "progress", progress);
    });
  }

  /** A linear is done. One that was reported before (in a run that was resumed) is replaced. */
  linear(id: string, { magnitudes, scores, density, ...summary }: LinearRecord): void {
    this.file.transact(() => {
      const run = this.#seq(id);
      this.file.run(
        "INSERT OR REPLACE INTO linears (run, name, summary, plots) VALUES (?, ?, ?, ?)",
        ...[run, summary.name, JSON.stringify(summary), JSON.stringify({ magnitudes, scores, density })],
      );
      this.#tell(run, "linear", summary);
    });
  }

  /** A point of the training's curve. One that was reported before (in a run that was resumed) is replaced. */
  curve(id: string, point: CurvePoint): void {
    this.file.transact(() => {
      const run = this.#seq(id);
      this.file.run("INSERT OR REPLACE INTO curves (run, point) VALUES (?, ?)", run, JSON.stringify(point));
      this.#tell(run, "curve", point);
    });
  }

  /** A perplexity is known. One of the same label by the same protocol is replaced. */
  perplexity(id: string, record: PerplexityRecord): void {
    this.file.transact(() => {
      const run = this.#seq(id);
      this.file.run(
        "INSERT OR REPLACE INTO perplexities (run, label, record) VALUES (?, ?, ?)",
        ...[run, record.label, JSON.stringify(record)],
      );
      this.#tell(run, "perplexity", record);
    });
  }

  /** What a benchmark came to is known, of a group without documents. One of the same label asked the same is replaced. */
  task(id: string, record: TaskRecord, documents?: readonly DocumentRecord[]): void {
    this.file.transact(() => {
      const run = this.#seq(id);
      const packed = documents ? packDocuments(documents) : { scores: null, documents: null };
      this.file.run(
        "INSERT OR REPLACE INTO tasks (run, label, record, scores, documents) VALUES (:run, :label, :record, :scores, :documents)",
        { run, label: record.label, record: JSON.stringify(record), ...packed },
      );
      this.#tell(run, "task", record);
    });
  }

  /** A run reached its end; its manifest may know by now what was written. */
  finish(id: string, { phases, peakBytes, manifest, ratios, texts }: RunEnd): void {
    this.#end(id, "finished", {
      phases: JSON.stringify(phases),
      peak: peakBytes ?? null,
      manifest: manifest && JSON.stringify(manifest),
      ratios: ratios && JSON.stringify(ratios),
      texts: texts && JSON.stringify(texts),
    });
  }

  /** A run ended before its end. */
  fail(id: string, status: "failed" | "interrupted", error?: string): void {
    this.#end(id, status, { error });
  }

  /**
   * Names a run, tags it, or writes a note on it; at any time, whoever carries it out.
   * @throws PareError for a label that is no text or too long.
   */
  label(id: string, change: LabelChange): void {
    if (isUnchanged(change)) return;
    const { name, note, tags = [], untag = [] } = checkLabels(change);
    this.file.transact(() => {
      const run = this.#seq(id);
      if (name !== undefined) this.file.run("UPDATE runs SET name = ? WHERE seq = ?", name || null, run);
      if (note !== undefined) this.file.run("UPDATE runs SET note = ? WHERE seq = ?", note || null, run);
      for (const tag of tags) this.file.run("INSERT OR IGNORE INTO tags (run, tag) VALUES (?, ?)", run, tag);
      for (const tag of untag) this.file.run("DELETE FROM tags WHERE run = ? AND tag = ?", run, tag);
      const now = this.get(id)!;
      this.#tell(run, "labels", { name: now.name, tags: now.tags, note: now.note } satisfies RunLabels);
    });
  }

  /**
   * Forgets a run and all that it reported; its output stays where it is.
   * @throws PareError if there is none, or it is running.
   */
  remove(id: string): void {
    this.file.transact(() => {
      const run = this.#seq(id);
      if (this.get(id)!.status === "running") throw new PareError(`run ${id} is running: stop it first`);
      this.file.run("DELETE FROM runs WHERE seq = ?", run);
    });
  }

  /**
   * Takes in what a run's record says, as if it had been told of each thing when it happened: all of it, or of a record that
   * it knows what has come since. A run that was removed stays so.
   * @param record What no other record is called.
   */
  collect(record: string, entries: readonly RecordEntry[]): "added" | "grown" | "known" {
    const clock = this.now;
    let id: string | undefined;
    try {
      return this.file.transact(() => {
        const known = this.file.get(
          (row: { id: string | null; entries: number }) => row,
          "SELECT runs.id AS id, entries FROM collected LEFT JOIN runs ON runs.seq = collected.run WHERE record = ?",
          record,
        );
        if (known && (known.id === null || known.entries >= entries.length)) return "known";
        id = known?.id ?? undefined;
        for (const entry of entries.slice(known?.entries ?? 0)) {
          this.now = () => entry.at;
          if (entry.kind === "begin") id ??= this.begin(entry.manifest, entry.out);
          else this.#replay(id!, entry);
        }
        this.file.run(
          "INSERT OR REPLACE INTO collected (record, run, entries) VALUES (?, ?, ?)",
          ...[record, this.#seq(id!), entries.length],
        );
        return known ? "grown" : "added";
      });
    } finally {
      this.now = clock;
      if (id !== undefined) this.#live.delete(id); // another process carries it out, or none any more
      this.#beat();
    }
  }

  #replay(id: string, entry: Exclude<RecordEntry, { kind: "begin" }>): void {
    const { kind } = entry, other = "of" in entry && entry.of !== undefined ? this.finishedRun(entry.of)?.id : id;
    if (other === undefined) return;
    if (kind === "resume") this.resume(id);
    else if (kind === "labels") this.label(id, entry.change);
    else if (kind === "progress") this.progress(id, entry.progress);
    else if (kind === "linear") this.linear(id, entry.record);
    else if (kind === "curve") this.curve(id, entry.point);
    else if (kind === "perplexity") this.perplexity(other, entry.record);
    else if (kind === "task") this.task(other, entry.record, entry.documents);
    else if (kind === "finish") this.finish(id, entry.end);
    else this.fail(id, entry.status, entry.error);
  }

  #end(id: string, status: RunStatus, results: EndResults): void {
    const { phases = null, peak = null, manifest = null, ratios = null, texts = null, error } = results;
    this.file.transact(() => {
      const run = this.#seq(id);
      this.file.run(
        `UPDATE runs SET status = :status, finished_at = :now, alive_at = :now, phases = coalesce(:phases, phases),
          peak_bytes = coalesce(:peak, peak_bytes), manifest = coalesce(:manifest, manifest), ratios = coalesce(:ratios, ratios),
          texts = coalesce(:texts, texts), error = :error
          WHERE seq = :run`,
        { status, now: this.now(), phases, peak, manifest, ratios, texts, error: error ?? null, run },
      );
      this.#tell(run, "status", { status, error });
    });
    this.#live.delete(id);
    this.#beat();
  }

  #enliven(id: string): void {
    this.#live.set(id, { written: -Infinity, phase: "" });
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
          for (const id of this.#live.keys()) {
            this.file.run("UPDATE runs SET alive_at = ? WHERE id = ?", this.now(), id);
          }
        } catch (error) {
          if (!(error instanceof PareError)) throw error;
          // No reason to end a run from a timer: what keeps the registry from this keeps it from the next result, too.
        }
      }, HEARTBEAT_MS);
      Deno.unrefTimer(this.#heart as unknown as number);
    }
  }

  /** Appends to the log. Progress takes the place of the progress before it, under a new id. */
  #tell(run: number, kind: RunEvent["kind"], data: unknown): void {
    this.file.run("INSERT OR REPLACE INTO events (run, kind, data) VALUES (?, ?, ?)", run, kind, JSON.stringify(data));
  }

  #seq(id: string): number {
    const seq = this.file.get((row: { seq: number }) => row.seq, "SELECT seq FROM runs WHERE id = ?", id);
    if (seq === undefined) {
      throw new PareError(`the registry of runs ${this.file.path} has no run ${JSON.stringify(id)}`);
    }
    return seq;
  }
}
