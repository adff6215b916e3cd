/**
 * Two models' answers to the same documents: by how much they differ, how sure that is, and whether it may be chance. The
 * documents were the same, so what is uncertain is the difference of each: the surer the more often both are right together.
 */
import { meanOf, weightsOf } from "../task/results.ts";
import type { TaskRecord } from "./record.ts";

/** The difference of a second model to a first one. */
export interface Paired {
  /** Documents that both were asked. */
  readonly documents: number;
  /** Mean score of the second less that of the first, over these. */
  readonly difference: number;
  /** The standard error of that: the sample's deviation of the documents' differences over the root of their number. */
  readonly error?: number;
  /** Documents that only the second got right. */
  readonly won: number;
  /** Documents that only the first got right. */
  readonly lost: number;
  /**
   * How likely documents would be won and lost as unevenly as this if either were as likely: McNemar's test, exact and
   * two-sided (McNemar 1947). None of a group whose tasks count the same, since documents then do not.
   */
  readonly p?: number;
}

/** Pairs scores of 0 or 1 by their place; where one has more, only those that both have. */
export function pair(first: readonly number[], second: readonly number[]): Paired {
  const documents = Math.min(first.length, second.length);
  const differences = Array.from({ length: documents }, (_, at) => second[at] - first[at]);
  const { value: difference, error } = meanOf(differences);
  const won = differences.filter((each) => each > 0).length, lost = differences.filter((each) => each < 0).length;
  return {
    documents,
    difference,
    ...error !== undefined && { error },
    ...{ won, lost, p: mcnemar(won, lost) },
  };
}

/** The same of a group, out of its tasks: independent, each weighted as the group's own figure weights it. */
export function pairGroup(tasks: readonly Paired[], by: NonNullable<TaskRecord["group"]>["by"]): Paired {
  const sum = (of: (task: Paired) => number) => tasks.reduce((all, task) => all + of(task), 0);
  const documents = sum((task) => task.documents), won = sum((task) => task.won), lost = sum((task) => task.lost);
  const weights = weightsOf(by, tasks.map((task) => task.documents));
  const variance = tasks.reduce((all, { error = NaN }, at) => all + (weights[at] * error) ** 2, 0);
  return {
    documents,
    difference: tasks.reduce((all, { difference }, at) => all + weights[at] * difference, 0),
    ...!Number.isNaN(variance) && { error: Math.sqrt(variance) },
    ...{ won, lost },
    ...by === "document" && { p: mcnemar(won, lost) },
  };
}

/** Twice the chance that of so many tosses of a coin no more than the fewer fall on one side. */
function mcnemar(won: number, lost: number): number {
  const tosses = won + lost, fewer = Math.min(won, lost);
  // C(tosses, k) / 2 ** tosses, by its logarithm: 2 ** -tosses alone would be 0 from 1075 tosses on.
  let logarithm = -tosses * Math.LN2, tail = Math.exp(logarithm);
  for (let k = 1; k <= fewer; k++) {
    logarithm += Math.log((tosses - k + 1) / k);
    tail += Math.exp(logarithm);
  }
  return Math.min(1, 2 * tail);
}
