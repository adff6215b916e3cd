/** What `compare` measures of each model: perplexity on windows, answers to benchmarks, or both in one pass. */
import type { Position } from "../../src/cli/progress.ts";
import { type Checkpoint, measure, openCheckpoint, type StreamOptions, type Windows } from "../../src/mod.ts";
import { pair, type Paired, pairGroup } from "../../src/run/paired.ts";
import { headline, type Result } from "../../src/task/results.ts";
import { type Answered, type Encoded, encodeExam, encoding, type Exam, scoreExam } from "../shared/exam.ts";

/** Benchmarks with their questions as tokens. */
export type Asked = Exam & Encoded;

/** What is measured. */
export interface Yardstick {
  readonly windows?: Windows;
  readonly exam?: Asked;
}

/** What was measured of a model. */
export interface Measured {
  readonly sparsity: number;
  readonly perplexity?: number;
  readonly results?: readonly Result[];
  readonly documents?: readonly Answered[];
}

/**
 * An exam as a model's tokens, which its pruned copies share. Several tasks without a group of their own are one: their mean
 * is what methods are compared by.
 */
export async function prepareExam(
  exam: Exam,
  checkpoint: Checkpoint,
  seqlen: number | undefined,
  { signal, show }: { readonly signal: AbortSignal; readonly show: (position: Position) => void },
): Promise<Asked> {
  const encoded = await encodeExam(exam, checkpoint, seqlen, {
    signal,
    onEncoded: (done, total) => show(encoding(done, total)),
  });
  const tasks = exam.questions.map(({ task }) => task), alone = exam.groups.length || tasks.length === 1;
  const groups = alone ? exam.groups : [{ name: "mean", tasks, by: "task" as const, version: 1 }];
  return { ...exam, groups, ...encoded };
}

/** By how much the accuracy that methods are compared by differs from another model's, paired by question. */
export function differenceOf(
  results: readonly Result[],
  first: readonly Answered[],
  second: readonly Answered[],
): Paired | undefined {
  const stands = headline(results);
  if (!stands) return undefined;
  const { tasks, by } = stands.group ?? { tasks: [stands.name], by: "document" };
  const scores = (documents: readonly Answered[], name: string) =>
    documents.filter(({ task }) => task === name).map(({ scores }) => scores.acc!);
  return pairGroup(tasks.map((name) => pair(scores(first, name), scores(second, name))), by);
}

/** Measures the model at a path. @param pass How a pass over it is made, by what it is for. */
export async function measureAt(
  path: string,
  { windows, exam }: Yardstick,
  pass: (what: string) => Omit<StreamOptions, "checkpoint">,
): Promise<Measured> {
  await using checkpoint = await openCheckpoint(path);
  const what = [windows && "perplexity", exam && "tasks"].filter((each) => each !== undefined).join(" and ");
  const { perplexity, likelihoods, sparsity } = await measure(
    { windows, likelihoods: exam },
    { ...pass(what), checkpoint },
  );
  const answers = exam && scoreExam(exam, exam, likelihoods!);
  return {
    sparsity,
    ...perplexity && { perplexity: perplexity.perplexity },
    ...answers && { results: answers.results, documents: answers.documents },
  };
}
