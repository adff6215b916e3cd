/**
 * A model's benchmarks as the Hub reads them: `model-index` in the front matter of its card
 * (github.com/huggingface/hub-docs/blob/main/modelcard.md). Whatever else stands in the front matter, comments too, stays as
 * it was written; so do results in the index that were not measured anew.
 */
import { CORE_SCHEMA, dump, load, YAMLException } from "js-yaml";
import { z } from "npm:zod@4.6.7";
import { PareError } from "../errors.ts";
import type { TaskRecord } from "./record.ts";

/** The front matter of a card: its beginning, what stands in it, its end. */
const FRONT = /(?<![\s\S])(\uFEFF?---\r?\n)([\s\S]*?)(^---[ \t]*(?:\r?\n|$))/m;

/** The index within a front matter: its key, and every line behind it that is a part of the same value. */
const INDEX = /^model-index:.*\r?\n(?:(?:[ \t-].*|[ \t]*)\r?\n)*/m;

/** An entry of an index, as far as it must be understood: the rest is taken along. */
const ResultSchema = z.looseObject({ dataset: z.unknown(), metrics: z.unknown() });
const IndexSchema = z.array(z.looseObject({ name: z.string(), results: z.array(ResultSchema) }));

/** The metrics as the Hub calls them; where it has no name of its own the harness's stands. */
const TYPES = { acc: "accuracy", acc_norm: "acc_norm", perplexity: "perplexity" } as const;

/** Four decimals: with a standard error of a thousandth, more say nothing. */
const round = (value: number) => Number(value.toFixed(4));

/** A benchmark as a result of the index. */
function resultOf({ name, set, shots, documents, total, figures }: TaskRecord): z.infer<typeof ResultSchema> {
  const metrics = Object.entries(figures) as [keyof typeof TYPES, { value: number; error?: number }][];
  return {
    task: { type: "text-generation", name: "Text Generation" },
    dataset: {
      name,
      // A task of the user's own has none on the Hub.
      type: set?.id ?? name,
      ...set && { config: set.config, split: set.split },
      args: { num_few_shot: shots, ...documents < total && { limit: documents } },
    },
    metrics: metrics.map(([metric, { value, error }]) => ({
      type: TYPES[metric],
      value: round(value),
      name: error === undefined ? metric : `${metric}, standard error ${round(error)}`,
    })),
  };
}

/**
 * The card with these benchmarks in its index. Groups have no data set of their own, and are left out.
 * @param model What the model is called, if the card has no index yet.
 * @throws PareError if the card's front matter, or its index, is none.
 */
export function withModelIndex(card: string, model: string, tasks: readonly TaskRecord[]): string {
  const fresh = tasks.filter(({ group }) => !group).map(resultOf);
  const [whole = "", begin = "---\n", yaml = "", end = "---\n\n"] = FRONT.exec(card) ?? [];
  const [first = { name: model, results: [] }, ...others] = readIndex(yaml);
  const same = (one: { readonly dataset?: unknown }, other: { readonly dataset?: unknown }) =>
    JSON.stringify(one.dataset) === JSON.stringify(other.dataset);
  const kept = first.results.filter((one) => !fresh.some((other) => same(one, other)));
  const index = [{ ...first, results: [...kept, ...fresh] }, ...others];
  const block = dump({ "model-index": index }, { lineWidth: -1, noRefs: true, schema: CORE_SCHEMA });
  const front = INDEX.test(yaml) ? yaml.replace(INDEX, () => block) : yaml + block;
  return begin + front + end + card.slice(whole.length);
}

function readIndex(yaml: string): z.infer<typeof IndexSchema> {
  // Nothing but remarks, which is no document.
  if (yaml.split("\n").every((line) => /^\s*(#|$)/.test(line))) return [];
  let front: unknown;
  try {
    front = load(yaml, { schema: CORE_SCHEMA });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    throw new PareError(`its front matter is no YAML: ${error.reason}`, { cause: error });
  }
  const index = Object(front)["model-index"] ?? [];
  // As it was written: what a schema gives back has its keys in the schema's order.
  if (IndexSchema.safeParse(index).success) return index;
  throw new PareError("its model-index is none: expected a list of names with results");
}
