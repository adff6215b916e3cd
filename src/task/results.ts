/** What a model's answers are worth: by document, task and group, as the harness computes it. */
import type { Group } from "./mod.ts";
import type { Questions } from "./questions.ts";
import type { Document, Metric, Task } from "./task.ts";

/** What a model says of a request. */
export interface Answer {
  /** Nats: the logarithm of the continuation's probability. */
  readonly logLikelihood: number;
  /** Whether each of its tokens was the likeliest. */
  readonly greedy: boolean;
}

/** What a document gave, one number a metric; of a perplexity the log-likelihood. */
export type Scores = Readonly<Partial<Record<Metric, number>>>;

/** A number and its standard error; that of a single document, or of a perplexity, is not known. */
export interface Figure {
  /** Of a mean, from 0 to 1. */
  readonly value: number;
  /** The standard error. */
  readonly error?: number;
}

/** What a task or a group came to. */
export interface Result {
  /** The task's or group's. */
  readonly name: string;
  /** The task's or group's. */
  readonly version: number;
  /** Examples before each document; none said where the tasks of a group differ. */
  readonly shots?: number;
  /** Documents asked. */
  readonly documents: number;
  /** Documents that there are. */
  readonly total: number;
  /** Metric by metric. */
  readonly figures: Readonly<Partial<Record<Metric, Figure>>>;
  /** The accuracy of guessing: one over the number of choices, its mean over the documents; none where none are given. */
  readonly chance?: number;
  /** Of a group: its tasks by name, and what counts the same in it. */
  readonly group?: { readonly tasks: readonly string[]; readonly by: Group["by"] };
}

/** The place of the largest number, the first of equal ones. */
function argmax(numbers: readonly number[]): number {
  return numbers.reduce((best, number, i) => number > numbers[best] ? i : best, 0);
}

/** What one document gave. */
export function scoreDocument(task: Task, document: Document, answers: readonly Answer[]): Scores {
  const { right, lengths } = document, likelihoods = answers.map(({ logLikelihood }) => logLikelihood);
  const byCharacter = () => likelihoods.map((likelihood, i) => likelihood / lengths[i]);
  const of: Record<Metric, () => number> = {
    acc: () => Number(right === undefined ? answers[0].greedy : argmax(likelihoods) === right),
    acc_norm: () => Number(argmax(byCharacter()) === right),
    perplexity: () => likelihoods[0],
  };
  return Object.fromEntries(task.metrics.map((metric) => [metric, of[metric]()]));
}

const mean = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0) / numbers.length;

/** A mean, and the sample's deviation over the root of its size. */
function meanOf(numbers: readonly number[]): Figure {
  const value = mean(numbers), n = numbers.length;
  if (n < 2) return { value };
  return { value, error: Math.sqrt(numbers.reduce((sum, x) => sum + (x - value) ** 2, 0) / (n - 1) / n) };
}

/** What a task came to. */
export function resultOf({ task, shots, total, questions }: Questions, scores: readonly Scores[]): Result {
  const figures = task.metrics.map((metric): [Metric, Figure] => {
    const numbers = scores.map((score) => score[metric]!);
    return [metric, metric === "perplexity" ? { value: Math.exp(-mean(numbers)) } : meanOf(numbers)];
  });
  const guessed = questions.flatMap(({ document: { right, requests } }) =>
    right === undefined ? [] : 1 / requests.length
  );
  return {
    name: task.name,
    version: task.version,
    shots,
    documents: scores.length,
    total,
    figures: Object.fromEntries(figures),
    ...guessed.length > 0 && { chance: mean(guessed) },
  };
}

/**
 * What a group came to, in `acc`: the mean of its tasks, each counted once or by its documents. The error of the second is
 * pooled (the harness's `pooled_sample_stderr`).
 */
export function groupResult({ name, version, by }: Group, results: readonly Result[]): Result {
  const sizes = results.map(({ documents }) => documents), documents = sizes.reduce((a, b) => a + b);
  const figures = results.map(({ figures }) => figures.acc!), errors = figures.map(({ error }) => error ?? NaN);
  const weighted = by === "document";
  const average = (of: readonly number[]) =>
    weighted ? of.reduce((sum, value, i) => sum + value * sizes[i], 0) / documents : mean(of);
  const value = average(figures.map((figure) => figure.value)),
    chance = average(results.map(({ chance }) => chance ?? NaN));
  const squares = weighted
    ? errors.reduce((sum, error, i) => sum + (sizes[i] - 1) * error ** 2 * sizes[i], 0) /
      (documents - sizes.length) / documents
    : errors.reduce((sum, error) => sum + error ** 2, 0) / sizes.length ** 2;
  const shots = results.every((result) => result.shots === results[0].shots) ? results[0].shots : undefined;
  return {
    name,
    version,
    shots,
    documents,
    total: results.reduce((sum, { total }) => sum + total, 0),
    figures: { acc: { value, ...Number.isFinite(squares) && { error: Math.sqrt(squares) } } },
    ...Number.isFinite(chance) && { chance },
    group: { tasks: results.map(({ name }) => name), by },
  };
}
