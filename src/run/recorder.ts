/**
 * What a command leaves in the registry: how far it has come, and what came of it. A run that is to leave nothing
 * (`--runs none`) goes through the same calls.
 */
import { resolve } from "node:path";
import { PareError } from "../errors.ts";
import { isUnchanged, type LabelChange } from "./labels.ts";
import type {
  DocumentRecord,
  LinearRecord,
  Manifest,
  PerplexityRecord,
  RunProgress,
  RunRecord,
  TaskRecord,
} from "./record.ts";
import { Registry } from "./registry.ts";
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
  /** What their documents gave, one benchmark after the other. */
  readonly documents: readonly DocumentRecord[];
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

  private constructor(readonly registry: Registry | undefined, readonly id: string) {}

  /**
   * Begins a run, or goes on with the one of the same plan and output that ended early.
   * @param path The registry; nothing is recorded without one.
   * @param out Where the result will stand.
   * @param resumes Whether what such a run has left is gone on with. It is dead, whatever its record says: its output is ours.
   */
  static begin(
    path: string | undefined,
    manifest: Manifest,
    { out, resumes = false, labels }: { out?: string; resumes?: boolean; labels?: LabelChange },
  ): Recorder {
    if (path === undefined) return new Recorder(undefined, manifest.planId);
    const registry = Registry.open(path, { mode: "write" }), target = out && resolve(out);
    const before = resumes && target ? registry.unfinishedRun(manifest.planId, target) : undefined;
    if (before) registry.resume(before.id);
    const id = before?.id ?? registry.begin(manifest, target);
    if (labels) registry.label(id, labels);
    return new Recorder(registry, id);
  }

  /** Labels the newest finished run of a plan, if there is one. */
  static label(path: string | undefined, planId: string, labels: LabelChange): void {
    if (path === undefined || isUnchanged(labels)) return;
    using registry = Registry.open(path, { mode: "write" });
    const run = registry.finishedRun(planId);
    if (run) registry.label(run.id, labels);
  }

  /** The finished run of the same plan, if there is one: what it found need not be computed again. */
  static done(path: string | undefined, manifest: Manifest): RunRecord | undefined {
    if (path === undefined) return undefined;
    using registry = Registry.open(path, { mode: "write" });
    return registry.finishedRun(manifest.planId);
  }

  /** What the finished evaluation of the same plan came to, if there is one that has all of it. */
  static evaluated(path: string | undefined, { planId, plan }: Manifest): Evaluated | undefined {
    if (path === undefined) return undefined;
    using registry = Registry.open(path, { mode: "write" });
    const run = registry.finishedRun(planId);
    // One of an older Pare has not counted the zeros.
    const perplexity = run?.perplexities.find(({ sparsity }) => sparsity !== undefined);
    if (!run || plan.evaluation && !perplexity) return undefined;
    const { id, tasks, phases, peakBytes, finishedAt } = run;
    const documents = tasks.flatMap((record) => registry.documents(id, record) ?? []);
    return { run: id, perplexity, tasks, documents, phases, peakBytes, finishedAt };
  }

  /** What another model's evaluations gave by the same protocols, so far as they are known. */
  static measured(
    path: string | undefined,
    modelSha256: string,
    { perplexity, tasks }: Pick<Evaluated, "perplexity" | "tasks">,
  ): Pick<Evaluated, "perplexity" | "tasks"> {
    if (path === undefined) return { tasks: [] };
    using registry = Registry.open(path, { mode: "write" });
    return {
      perplexity: perplexity && registry.measured(modelSha256, perplexity.evaluation),
      tasks: tasks.flatMap((record) => registry.asked(modelSha256, record) ?? []),
    };
  }

  /** How far it has come; how fast, and with how much memory, is added. */
  progress(progress: Omit<RunProgress, "rate" | "memoryBytes">): void {
    if (!this.registry) return;
    const rate = this.#throughput.rate(progress, performance.now());
    this.registry.progress(this.id, {
      ...progress,
      ...rate !== undefined && { rate },
      memoryBytes: Deno.memoryUsage().rss,
    });
  }

  /** A linear is done. */
  linear(record: LinearRecord): void {
    this.registry?.linear(this.id, record);
  }

  /** A perplexity was measured. */
  perplexity(record: PerplexityRecord): void {
    this.registry?.perplexity(this.id, record);
  }

  /** A benchmark was asked, or a group of them is complete, which has no documents. */
  task(record: TaskRecord, documents?: readonly DocumentRecord[]): void {
    this.registry?.task(this.id, record, documents);
  }

  /** The newest finished run of another plan, to report to, if there is one. */
  of(planId: string): Pick<Recorder, "perplexity" | "task"> | undefined {
    const run = this.registry?.finishedRun(planId);
    return run && new Recorder(this.registry, run.id);
  }

  /** The run has come to its end; its manifest names what it wrote, if it did. */
  finish(phases: Record<string, number>, peakBytes: number, manifest?: Manifest): void {
    this.registry?.finish(this.id, { phases, peakBytes, manifest });
    this.#ended = true;
  }

  /** It has not. */
  fail(error: unknown, stopped: boolean): void {
    if (this.#ended) return;
    const message = error instanceof PareError ? error.message : String(error);
    this.registry?.fail(this.id, stopped ? "interrupted" : "failed", message);
    this.#ended = true;
  }

  [Symbol.dispose](): void {
    this.registry?.[Symbol.dispose]();
  }
}
