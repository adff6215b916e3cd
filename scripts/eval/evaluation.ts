/** What `eval` computes where it is not known yet: a perplexity and the answers to benchmarks, in one pass and as one run. */
import type { Context } from "../../src/cli/run.ts";
import { type Backend, type Checkpoint, measure, type Progress, type Windows } from "../../src/mod.ts";
import { taskRecords } from "../../src/run/benchmarks.ts";
import { labelsOf } from "../../src/run/labels.ts";
import type { Manifest } from "../../src/run/record.ts";
import { type Evaluated, Recorder } from "../../src/run/recorder.ts";
import type { Given } from "./request.ts";
import { type Answers, encodeExam, encoding, type Exam, scoreExam } from "../shared/exam.ts";
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
export type Found = Evaluated & Partial<Pick<Answers, "tokens" | "requestTokens">>;

/** Evaluates, and records it. @throws PareError as `measure`; what cannot be asked before a run begins. */
export async function work(
  { values, checkpoint, backend, manifest, base, windows, exam }: Work,
  context: Context,
): Promise<Found> {
  const { terminal, signal } = context;
  const encoded = exam && await encodeExam(exam, checkpoint, values.seqlen, {
    signal,
    onEncoded: (done, total) => terminal.progress(encoding(done, total)),
  });
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
      { windows, likelihoods: encoded },
      { checkpoint, backend, signal, spool, onProgress },
    );
    const phases = { eval: (performance.now() - start) / 1000 };
    const perplexity = found.perplexity &&
      { label, perplexity: found.perplexity.perplexity, evaluation: manifest.plan.evaluation!, sparsity };
    if (perplexity) { for (const each of told) each.perplexity(perplexity); }
    const answers = exam && scoreExam(exam, encoded!, found.likelihoods!);
    const records = answers ? taskRecords(exam.questions, answers, label) : [];
    for (const each of told) for (const { record, documents } of records) each.task(record, documents);
    const peakBytes = await context.peakMemory();
    recorder.finish(phases, peakBytes);
    const tasks = records.map(({ record }) => record);
    return { run: recorder.id, phases, peakBytes, perplexity, documents: [], ...answers, tasks };
  } catch (error) {
    recorder.fail(error, signal.aborted);
    throw error;
  }
}
