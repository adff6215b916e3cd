/**
 * What a command leaves in the registry: how far it has come, and what came of it. A run that is to leave nothing
 * (`--runs none`) goes through the same calls.
 */
import { resolve } from "node:path";
import { isRemote } from "../checkpoint/remote/locate.ts";
import { PareError } from "../errors.ts";
import { isUnchanged, type LabelChange } from "./labels.ts";
import type {
  CurvePoint,
  DocumentRecord,
  LinearRecord,
  Manifest,
  PerplexityRecord,
  RunProgress,
  TaskRecord,
} from "./record.ts";
import { isRecordFolder, RecordFile } from "./record_file.ts";
import { Registry } from "./registry.ts";
import type { RunEnd, RunSink } from "./sink.ts";
import { Throughput } from "./throughput.ts";

/** What `--runs` says for no registry. */
export const NO_RUNS = "none";

/** What an evaluation came to. */
export interface Evaluated {
  /** The run's id. */
  readonly run: string;
  /** Where one was asked for. */
  readonly perplexity?: PerplexityRecord;
  /** Benchmarks and groups of them, as they are recorded. */
  readonly tasks: readonly TaskRecord[];
  /** What the documents of one gave, by its name. */
  readonly documents: (task: string) => readonly DocumentRecord[];
  /** Seconds by phase. */
  readonly phases: Readonly<Record<string, number>>;
  /** Of the process, at its largest. */
  readonly peakBytes?: number;
  /** When it ended, if that was before. */
  readonly finishedAt?: string;
}

/** A run on its way. */
export class Recorder implements Disposable {
  #ended = false;
  readonly #throughput = new Throughput();

  private constructor(readonly sink: RunSink | undefined, readonly id: string) {}

  /**
   * Begins a run, or goes on with the one of the same plan and output that ended early.
   * @param path The registry, or a folder of records; nothing is recorded without one.
   * @param out Where the result will stand.
   * @param resumes Whether what such a run has left is gone on with. It is dead, whatever its record says: its output is ours.
   */
  static begin(
    path: string | undefined,
    manifest: Manifest,
    { out, resumes = false, labels }: { out?: string; resumes?: boolean; labels?: LabelChange },
  ): Recorder {
    if (path === undefined) return new Recorder(undefined, manifest.planId);
    const target = out && (isRemote(out) ? out : resolve(out));
    if (isRecordFolder(path)) {
      const file = RecordFile.begin(path, manifest, { out: target, resumes });
      if (labels) file.label(manifest.planId, labels);
      return new Recorder(file, manifest.planId);
    }
    const registry = Registry.open(path, { mode: "write" });
    const before = resumes && target ? registry.unfinishedRun(manifest.planId, target) : undefined;
    if (before) registry.resume(before.id);
    const id = before?.id ?? registry.begin(manifest, target);
    if (labels) registry.label(id, labels);
    return new Recorder(registry, id);
  }

  /** Labels the newest finished run of a plan, if there is one. */
  static label(path: string | undefined, planId: string, labels: LabelChange): void {
    if (path === undefined || isUnchanged(labels)) return;
    if (isRecordFolder(path)) return RecordFile.finished(path, planId)?.label(labels);
    using registry = Registry.open(path, { mode: "write" });
    const run = registry.finishedRun(planId);
    if (run) registry.label(run.id, labels);
  }

  /** The manifest of a finished run of the same plan, if there is one: what it found need not be computed again. */
  static done(path: string | undefined, { planId }: Manifest): Manifest | undefined {
    if (path === undefined) return undefined;
    if (isRecordFolder(path)) {
      const finish = RecordFile.finished(path, planId)?.entries.findLast(({ kind }) => kind === "finish");
      return finish?.kind === "finish" ? finish.end.manifest : undefined;
    }
    using registry = Registry.open(path, { mode: "write" });
    return registry.finishedRun(planId)?.manifest;
  }

