/** What a model's answers are worth: by document, task and group, as the harness computes it. */
import type { Group } from "./mod.ts";
import type { Questions } from "./questions.ts";
import type { Key } from "./key.ts";
import type { Metric, Task } from "./task.ts";

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
  /**
   * Tokens that a request had at most, where some was longer and lost its front: those are other questions. Where none was,
   * they are the same ones whatever the model takes.
   */
  readonly longest?: number;
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
export function scoreDocument(
  task: Task,
  { right, lengths }: Pick<Key, "right" | "lengths">,
  answers: readonly Answer[],
): Scores {
  const likelihoods = answers.map(({ logLikelihood }) => logLikelihood);
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
export function meanOf(numbers: readonly number[]): Figure {
  const value = mean(numbers), n = numbers.length;
  if (n < 2) return { value };
  return { value, error: Math.sqrt(numbers.reduce((sum, x) => sum + (x - value) ** 2, 0) / (n - 1) / n) };
}

/**
 * What a task came to.
 * @param longest Tokens that a request had at most, if one was longer.
 */
export function resultOf(
  { task, shots, total, key }: Pick<Questions, "task" | "shots" | "total" | "key">,
  scores: readonly Scores[],
  longest?: number,
): Result {
  const figures = task.metrics.map((metric): [Metric, Figure] => {
    const numbers = scores.map((score) => score[metric]!);
    return [metric, metric === "perplexity" ? { value: Math.exp(-mean(numbers)) } : meanOf(numbers)];
  });
  const guessed: number[] = [];
  for (let i = 0; i < key.length; i++) {
    const { right, lengths } = key.at(i);
    if (right !== undefined) guessed.push(1 / lengths.length);
  }
  return {
    name: task.name,
    version: task.version,
    shots,
    documents: scores.length,
    total,
    ...longest !== undefined && { longest },
    figures: Object.fromEntries(figures),
    ...guessed.length > 0 && { chance: mean(guessed) },
  };
}

/** What each task counts in a group's figure: the same, or as many as it has documents. The sum is 1. */
export function weightsOf(by: Group["by"], documents: readonly number[]): number[] {
  const all = documents.reduce((a, b) => a + b, 0);
  return documents.map((own) => by === "document" ? own / all : 1 / documents.length);
}

/** The result that stands for all: the first group's, or else the only task's. */
export function headline<R extends Pick<Result, "group">>(results: readonly R[]): R | undefined {
  return results.find(({ group }) => group) ?? (results.length === 1 ? results[0] : undefined);
}

/** Results without those of the parts of a group that counts by the document: MMLU's subjects are 57. */
export function withoutParts<R extends Pick<Result, "name" | "group">>(results: readonly R[]): R[] {
  const parts = new Set(results.flatMap(({ group }) => group?.by === "document" ? group.tasks : []));
  return results.filter(({ name }) => !parts.has(name));
}

/**
 * What a group came to, in `acc`: the mean of its tasks, each counted once or by its documents. The error of the second is
 * pooled (the harness's `pooled_sample_stderr`).
 */
export function groupResult({ name, version, by }: Group, results: readonly Result[]): Result {
  const sizes = results.map(({ documents }) => documents), documents = sizes.reduce((a, b) => a + b);
  const figures = results.map(({ figures }) => figures.acc!), errors = figures.map(({ error }) => error ?? NaN);
  const weights = weightsOf(by, sizes);
  const average = (of: readonly number[]) => of.reduce((sum, value, i) => sum + value * weights[i], 0);
  const value = average(figures.map((figure) => figure.value)),
    chance = average(results.map(({ chance }) => chance ?? NaN));
  const squares = by === "document"
    ? errors.reduce((sum, error, i) => sum + (sizes[i] - 1) * error ** 2 * sizes[i], 0) /
      (documents - sizes.length) / documents
    : errors.reduce((sum, error, i) => sum + (weights[i] * error) ** 2, 0);
  const shots = results.every((result) => result.shots === results[0].shots) ? results[0].shots : undefined;
  const { longest } = results.find(({ longest }) => longest !== undefined) ?? {};
  return {
    name,
    version,
    shots,
    documents,
    total: results.reduce((sum, { total }) => sum + total, 0),
    ...longest !== undefined && { longest },
    figures: { acc: { value, ...Number.isFinite(squares) && { error: Math.sqrt(squares) } } },
    ...Number.isFinite(chance) && { chance },
    group: { tasks: results.map(({ name }) => name), by },
  };
}
