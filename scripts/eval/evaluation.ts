/** What `eval` computes where it is not known yet: the perplexity, then the answers to benchmarks, recorded as one run. */
import type { Context } from "../../src/cli/run.ts";
import {
  type Backend,
  type Checkpoint,
  evaluate,
  type Progress,
  type StreamOptions,
  type Windows,
} from "../../src/mod.ts";
import { taskRecords } from "../../src/run/benchmarks.ts";
import { labelsOf } from "../../src/run/labels.ts";
import type { Manifest, PerplexityRecord } from "../../src/run/record.ts";
import { type Evaluated, Recorder } from "../../src/run/recorder.ts";
import type { Given } from "./request.ts";
import { answerExam, type Answers, type Encoded, encodeExam, encoding, type Exam } from "../shared/exam.ts";
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

/** Evaluates, and records it. @throws PareError as `evaluate` and `answerExam`; what cannot be asked before a run begins. */
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
  const label = base ? "pruned" : "dense", phases: Record<string, number> = {};
  // A model that Pare has pruned here: its own run shows what it cost.
  const told = [recorder, base && recorder.of(base.planId)].filter((each) => each !== undefined);
  const pass = (of?: string): StreamOptions => ({
    checkpoint,
    backend,
    signal,
    spool: { always: values.spool !== undefined, file: values.spoolFile },
    onProgress: (progress: Progress) => {
      const { phase, block, blocks, tokens, totalTokens } = progress;
      const named = of === undefined ? phase : `${of}, ${phase}`;
      recorder.progress({ phase: named, block, blocks, done: tokens, total: totalTokens });
      terminal.progress(blockPosition(progress, of));
    },
  });
  const timed = async <T>(phase: string, act: () => Promise<T>): Promise<T> => {
    const start = performance.now(), result = await act();
    phases[phase] = (performance.now() - start) / 1000;
    return result;
  };
  const measure = async (batch: Windows): Promise<PerplexityRecord> => {
    const { perplexity, sparsity } = await evaluate(batch, pass());
    const record = { label, perplexity, evaluation: manifest.plan.evaluation!, sparsity };
    for (const each of told) each.perplexity(record);
    return record;
  };
  const ask = async (exam: Exam, encoded: Encoded) => {
    const answers = await answerExam(exam, encoded, pass("tasks"));
    const records = taskRecords(exam.questions, answers, label);
    for (const each of told) for (const { record, documents } of records) each.task(record, documents);
    return { ...answers, tasks: records.map(({ record }) => record) };
  };
  try {
    const perplexity = windows && await timed("eval", () => measure(windows));
    const asked = exam && await timed("tasks", () => ask(exam, encoded!));
    const peakBytes = await context.peakMemory();
    recorder.finish(phases, peakBytes);
    return { run: recorder.id, phases, peakBytes, perplexity, tasks: [], documents: [], ...asked };
  } catch (error) {
    recorder.fail(error, signal.aborted);
    throw error;
  }
}
