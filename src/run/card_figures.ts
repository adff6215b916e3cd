/**
 * Figures in a model card: what `eval --card` writes into it, beside what stood there, whoever wrote that. A figure that was
 * measured anew takes the place of the one before.
 */
import { readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { disk, replaceFile } from "../checkpoint/disk.ts";
import { insteadOf, PareError, UNSEEN } from "../errors.ts";
import { CARD_FILE, REPRODUCE } from "./card.ts";
import { fileName } from "./manifest.ts";
import { table } from "./markdown.ts";
import { withModelIndex } from "./model_index.ts";
import type { Figure, PerplexityRecord, TaskRecord } from "./record.ts";
import type { Evaluated } from "./recorder.ts";

/** The next version of a model's card, until it is whole. */
export const NEW_CARD = `.${CARD_FILE}.partial`;

/** What was measured of a model. */
export type Measured = Pick<Evaluated, "perplexity" | "tasks">;

/** A part of a card that is a table of figures, to which others come later. */
interface Figures {
  readonly heading: string;
  readonly note: string;
  readonly head: readonly string[];
  /** The columns that say of what the figures are: a row that says the same is replaced. */
  readonly subject: readonly number[];
}

const PERPLEXITIES: Figures = {
  heading: "## Perplexity",
  note: "Two perplexities compare only if their protocols are the same.",
  head: ["model", "perplexity", "protocol"],
  subject: [0, 2],
};

const BENCHMARKS: Figures = {
  heading: "## Benchmarks",
  note:
    "Asked as lm-evaluation-harness asks them; in per cent, with standard errors. Two figures compare only if their " +
    "protocols are the same. Chance is the accuracy of guessing.",
  head: ["model", "task", "acc", "acc_norm", "perplexity", "chance", "protocol"],
  subject: [0, 1, 6],
};

/** The card with some perplexities more; one of the same model by the same protocol is replaced. */
export function withPerplexities(card: string, perplexities: readonly PerplexityRecord[]): string {
  const rows = perplexities.map((
    { label, perplexity, evaluation: { description, protocol, sequences, seqlen, sha256 } },
  ) => [
    label,
    // Four digits: a fifth depends on the backend's order of sums.
    perplexity.toPrecision(4),
    `${description}${protocol === undefined ? "" : `, ${protocol}`}, ${sequences} windows of ${seqlen} tokens, ids ${
      sha256.slice(0, 16)
    }…`,
  ]);
  return withFigures(card, PERPLEXITIES, rows);
}

/** The same of benchmarks and groups of them. */
export function withBenchmarks(card: string, tasks: readonly TaskRecord[]): string {
  const percent = (share: number) => (100 * share).toFixed(2);
  const shown = (figure?: Figure) =>
    figure ? [figure.value, ...figure.error === undefined ? [] : [figure.error]].map(percent).join(" ± ") : "–";
  const rows = tasks.map(({ label, name, figures, chance, shots, documents, total, version, longest, data }) => [
    ...[label, name, shown(figures.acc), shown(figures.acc_norm)],
    ...[figures.perplexity?.value.toPrecision(4) ?? "–", chance === undefined ? "–" : percent(chance)],
    `${shots ?? "several"} shots, ${documents} of ${total} documents, version ${version}, ` +
    (longest === undefined ? "" : `cut to ${longest} tokens, `) +
    `data ${data.map((sha256) => `${sha256.slice(0, 16)}…`).join(" ")}`,
  ]);
  return withFigures(card, BENCHMARKS, rows);
}

/** The card with some rows more in a table of it. All other rows stay, and what else stands in the card, whoever wrote it. */
function withFigures(card: string, { heading, note, head, subject }: Figures, rows: readonly string[][]): string {
  const [found = ""] = new RegExp(`^${heading}\\n[\\s\\S]*?(?=^## |(?![\\s\\S]))`, "m").exec(card) ?? [];
  const [top, rule, ...fresh] = table(head, rows).split("\n");
  // Between the bars that are none of a cell's own.
  const subjectOf = (row: string) => {
    const cells = row.split(/(?<!\\)\|/).slice(1);
    return subject.map((at) => cells[at]).join("|");
  };
  const kept = found.split("\n").filter((line) =>
    line.startsWith("| ") && ![top, rule].includes(line) && !fresh.some((row) => subjectOf(row) === subjectOf(line))
  );
  const section = `${heading}\n\n${note}\n\n` + [top, rule, ...kept, ...fresh].join("\n") + "\n\n";
  if (found) return card.replace(found, () => section);
  const at = card.indexOf(REPRODUCE);
  return at < 0 ? `${card.trimEnd()}\n\n${section.trimEnd()}\n` : card.slice(0, at) + section + card.slice(at);
}

/**
 * Writes what was measured into a model's card, beside what is known of the dense model.
 * @throws PareError if that is not possible; the card is then as it was.
 */
export async function addToCard(model: string, found: Measured, dense: Measured): Promise<void> {
  const path = join(model, CARD_FILE), next = join(model, NEW_CARD);
  try {
    const perplexities = [dense, found].flatMap(({ perplexity }) => perplexity ?? []);
    let card = await readFile(path, "utf8");
    if (found.perplexity) card = withPerplexities(card, perplexities);
    if (found.tasks.length) {
      card = withBenchmarks(card, [...dense.tasks, ...found.tasks]);
      card = withModelIndex(card, fileName(resolve(model)), found.tasks);
    }
    replaceFile(next, card);
    await disk.sync(next);
    disk.rename(next, path);
    await disk.sync(model);
  } catch (error) {
    await rm(next).catch(insteadOf(UNSEEN, undefined)); // else it is told why
    if (Object(error).code === undefined && !(error instanceof PareError)) throw error;
    throw new PareError(`--card: ${path}: ${(error as Error).message}`, { cause: error });
  }
}
