/**
 * What a command leaves in the registry: who it was, what went in, how far it has come, what came of it. A run that is to
 * leave nothing (`--runs none`) goes through the same calls.
 */
import { basename, resolve } from "node:path";
import project from "../deno.json" with { type: "json" };
import type { Context } from "../src/cli/run.ts";
import { CARD_FILE } from "../src/run/card.ts";
import { digestFile, digestKernels, digestModel } from "../src/run/digest.ts";
import { checkLabels, isUnchanged, type LabelChange } from "../src/run/labels.ts";
import { fileName, makeManifest } from "../src/run/manifest.ts";
import { makeNumerics } from "../src/run/numerics.ts";
import type {
  Corpus,
  InputFile,
  LinearRecord,
  Manifest,
  PerplexityRecord,
  Plan,
  RunProgress,
  RunRecord,
} from "../src/run/record.ts";
import { Registry } from "../src/run/registry.ts";
import { type Backend, type Calibration, type Checkpoint, PareError } from "../src/mod.ts";

/** What `--runs` says for no registry. */
export const NO_RUNS = "none";

/** What is known of a run before it begins. */
export interface Subject extends Pick<Plan, "kind" | "request" | "calibration" | "evaluation"> {
  readonly checkpoint: Checkpoint;
  readonly backend: Pick<Backend, "name" | "description" | "arithmetic">;
  /** Files that were read beside the model's. */
  readonly files: readonly string[];
}

/** Calibration sequences or evaluation windows as a run's record has them. */
export function corpusOf(
  { description, length, sha256, ...how }:
    & Pick<Calibration, "description" | "length" | "sha256">
    & (
      | { readonly sequences: number }
      | { readonly windows: number }
    ),
): Corpus {
  return { description, sequences: "windows" in how ? how.windows : how.sequences, seqlen: length, sha256 };
}

/** The manifest of a run: hashes all that went in. */
export async function describeRun(subject: Subject, { args }: Context): Promise<Manifest> {
  const { kind, request, calibration, evaluation, checkpoint, backend, files } = subject;
  const hash = async (paths: readonly string[]): Promise<InputFile[]> => {
    const hashed: InputFile[] = [];
    for (const path of new Set(paths)) hashed.push(await digestFile(resolve(path)));
    return hashed;
  };
  const sources: string[] = [];
  for (const source of checkpoint.sources) {
    // What is said of a model is not the model: its card may change (`eval --card`), and nothing that is computed with it.
    if (basename(source) !== CARD_FILE && (await Deno.stat(source)).isFile) sources.push(source);
  }
  const model = await hash(sources), others = await hash(files), kernels = await digestKernels();
  const name = backend.name === "webgpu" ? "webgpu" : "wasm";
  const plan: Plan = {
    kind,
    pare: project.version,
    model: { name: modelName(checkpoint.path), sha256: digestModel(model) },
    backend: name,
    numerics: makeNumerics(name, backend.arithmetic, kernels),
    request,
    ...calibration && { calibration: named(calibration) },
    ...evaluation && { evaluation: named(evaluation) },
  };
  return makeManifest({
    plan,
    args,
    directory: Deno.cwd(),
    inputs: [...model, ...others],
    kernels,
    backend: backend.description,
  });
}

/** A corpus that is called by its file's name: where that stands is no part of a plan. */
function named(corpus: Corpus): Corpus {
  return { ...corpus, description: fileName(corpus.description) };
}

/** `owner/name` of a snapshot in the Hub's cache, else the last part of the path. */
export function modelName(path: string): string {
  return hubId(path) ?? basename(resolve(path));
}

/** The id on the Hub of what lies in its cache. */
export function hubId(path: string): string | undefined {
  const [, id] = /models--([^/\\]+)[/\\]snapshots[/\\]/.exec(`${resolve(path)}/`) ?? [];
  return id?.replace("--", "/");
}

/** How fast a run is: by what it has done since its work began, so that one which goes on is not taken to have done all of it. */
export class Pace {
  #start?: { readonly time: number; readonly done: number; readonly total: number };
  #done = 0;

  /**
   * Tokens by the second, or undefined at the beginning of a work.
   * @param time Milliseconds from any start.
   */
  rate({ done, total }: Pick<RunProgress, "done" | "total">, time: number): number | undefined {
    // Less is done than before, or of another sum: another work has begun, such as the next model of a comparison.
    if (!this.#start || total !== this.#start.total || done < this.#done) this.#start = { time, done, total };
    this.#done = done;
    const { time: since, done: before } = this.#start;
    return done > before && time > since ? (done - before) / ((time - since) / 1000) : undefined;
  }
}

/**
 * The labels that a command's flags give its run.
 * @throws PareError for one that cannot be kept.
 */
export function labelsOf(
  { name, tag, note }: { readonly name?: string; readonly tag: readonly string[]; readonly note?: string },
): LabelChange {
  return checkLabels({ name, tags: tag, note });
}

/** A run on its way. */
export class Recorder implements Disposable {
  #ended = false;
  readonly #pace = new Pace();

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
    const rate = this.#pace.rate(progress, performance.now());
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
