/**
 * The model card: the README.md of a pruned model, ready for the Hub. Its front matter says what the Hub files it under;
 * the text, how the model came to be, what that cost, and how to repeat it. The base's licence holds for what was made of it,
 * so the card takes it over from the base's own card; where that says nothing, neither does this one.
 */
import { dump } from "js-yaml";
import { z } from "npm:zod@4.6.7";
import { PareError } from "../errors.ts";
import { commandLine } from "./command.ts";
import { parseFront, splitCard } from "./front_matter.ts";
import { MANIFEST_FILE } from "./manifest.ts";
import { fenced, inline, table } from "./markdown.ts";
import type { LinearRecord, Manifest } from "./record.ts";

/** The card's name beside a model, the Hub's. */
export const CARD_FILE = "README.md";

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

/** Names in a front matter: one or several. */
const Names = z.union([z.string(), z.array(z.string())]).optional().catch(undefined);

/** What of the base's front matter holds for a pruned copy as well (huggingface.co/docs/hub/model-cards). */
const INHERITED = z.object({ license: Names, license_name: Names, license_link: Names, language: Names });

/** A base's front matter, as far as it concerns a pruned copy; nothing if it cannot be read. */
type FrontMatter = z.infer<typeof INHERITED> | undefined;

/** Where the command stands. */
export const REPRODUCE = "## Reproduce";

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
  try {
    return INHERITED.catch({}).parse(parseFront(splitCard(card).yaml));
  } catch (error) {
    if (!(error instanceof PareError)) throw error;
    return undefined; // a base's card that is no YAML keeps no model from being pruned, and the new card says so
  }
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
