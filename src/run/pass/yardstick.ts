/** What `compare` measures of each model: perplexity on windows, answers to benchmarks, or both in one pass. */
import {
  type Answers,
  type Checkpoint,
  type Encoded,
  type Exam,
  measure,
  openCheckpoint,
  type Result,
  scoreExam,
  type StreamOptions,
  type Windows,
} from "../../mod.ts";
import { pair, type Paired, pairGroup } from "../paired.ts";
import { headline } from "../../task/results.ts";

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
  readonly documents?: Answers["documents"];
}

/** The exam with a group to compare methods by: several tasks without one of their own are one, and their mean is that. */
export function withMean({ questions, groups }: Exam): Exam {
  const tasks = questions.map(({ task }) => task), alone = groups.length || tasks.length === 1;
  return { questions, groups: alone ? groups : [{ name: "mean", tasks, by: "task", version: 1 }] };
}

/** By how much the accuracy that methods are compared by differs from another model's, paired by question. */
export function differenceOf(
  results: readonly Result[],
  first: Answers["documents"],
  second: Answers["documents"],
): Paired | undefined {
  const stands = headline(results);
  if (!stands) return undefined;
  const { tasks, by } = stands.group ?? { tasks: [stands.name], by: "document" };
  const scores = (documents: Answers["documents"], name: string) => documents(name).map(({ scores }) => scores.acc!);
  return pairGroup(tasks.map((name) => pair(scores(first, name), scores(second, name))), by);
}

/** Measures a model, at a path or as it is open. @param pass How a pass over it is made, by what it is for. */
export async function measureAt(
  model: string | Checkpoint,
  { windows, exam }: Yardstick,
  pass: (what: string) => Omit<StreamOptions, "checkpoint">,
): Promise<Measured> {
  await using opened = typeof model === "string" ? await openCheckpoint(model) : undefined;
  const checkpoint = opened ?? model as Checkpoint;
  const what = [windows && "perplexity", exam && "tasks"].filter((each) => each !== undefined).join(" and ");
  const { perplexity, likelihoods, sparsity } = await measure(
    { windows, likelihoods: exam },
    { ...pass(what), checkpoint },
  );
  const answers = exam && scoreExam(exam, exam, likelihoods!.answers);
  return {
    sparsity,
    ...perplexity && { perplexity: perplexity.perplexity },
    ...answers && { results: answers.results, documents: answers.documents },
  };
}
