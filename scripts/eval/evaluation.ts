/** What `eval` computes where it is not known yet: a perplexity and the answers to benchmarks, in one pass and as one run. */
import type { Position } from "../../src/cli/progress.ts";
import type { Context } from "../../src/cli/run.ts";
import {
  type Answers,
  type Backend,
  type Checkpoint,
  type Exam,
  type Likelihoods,
  measure,
  type Progress,
  scoreExam,
  type Windows,
} from "../../src/mod.ts";
import { taskRecords } from "../../src/run/benchmarks.ts";
import { labelsOf } from "../../src/run/labels.ts";
import type { Manifest, TaskRecord } from "../../src/run/record.ts";
import { type Evaluated, Recorder } from "../../src/run/recorder.ts";
import type { Given } from "./request.ts";
import { encodeFor } from "../shared/exam.ts";
import { blockPosition } from "../shared/common.ts";

/** What is to be done, all that goes in read and checked. */
export interface Work {
  readonly values: Given;
  readonly checkpoint: Checkpoint;
  readonly backend: Backend;
  /** What the run is. */
  readonly manifest: Manifest;
  /** How the model was pruned, where Pare has pruned it. */
  readonly base?: Manifest;
  /** What a perplexity is measured on. */
  readonly windows?: Windows;
  /** What benchmarks are asked. */
  readonly exam?: Exam;
}

/** What was found just now. */
export type Found =
  & Evaluated
  & Partial<Pick<Likelihoods, "tokens" | "requestTokens"> & Pick<Answers, "requests">>;

/** Evaluates, and records it. @throws PareError as `measure`; what cannot be asked before a run begins. */
export async function work(
  { values, checkpoint, backend, manifest, base, windows, exam }: Work,
  context: Context,
): Promise<Found> {
  const { terminal, signal } = context;
  const show = (position: Position) => terminal.progress(position);
  const encoded = exam && await encodeFor(exam, checkpoint, values.seqlen, { signal, show });
  using recorder = Recorder.begin(values.registry, manifest, { labels: labelsOf(values) });
  const label = base ? "pruned" : "dense", of = exam && (windows ? "perplexity and tasks" : "tasks");
  // A model that Pare has pruned here: its own run shows what it cost.
  const told = [recorder, base && recorder.of(base.planId)].filter((each) => each !== undefined);
  const onProgress = (progress: Progress) => {
    const { phase, block, blocks, tokens, totalTokens } = progress;
    const named = of === undefined ? phase : `${of}, ${phase}`;
    recorder.progress({ phase: named, block, blocks, done: tokens, total: totalTokens });
    terminal.progress(blockPosition(progress, of));
  };
  try {
    const start = performance.now();
    const spool = { always: values.spool !== undefined, file: values.spoolFile };
    const { sparsity, ...found } = await measure(
      { windows, likelihoods: encoded && { ...encoded, once: true } },
      { checkpoint, backend, signal, spool, onProgress },
    );
    const phases = { eval: (performance.now() - start) / 1000 };
    const perplexity = found.perplexity &&
      { label, perplexity: found.perplexity.perplexity, evaluation: manifest.plan.evaluation!, sparsity };
    if (perplexity) { for (const each of told) each.perplexity(perplexity); }
    const answers = exam && scoreExam(exam, encoded!, found.likelihoods!.answers), tasks: TaskRecord[] = [];
    for (const { record, documents } of answers ? taskRecords(exam.questions, { ...answers, sparsity }, label) : []) {
      for (const each of told) each.task(record, documents);
      tasks.push(record);
    }
    const peakBytes = await context.peakMemory();
    recorder.finish(phases, peakBytes);
    const { tokens, requestTokens } = found.likelihoods ?? {}, { requests, documents = () => [] } = answers ?? {};
    return { run: recorder.id, phases, peakBytes, perplexity, tasks, documents, tokens, requestTokens, requests };
  } catch (error) {
    recorder.fail(error, signal.aborted);
    throw error;
  }
}
