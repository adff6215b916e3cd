/**
 * The model card: the README.md of a pruned model, ready for the Hub. Its front matter says what the Hub files it under;
 * the text, how the model came to be, what that cost, and how to repeat it. The base's licence holds for what was made of it,
 * so the card takes it over from the base's own card; where that says nothing, neither does this one.
 */
import { readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { CORE_SCHEMA, dump, load, YAMLException } from "js-yaml";
import { z } from "npm:zod@4.6.7";
import { disk, replaceFile } from "../checkpoint/disk.ts";
import { insteadOf, PareError, UNSEEN } from "../errors.ts";
import { commandLine } from "./command.ts";
import { fileName, MANIFEST_FILE } from "./manifest.ts";
import { withModelIndex } from "./model_index.ts";
import type { Figure, LinearRecord, Manifest, PerplexityRecord, TaskRecord } from "./record.ts";
import type { Evaluated } from "./recorder.ts";

/** The card's name beside a model, the Hub's. */
export const CARD_FILE = "README.md";

/** The next version of a model's card, until it is whole. */
export const NEW_CARD = `.${CARD_FILE}.partial`;

/** What a card tells of. */
export interface Subject {
  /** What was done. */
  readonly manifest: Manifest;
  /** The base's id on the Hub, where it came from there. */
  readonly baseId?: string;
  /** The base's own card, README.md, where it has one. */
  readonly baseCard?: string;
  /** Every linear that was pruned. */
  readonly linears: readonly Pick<LinearRecord, "rows" | "cols" | "zeros">[];
}

/** What was measured of a model. */
export type Measured = Pick<Evaluated, "perplexity" | "tasks">;

/** Names in a front matter: one or several. */
const Names = z.union([z.string(), z.array(z.string())]).optional().catch(undefined);

/** What of the base's front matter holds for a pruned copy as well (huggingface.co/docs/hub/model-cards). */
const INHERITED = z.object({ license: Names, license_name: Names, license_link: Names, language: Names });

/** A base's front matter, as far as it concerns a pruned copy; nothing if it cannot be read. */
type FrontMatter = z.infer<typeof INHERITED> | undefined;

/** Where the command stands. */
const REPRODUCE = "## Reproduce";

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

/** The card. */
export function modelCard({ manifest, baseId, baseCard, linears }: Subject): string {
  const { plan } = manifest, { method, pattern } = plan.request;
  const base = readFrontMatter(baseCard);
  const front = {
    ...baseId !== undefined && { base_model: baseId },
    ...Object.fromEntries(Object.entries(base ?? {}).filter((entry) => entry[1] !== undefined)),
    library_name: "transformers",
    pipeline_tag: "text-generation",
    tags: ["pruned", "sparse", "pare", ...[method, pattern ?? "unstructured"].filter((tag) => typeof tag === "string")],
  };
  const sections = [
    `---\n${dump(front)}---`,
    `# ${inline(plan.model.name)}, pruned`,
    `${inline(baseId ?? plan.model.name)} with ${
      shareOf(linears)
    } of the weights of its linear layers set to zero by ` +
    `Pare ${inline(plan.pare)}. Files, names and dtypes are the base's.`,
    how(manifest),
    `${REPRODUCE}\n\n${fenced(commandLine(manifest))}\n\n` +
    `\`${MANIFEST_FILE}\` holds the SHA-256 of everything that went in; \`deno task verify ${MANIFEST_FILE}\` runs it again ` +
    "and compares every mask and weight.",
    licence(base, baseId),
  ];
  return sections.join("\n\n") + "\n";
}

/** The card with some perplexities more; one of the same model by the same protocol is replaced. */
export function withPerplexities(card: string, perplexities: readonly PerplexityRecord[]): string {
  const rows = perplexities.map(({ label, perplexity, evaluation: { description, sequences, seqlen, sha256 } }) => [
    label,
    // Four digits: a fifth depends on the backend's order of sums.
    perplexity.toPrecision(4),
    `${description}, ${sequences} windows of ${seqlen} tokens, ids ${sha256.slice(0, 16)}…`,
  ]);
  return withFigures(card, PERPLEXITIES, rows);
}

/** The same of benchmarks and groups of them. */
export function withBenchmarks(card: string, tasks: readonly TaskRecord[]): string {
  const percent = (share: number) => (100 * share).toFixed(2);
  const shown = (figure?: Figure) =>
    figure ? [figure.value, ...figure.error === undefined ? [] : [figure.error]].map(percent).join(" ± ") : "–";
  const rows = tasks.map(({ label, name, figures, chance, shots, documents, total, version, data }) => [
    ...[label, name, shown(figures.acc), shown(figures.acc_norm)],
    ...[figures.perplexity?.value.toPrecision(4) ?? "–", chance === undefined ? "–" : percent(chance)],
    `${shots ?? "several"} shots, ${documents} of ${total} documents, version ${version}, ` +
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

function how({ plan, planId, backend }: Manifest): string {
  const { method, pattern, sparsity } = plan.request, { calibration } = plan;
  const rows = [
    ["method", method],
    ["pattern", pattern ?? "unstructured"],
    ["sparsity asked", sparsity],
    [
      "calibration",
      calibration && `${calibration.sequences} x ${calibration.seqlen} tokens of ${calibration.description}`,
    ],
    ["backend", `${plan.backend} (${backend})`],
    ["base's SHA-256", plan.model.sha256],
    ["plan", planId],
  ].filter(([, value]) => value !== undefined);
  return `## How\n\n${table(["", ""], rows.map(([name, value]) => [String(name), asText(value)]))}`;
}

function licence(base: FrontMatter, baseId?: string): string {
  const from = `The base${baseId === undefined ? "" : ` (${inline(baseId)})`}`;
  const text = base?.license !== undefined
    ? `The base's: ${inline([base.license_name ?? base.license].flat().join(", "))}.`
    : base
    ? `${from} names none in its card; its terms hold here as well.`
    : `${from} has a card that cannot be read as YAML; what it says there holds here as well.`;
  return `## Licence\n\n${text}`;
}

function shareOf(linears: Subject["linears"]): string {
  const sum = (count: (linear: Subject["linears"][number]) => number) =>
    linears.reduce((all, each) => all + count(each), 0);
  const weights = sum(({ rows, cols }) => rows * cols);
  return weights ? `${(100 * sum(({ zeros }) => zeros) / weights).toFixed(1)} %` : "none";
}

/** The front matter of a card that anybody may have written: what is no YAML object says nothing. */
function readFrontMatter(card = ""): FrontMatter {
  const [, yaml] = /^\uFEFF?---\r?\n([\s\S]*?)\r?\n---(?:\r?\n|$)/.exec(card) ?? [];
  if (yaml === undefined) return {};
  try {
    // The core schema: YAML 1.2, in which `no` is a language and a date is a text.
    return INHERITED.catch({}).parse(load(yaml, { schema: CORE_SCHEMA }));
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    return undefined; // a base's card that is no YAML keeps no model from being pruned, and the new card says so
  }
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => inline(cell).replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** A text on one line that Markdown takes as it is. */
function inline(text: string): string {
  return text.replace(/\s+/g, " ").replace(/[\\`*<>[\]]/g, "\\$&");
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** A code block whose fence is longer than any in the text. */
function fenced(text: string): string {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map(({ length }) => length));
  const fence = "`".repeat(longest + 1);
  return `${fence}sh\n${text}\n${fence}`;
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
