/**
 * A model's benchmarks as the Hub reads them: `model-index` in the front matter of its card
 * (github.com/huggingface/hub-docs/blob/main/modelcard.md). Whatever else stands in the front matter, comments too, stays as
 * it was written; so do results in the index that were not measured anew.
 */
import { isDeepStrictEqual } from "node:util";
import { CORE_SCHEMA, dump } from "js-yaml";
import { z } from "npm:zod@4.6.7";
import { PareError } from "../errors.ts";
import { parseFront, splitCard } from "./front_matter.ts";
import type { Metric, TaskRecord } from "./record.ts";

/**
 * The index within a front matter: its key, and every line behind it that is a part of the same value, or a remark or nothing
 * before such a line.
 */
const INDEX = /^(["']?)model-index\1[ \t]*:.*\r?\n(?:(?:[ \t]*(?:#.*)?\r?\n)*(?:-|[ \t]+[^\s#]).*\r?\n)*/m;

/** An entry of an index, as far as it must be understood: the rest is taken along. */
const ResultSchema = z.looseObject({ dataset: z.unknown(), metrics: z.unknown() });
const IndexSchema = z.array(z.looseObject({ name: z.string(), results: z.array(ResultSchema) }));

/** The metrics as the Hub calls them; where it has no name of its own the harness's stands. */
const TYPES: Partial<Record<Metric, string>> = { acc: "accuracy" };

/** Four decimals: with a standard error of a thousandth, more say nothing. */
const round = (value: number) => Number(value.toFixed(4));

/** A benchmark as a result of the index. */
function resultOf({ name, set, shots, documents, total, longest, figures }: TaskRecord): z.infer<typeof ResultSchema> {
  const metrics = Object.entries(figures) as [Metric, { value: number; error?: number }][];
  return {
    task: { type: "text-generation", name: "Text Generation" },
    dataset: {
      name,
      // A task of the user's own has none on the Hub.
      type: set?.id ?? name,
      ...set && { config: set.config, split: set.split },
      args: {
        num_few_shot: shots,
        ...documents < total && { limit: documents },
        ...longest !== undefined && { max_length: longest },
      },
    },
    metrics: metrics.map(([metric, { value, error }]) => ({
      type: TYPES[metric] ?? metric,
      value: round(value),
      name: error === undefined ? metric : `${metric}, standard error ${round(error)}`,
    })),
  };
}

/**
 * The card with these benchmarks in its index. Groups have no data set of their own, and are left out.
 * @param model What the model is called, if the card has no index yet.
 * @throws PareError if the card's front matter, or its index, is none, or it cannot be told where the index ends.
 */
export function withModelIndex(card: string, model: string, tasks: readonly TaskRecord[]): string {
  const fresh = tasks.filter(({ group }) => !group).map(resultOf);
  const { begin, yaml, end, rest } = splitCard(card), before = parseFront(yaml);
  const [first = { name: model, results: [] }, ...others] = indexOf(before);
  const kept = first.results.filter((one) => !fresh.some((other) => isDeepStrictEqual(one.dataset, other.dataset)));
  const index = [{ ...first, results: [...kept, ...fresh] }, ...others];
  const block = dump({ "model-index": index }, { lineWidth: -1, noRefs: true, schema: CORE_SCHEMA });
  const front = INDEX.test(yaml) ? yaml.replace(INDEX, () => block) : yaml + block;
  // A front matter may be written in ways that a search for lines does not know.
  if (!isDeepStrictEqual(parseFront(front), { ...Object(before), "model-index": index })) {
    throw new PareError("its front matter is written so that a model-index cannot be put in without changing the rest");
  }
  return (begin || "---\n") + front + (end || "---\n\n") + rest;
}

/** The index of a front matter. */
function indexOf(front: unknown): z.infer<typeof IndexSchema> {
  const index = Object(front)["model-index"] ?? [];
  // As it was written: what a schema gives back has its keys in the schema's order.
  if (IndexSchema.safeParse(index).success) return index;
  throw new PareError("its model-index is none: expected a list of names with results");
}
