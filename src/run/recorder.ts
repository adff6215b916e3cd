/**
 * What a command leaves in the registry: how far it has come, and what came of it. A run that is to leave nothing
 * (`--runs none`) goes through the same calls.
 */
import { resolve } from "node:path";
import { PareError } from "../errors.ts";
import { isUnchanged, type LabelChange } from "./labels.ts";
import type { Corpus, LinearRecord, Manifest, PerplexityRecord, RunProgress, RunRecord } from "./record.ts";
import { Registry } from "./registry.ts";
import { Throughput } from "./throughput.ts";

/** What `--runs` says for no registry. */
export const NO_RUNS = "none";

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

  /** What a model's evaluation by some protocol gave, if it is known. */
  static measured(path: string | undefined, modelSha256: string, evaluation: Corpus): PerplexityRecord | undefined {
    if (path === undefined) return undefined;
    using registry = Registry.open(path, { mode: "write" });
    return registry.measured(modelSha256, evaluation);
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

  /** The same for the newest finished run of another plan, if there is one. */
  perplexityOf(planId: string, record: PerplexityRecord): void {
    const run = this.registry?.finishedRun(planId);
    if (run) this.registry!.perplexity(run.id, record);
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