  /**
   * What the finished evaluation of the same plan came to, if there is one that has all of it.
   * @param withDocuments Whether what every document gave is asked for as well; there are none without.
   */
  static evaluated(
    path: string | undefined,
    { planId, plan }: Manifest,
    withDocuments: boolean,
  ): Evaluated | undefined {
    // In a folder of records nothing is looked up: they are for many machines to write, and for one to read.
    if (path === undefined || isRecordFolder(path)) return undefined;
    using registry = Registry.open(path, { mode: "write" });
    const run = registry.finishedRun(planId);
    // One of an older Pare has not counted the zeros.
    const perplexity = run?.perplexities.find(({ sparsity }) => sparsity !== undefined);
    if (!run || plan.evaluation && !perplexity) return undefined;
    const { id, tasks, phases, peakBytes, finishedAt } = run;
    const known = new Map(
      withDocuments ? tasks.map((record) => [record.name, registry.documents(id, record) ?? []]) : [],
    );
    const documents = (task: string) => known.get(task) ?? [];
    return { run: id, perplexity, tasks, documents, phases, peakBytes, finishedAt };
  }

  /** What another model's evaluations gave by the same protocols, so far as they are known. */
  static measured(
    path: string | undefined,
    modelSha256: string,
    { perplexity, tasks }: Pick<Evaluated, "perplexity" | "tasks">,
  ): Pick<Evaluated, "perplexity" | "tasks"> {
    if (path === undefined || isRecordFolder(path)) return { tasks: [] };
    using registry = Registry.open(path, { mode: "write" });
    return {
      perplexity: perplexity && registry.measured(modelSha256, perplexity.evaluation),
      tasks: tasks.flatMap((record) => registry.asked(modelSha256, record) ?? []),
    };
  }

  /** How far it has come; how fast, and with how much memory, is added. */
  progress(progress: Omit<RunProgress, "rate" | "memoryBytes">): void {
    if (!this.sink) return;
    const rate = this.#throughput.rate(progress, performance.now());
    this.sink.progress(this.id, {
      ...progress,
      ...rate !== undefined && { rate },
      memoryBytes: Deno.memoryUsage().rss,
    });
  }

  /** A linear is done. */
  linear(record: LinearRecord): void {
    this.sink?.linear(this.id, record);
  }

  /** A point of a training's curve. What JSON cannot say (a loss that is no number) is left out. */
  curve(point: CurvePoint): void {
    const numbers = Object.values(point).filter((value) => typeof value === "number");
    if (numbers.every(Number.isFinite)) this.sink?.curve(this.id, point);
  }

  /** A perplexity was measured. */
  perplexity(record: PerplexityRecord): void {
    this.sink?.perplexity(this.id, record);
  }

  /** A benchmark was asked, or a group of them is complete, which has no documents. */
  task(record: TaskRecord, documents?: readonly DocumentRecord[]): void {
    this.sink?.task(this.id, record, documents);
  }

  /** The newest finished run of another plan, to report to, if there is one. */
  of(planId: string): Pick<Recorder, "perplexity" | "task"> | undefined {
    const { sink } = this;
    if (sink instanceof RecordFile) {
      // Whether there is one is seen when records are collected.
      return {
        perplexity: (record) => sink.perplexity(this.id, record, planId),
        task: (record, documents) => sink.task(this.id, record, documents, planId),
      };
    }
    const run = sink instanceof Registry ? sink.finishedRun(planId) : undefined;
    return run && new Recorder(sink, run.id);
  }

  /** The run has come to its end; its manifest names what it wrote, if it did. What JSON cannot say of a ratio is left out. */
  finish(
    phases: Record<string, number>,
    peakBytes: number,
    { manifest, ratios, texts }: Omit<RunEnd, "phases" | "peakBytes"> = {},
  ): void {
    const sayable = ratios?.filter(({ ratio, ours, theirs }) =>
      [ratio, ...[ours, theirs].flatMap(({ median, min, max }) => [median, min, max])].every(Number.isFinite)
    );
    this.sink?.finish(this.id, { phases, peakBytes, manifest, ratios: sayable, texts });
    this.#ended = true;
  }

  /** It has not. */
  fail(error: unknown, stopped: boolean): void {
    if (this.#ended) return;
    const message = error instanceof PareError ? error.message : String(error);
    this.sink?.fail(this.id, stopped ? "interrupted" : "failed", message);
    this.#ended = true;
  }

  [Symbol.dispose](): void {
    this.sink?.[Symbol.dispose]();
  }
}
