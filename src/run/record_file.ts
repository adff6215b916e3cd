/**
 * A run's record in a file of its own, in a folder that many machines may share: SQLite's locks do not hold over a network
 * file system, and a file that one process alone writes needs none. What the run reports is appended, a line of JSON each, so
 * that a process which is killed leaves all that it has said but the line that it was at. `collect` (`collect.ts`) makes a
 * registry of such files.
 */
import { appendFileSync, closeSync, fsyncSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "npm:zod@4.6.7";
import { systemError } from "../checkpoint/system_error.ts";
import { PareError } from "../errors.ts";
import { readAs } from "./json.ts";
import { checkLabels, isUnchanged, type LabelChange } from "./labels.ts";
import { ManifestSchema } from "./manifest.ts";
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
import type { RunEnd, RunSink } from "./sink.ts";

/** The end of a record's name; before it stands the plan's id and what no other record has. */
export const ENDING = ".run.jsonl";

/** Milliseconds between two reports of progress that are kept: a night's run leaves a few thousand lines. */
const PROGRESS_INTERVAL_MS = 10_000;

/** What a line says, beside when. */
export type RecordEvent =
  | { readonly kind: "begin"; readonly manifest: Manifest; readonly out?: string }
  | { readonly kind: "resume" }
  | { readonly kind: "labels"; readonly change: LabelChange }
  | { readonly kind: "progress"; readonly progress: RunProgress }
  | { readonly kind: "linear"; readonly record: LinearRecord }
  | { readonly kind: "curve"; readonly point: CurvePoint }
  /** `of` is another plan, whose run it is reported to as well: what was pruned, when that is evaluated. */
  | { readonly kind: "perplexity"; readonly record: PerplexityRecord; readonly of?: string }
  | {
    readonly kind: "task";
    readonly record: TaskRecord;
    readonly documents?: readonly DocumentRecord[];
    readonly of?: string;
  }
  | { readonly kind: "finish"; readonly end: RunEnd }
  | { readonly kind: "fail"; readonly status: Exclude<RunStatus, "running" | "finished">; readonly error?: string };

/** A line: milliseconds since 1970, and what happened. */
export type RecordEntry = RecordEvent & { readonly at: number };

const at = z.int().nonnegative(), named = z.looseObject({ name: z.string() });
const of = z.string().optional();

/** What is looked into when a record is taken in; what a registry keeps as it is only has to be an object. */
const EntrySchema = z.discriminatedUnion("kind", [
  z.strictObject({ at, kind: z.literal("begin"), manifest: ManifestSchema, out: z.string().optional() }),
  z.strictObject({ at, kind: z.literal("resume") }),
  z.strictObject({
    at,
    kind: z.literal("labels"),
    change: z.strictObject({
      name: z.string().optional(),
      note: z.string().optional(),
      tags: z.array(z.string()).optional(),
      untag: z.array(z.string()).optional(),
    }),
  }),
  z.strictObject({
    at,
    kind: z.literal("progress"),
    progress: z.looseObject({ phase: z.string(), block: z.number() }),
  }),
  z.strictObject({ at, kind: z.literal("linear"), record: named }),
  z.strictObject({
    at,
    kind: z.literal("curve"),
    point: z.union([
      z.looseObject({ kind: z.enum(["step", "evaluation"]), step: z.int() }),
      z.looseObject({ kind: z.literal("block"), block: z.int() }),
    ]),
  }),
  z.strictObject({ at, kind: z.literal("perplexity"), record: z.looseObject({ label: z.string() }), of }),
  z.strictObject({
    at,
    kind: z.literal("task"),
    record: z.looseObject({ label: z.string(), name: z.string() }),
    documents: z.array(z.looseObject({ answers: z.array(z.looseObject({})) })).optional(),
    of,
  }),
  z.strictObject({
    at,
    kind: z.literal("finish"),
    end: z.strictObject({
      phases: z.record(z.string(), z.number()),
      peakBytes: z.number().optional(),
      manifest: ManifestSchema.optional(),
      ratios: z.array(z.looseObject({ name: z.string(), ratio: z.number() })).optional(),
      texts: z.array(z.looseObject({ prompt: z.string(), text: z.string(), ids: z.array(z.int()) })).optional(),
    }),
  }),
  z.strictObject({
    at,
    kind: z.literal("fail"),
    status: z.enum(["failed", "interrupted"]),
    error: z.string().optional(),
  }),
]) as unknown as z.ZodType<RecordEntry>;

/** Whether what `--runs` names is a folder of records, not a registry: it ends with a slash. */
export function isRecordFolder(path: string): boolean {
  return /[/\\]$/.test(path);
}

/** Whether a file of this name is a record. */
export function isRecord(name: string): boolean {
  return /^[\w-]+\.run\.jsonl$/.test(name);
}

/** The names of all records in a folder, sorted. @throws PareError if it cannot be read. */
export function recordNames(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith(ENDING)).sort();
  } catch (error) {
    throw new PareError(`cannot read ${folder}: ${(error as { code?: string }).code ?? (error as Error).message}`);
  }
}

/**
 * What a record says so far. A line without its end is one that is being written, or never was.
 * @throws PareError if it cannot be read, naming the line that is none, or if it does not begin with a beginning.
 */
