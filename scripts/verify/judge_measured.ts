/**
 * What `verify` says of figures: perplexities, benchmarks and texts of a run and of its repetition. Where nothing was computed
 * differently they are the same to the bit, every log-likelihood of every document; there is no tolerance. Where something
 * was, it is told how far both agree, and nothing is asked of it.
 */
import type { Outcome } from "../../src/cli/run.ts";
import { table } from "../../src/cli/table.ts";
import { isSameProtocol } from "../../src/run/compare.ts";
import type { DocumentRecord, PerplexityRecord, TaskRecord, TextRecord } from "../../src/run/record.ts";
import { type About, mayDiffer } from "./judge.ts";

/** What was measured in a run. */
export interface Measured {
  readonly perplexities: readonly PerplexityRecord[];
  /** A group without documents. */
  readonly tasks: readonly { readonly record: TaskRecord; readonly documents: readonly DocumentRecord[] }[];
  readonly texts: readonly TextRecord[];
}

/** Compares the figures of a run with those of its repetition. */
export function judgeMeasured(about: About, expected: Measured, found: Measured): Outcome {
  const perplexities = expected.perplexities.map(({ label, perplexity, evaluation }) => ({
    label,
    expected: perplexity,
    found: found.perplexities.find((each) => each.label === label && isSameProtocol(each.evaluation, evaluation))
      ?.perplexity,
  }));
  const tasks = expected.tasks.map((task) =>
    compareTask(
      task,
      found.tasks.find(({ record: { label, name } }) => label === task.record.label && name === task.record.name),
    )
  );
  const texts = expected.texts.map((text, i) => compareText(i, text, found.texts[i]));
  const problems = [
    ...perplexities.filter(({ expected, found }) => expected !== found).map(({ label, expected, found }) =>
      `${label}: ${found ?? "none"}, the run has ${expected}`
    ),
    ...[...tasks, ...texts].flatMap(({ first }) => first ?? []),
  ];
  const identical = problems.length === 0, json = { ...about, identical, perplexities, tasks, texts };
  const tables = [
    ...perplexities.length ? [showPerplexities(perplexities)] : [],
    ...tasks.length ? [showTasks(tasks)] : [],
    ...texts.length ? [showTexts(texts)] : [],
  ];
  const shown = tables.join("\n\n");
  if (identical) {
    const what = [
      perplexities.length && "every perplexity",
      tasks.length && "every answer to every document",
      texts.length && "every token of every text",
    ];
    return { text: `${shown}\n\nidentical: ${what.filter(Boolean).join(" and ")}`, json };
  }
  if (about.differences.length) return { text: `${shown}\n\n${mayDiffer(about)}`, json };
  return { text: shown, json, problems: [`not identical; first ${problems[0]}`] };
}

/** A benchmark in a run and in its repetition. */
interface ComparedTask {
  readonly label: string;
  readonly name: string;
  readonly expected: TaskRecord["figures"];
  readonly found?: TaskRecord["figures"];
  /** Of a group none. */
  readonly documents: number;
  /** Of these, those whose every log-likelihood is the same. */
  readonly sameAnswers: number;
  /** Those that are worth the same by every metric. */
  readonly sameScores: number;
  /** Nats: by how much a log-likelihood differs at most. */
  readonly largest: number;
  /** What differs first, in words. */
  readonly first?: string;
}

function compareTask(expected: Measured["tasks"][number], found?: Measured["tasks"][number]): ComparedTask {
  const { label, name, figures } = expected.record,
    pairs = expected.documents.map((document, at) => [document, found?.documents[at]] as const);
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  const differing = pairs.findIndex(([one, other]) => !same(one, other));
  const likelihoods = (document?: DocumentRecord) =>
    document?.answers.map(({ logLikelihood }) => logLikelihood).join(", ") ?? "none";
  const first = !found
    ? `${name}: none, the run has it`
    : differing >= 0
    ? `${name}, document ${differing}: ${likelihoods(pairs[differing][1])}, the run has ${
      likelihoods(pairs[differing][0])
    }`
    : !same(figures, found.record.figures)
    ? `${name}: ${JSON.stringify(found.record.figures)}, the run has ${JSON.stringify(figures)}`
    : undefined;
  return {
    label,
    name,
    expected: figures,
    found: found?.record.figures,
    documents: pairs.length,
    sameAnswers: pairs.filter(([one, other]) => same(one.answers, other?.answers)).length,
    sameScores: pairs.filter(([one, other]) => same(one.scores, other?.scores)).length,
    largest: pairs.reduce(
      (most, [one, other]) =>
        one.answers.reduce(
          (most, { logLikelihood }, i) =>
            Math.max(most, Math.abs(logLikelihood - (other?.answers[i]?.logLikelihood ?? NaN))),
          most,
        ),
      0,
    ),
    first,
  };
}

/** A text of a run and of its repetition. */
interface ComparedText {
  readonly prompt: string;
  /** Its tokens. */
  readonly tokens: number;
  /** How many of them, from the first on, are the same. */
  readonly same: number;
  /** What differs first, in words. */
  readonly first?: string;
}

function compareText(at: number, { prompt, ids, text, finish }: TextRecord, found?: TextRecord): ComparedText {
  const other = ids.findIndex((id, i) => found?.ids[i] !== id), same = other < 0 ? ids.length : other;
  const equal = found && same === found.ids.length && same === ids.length && text === found.text &&
    finish === found.finish;
  const token = (ids?: readonly number[]) => ids?.[same] ?? "its end";
  const first = equal
    ? undefined
    : `text ${at + 1}, token ${same + 1}: ${token(found?.ids)}, the run has ${token(ids)}`;
  return { prompt, tokens: ids.length, same, first };
}

function showTexts(texts: readonly ComparedText[]): string {
  const begin = (prompt: string) => prompt.replace(/\s+/g, " ").trim().slice(0, 40);
  return table(
    ["text behind", "tokens", "the same, from the first on"],
    texts.map(({ prompt, tokens, same }) => [begin(prompt), `${tokens}`, `${same}`]),
  );
}

function showPerplexities(perplexities: readonly { label: string; expected: number; found?: number }[]): string {
  const rows = perplexities.map(({ label, expected, found }) => [label, `${expected}`, `${found ?? "-"}`]);
  return table(["perplexity", "run", "repetition"], rows);
}

function showTasks(tasks: readonly ComparedTask[]): string {
  const acc = (figures?: TaskRecord["figures"]) => figures?.acc?.value.toFixed(4) ?? "-";
  return table(
    ["task", "acc, run", "repetition", "documents", "same answers", "same scores", "largest difference"],
    tasks.map(({ label, name, expected, found, documents, sameAnswers, sameScores, largest }) => [
      label === "dense" || label === "pruned" ? name : `${name}, ${label}`,
      ...[acc(expected), acc(found)],
      ...documents ? [`${documents}`, `${sameAnswers}`, `${sameScores}`, largest.toPrecision(2)] : ["-", "-", "-", "-"],
    ]),
  );
}
