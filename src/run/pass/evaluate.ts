/** What `eval` computes where it is not known yet: a perplexity and the answers to benchmarks, in one pass and as one run. */
import {
  type Answers,
  type Backend,
  type Checkpoint,
  type Likelihoods,
  measure,
  scoreExam,
  type SpoolOptions,
} from "../../mod.ts";
import { taskRecords } from "../benchmarks.ts";
import type { LabelChange } from "../labels.ts";
import type { Manifest, TaskRecord } from "../record.ts";
import { type Evaluated, Recorder } from "../recorder.ts";
import { report, type Watcher } from "./watcher.ts";
import type { Yardstick } from "./yardstick.ts";

/** What is to be done, all that goes in read and checked. */
export interface EvaluatePass {
  readonly checkpoint: Checkpoint;
  readonly backend: Backend;
  readonly spool: SpoolOptions;
  /** What is measured. */
  readonly yardstick: Yardstick;
  /** What the run is. */
  readonly manifest: Manifest;
  /** How the model was pruned, where Pare has pruned it. */
  readonly base?: Manifest;
  /** Where it is recorded, if it is, and under which labels. */
  readonly registry?: string;
  readonly labels?: LabelChange;
}

/** What was found just now. */
export type Found =
  & Evaluated
  & Partial<Pick<Likelihoods, "tokens" | "requestTokens"> & Pick<Answers, "requests">>;

/** Evaluates, and records it. @throws PareError as `measure`. */
export async function runEvaluation(
  { checkpoint, backend, spool, yardstick: { windows, exam }, manifest, base, registry, labels }: EvaluatePass,
  watcher: Watcher & { peakMemory(): Promise<number> },
): Promise<Found> {
  const { signal } = watcher;
  using recorder = Recorder.begin(registry, manifest, { labels });
  const label = base ? "pruned" : "dense", of = exam && (windows ? "perplexity and tasks" : "tasks");
  // A model that Pare has pruned here: its own run shows what it cost.
  const told = [recorder, base && recorder.of(base.planId)].filter((each) => each !== undefined);
  try {
    const start = performance.now();
    const { sparsity, ...found } = await measure(
      { windows, likelihoods: exam && { ...exam, once: true } },
      { checkpoint, backend, signal, spool, onProgress: report(recorder, watcher, of) },
    );
    const phases = { eval: (performance.now() - start) / 1000 };
    const perplexity = found.perplexity &&
      { label, perplexity: found.perplexity.perplexity, evaluation: manifest.plan.evaluation!, sparsity };
    if (perplexity) { for (const each of told) each.perplexity(perplexity); }
    const answers = exam && scoreExam(exam, exam, found.likelihoods!.answers), tasks: TaskRecord[] = [];
    for (const { record, documents } of answers ? taskRecords(exam.questions, { ...answers, sparsity }, label) : []) {
      for (const each of told) each.task(record, documents);
      tasks.push(record);
    }
    const peakBytes = await watcher.peakMemory();
    recorder.finish(phases, peakBytes);
    const { tokens, requestTokens } = found.likelihoods ?? {}, { requests, documents = () => [] } = answers ?? {};
    return { run: recorder.id, phases, peakBytes, perplexity, tasks, documents, tokens, requestTokens, requests };
  } catch (error) {
    recorder.fail(error, signal.aborted);
    throw error;
  }
}