export function readRecordFile(path: string): RecordEntry[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw systemError("read", path, error);
  }
  const lines = text.split("\n").slice(0, -1);
  const entries = lines.map((line, number) =>
    readAs(EntrySchema, line, `${path}:${number + 1}`, "line of a run's record")
  );
  if (entries.length && entries[0].kind !== "begin") {
    throw new PareError(`${path}:1: not a run's record: it does not begin with the run's beginning`);
  }
  return entries;
}

/** A run that is recorded in a file. */
export class RecordFile implements RunSink {
  readonly #path: string;
  #written = -Infinity;
  #phase = "";

  private constructor(path: string, private readonly now: () => number) {
    this.#path = path;
  }

  /**
   * Begins a record, or goes on with that of the same plan and output that ended early.
   * @param resumes Whether there may be one: whoever has the output's place has it, too.
   * @throws PareError if the folder cannot be written.
   */
  static begin(
    folder: string,
    manifest: Manifest,
    { out, resumes, now = Date.now }: { readonly out?: string; readonly resumes: boolean; readonly now?: () => number },
  ): RecordFile {
    const before = resumes && out !== undefined
      ? recordsOf(folder, manifest.planId).find(({ entries: [first, ...rest] }) =>
        first?.kind === "begin" && first.out === out && !rest.some(({ kind }) => kind === "finish")
      )
      : undefined;
    const unique = crypto.randomUUID().replaceAll("-", "").slice(0, 16);
    const file = new RecordFile(before?.path ?? join(folder, `${manifest.planId}-${unique}${ENDING}`), now);
    if (before) file.#repair();
    file.#append(before ? { kind: "resume" } : { kind: "begin", manifest, ...out !== undefined && { out } });
    return file;
  }

  /** A finished record of a plan: what it says, and what labels it anew; undefined if there is none. */
  static finished(
    folder: string,
    planId: string,
  ): { readonly entries: readonly RecordEntry[]; label(change: LabelChange): void } | undefined {
    const found = recordsOf(folder, planId).findLast(({ entries }) => entries.some(({ kind }) => kind === "finish"));
    if (!found) return undefined;
    const { path, entries } = found;
    const label = (change: LabelChange) => {
      const text = JSON.stringify(checkLabels(change));
      if (entries.some((entry) => entry.kind === "labels" && JSON.stringify(entry.change) === text)) return;
      new RecordFile(path, Date.now).label(planId, change);
    };
    return { entries, label };
  }

  /** At most every ten seconds, unless another phase or block has begun. */
  progress(_id: string, progress: RunProgress): void {
    const now = this.now(), phase = `${progress.phase} ${progress.block}`;
    if (phase === this.#phase && now - this.#written < PROGRESS_INTERVAL_MS) return;
    this.#phase = phase;
    this.#append({ kind: "progress", progress });
  }

  linear(_id: string, record: LinearRecord): void {
    this.#append({ kind: "linear", record });
  }

  curve(_id: string, point: CurvePoint): void {
    this.#append({ kind: "curve", point });
  }

  perplexity(_id: string, record: PerplexityRecord, of?: string): void {
    this.#append({ kind: "perplexity", record, ...of !== undefined && { of } });
  }

  task(_id: string, record: TaskRecord, documents?: readonly DocumentRecord[], of?: string): void {
    this.#append({ kind: "task", record, ...documents && { documents }, ...of !== undefined && { of } });
  }

  finish(_id: string, end: RunEnd): void {
    this.#append({ kind: "finish", end });
    this.#force();
  }

  fail(_id: string, status: Exclude<RunStatus, "running" | "finished">, error?: string): void {
    this.#append({ kind: "fail", status, ...error !== undefined && { error } });
  }

  label(_id: string, change: LabelChange): void {
    if (!isUnchanged(change)) this.#append({ kind: "labels", change: checkLabels(change) });
  }

  /** The file is open while a line is written only. */
  [Symbol.dispose](): void {}

  #append(event: RecordEvent): void {
    this.#written = this.now();
    this.#try(() => appendFileSync(this.#path, `${JSON.stringify({ at: this.#written, ...event })}\n`));
  }

  /** What a killed process was writing is no line; the next one begins behind it. */
  #repair(): void {
    const text = readFileSync(this.#path, "utf8"), end = text.lastIndexOf("\n") + 1;
    if (end < text.length) Deno.truncateSync(this.#path, new TextEncoder().encode(text.slice(0, end)).length);
  }

  #force(): void {
    this.#try(() => {
      const file = openSync(this.#path, "r+");
      try {
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
    });
  }

  #try(act: () => void): void {
    try {
      act();
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === undefined) throw error;
      throw new PareError(`cannot write the run's record ${this.#path}: ${code}`, { cause: error });
    }
  }
}

/** The records of a plan in a folder, the older first. */
function recordsOf(folder: string, planId: string): { path: string; entries: RecordEntry[] }[] {
  return recordNames(folder).filter((name) => name.startsWith(`${planId}-`))
    .map((name) => join(folder, name))
    .map((path) => ({ path, entries: readRecordFile(path) }))
    .sort((a, b) => (a.entries[0]?.at ?? 0) - (b.entries[0]?.at ?? 0));
}
