/** `deno task inspect`: what a checkpoint holds. Of a damaged one, what can still be read, and what is wrong with it. */
import { inspectCommand } from "../src/cli/inspect_command.ts";
import type { Values } from "../src/cli/flags.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { table } from "../src/cli/table.ts";
import { showBytes, showCount, showShare } from "../src/cli/units.ts";
import { type ModelSummary, summarize } from "../src/model/summary.ts";
import { findLinears, type Found, lookAtAll, type Model, open, parseSpec } from "./inspect/model.ts";

/** Damaged tensors that are named; of a file that was cut in half more would be said than is read. */
const NAMED = 3;

function describeModel(model: ModelSummary): string {
  const { family, blocks, hidden, heads, headDim, kvHeads, intermediate, experts, vocabulary, maxLength, tied } = model;
  return `${family}: ${blocks} blocks, hidden ${hidden}, ${heads} heads of ${headDim} (${kvHeads} for keys and values), ` +
    `MLP ${intermediate}${experts ? ` (${experts} experts)` : ""}, vocabulary ${vocabulary}${
      tied ? " (tied head)" : ""
    }, up to ${maxLength} tokens`;
}

/** Sizes of these tensors in one row; of a packed file also what they take there. */
function sizes(label: string, tensors: readonly Found[], packed: Model["packed"]): string[] {
  const bytes = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
  const dtypes = [...new Set(tensors.map(({ dtype }) => dtype))].join(", ");
  const there = tensors.reduce((sum, { name, bytes }) => sum + (packed?.get(name)?.bytes ?? bytes), 0);
  return [label, `${tensors.length}`, dtypes, showBytes(bytes), ...packed ? [showBytes(there)] : []];
}

function linearRow({ name, shape, dtype, bytes, description, damage }: Found, packed: Model["packed"]): string[] {
  const { zeros, sparsity, pattern } = description ?? {}, held = packed?.get(name);
  return [
    name.replace(/\.weight$/, ""),
    shape.join(" x "),
    dtype,
    showBytes(bytes),
    zeros === undefined ? "-" : showCount(zeros),
    sparsity === undefined ? "-" : showShare(sparsity),
    damage ? "damaged" : pattern ?? "none",
    ...packed ? [held?.kind ?? "no", showBytes(held?.bytes ?? bytes)] : [],
  ];
}

async function main(values: Values<typeof inspectCommand.flags>, context: Context): Promise<Outcome> {
  await using remains = await open(values.model, context);
  const { packed } = remains, { spec, problem } = parseSpec(remains), found = findLinears(spec, remains.tensors);
  const shape = spec && summarize(spec);
  const tensors = await lookAtAll(remains, spec, found, context.signal);
  const linears = tensors.filter(({ name }) => found.has(name));
  const known = linears.flatMap(({ description, shape: [rows, cols] }) =>
    description ? [{ ...description, weights: rows * cols }] : []
  );
  const zeros = known.reduce((sum, linear) => sum + linear.zeros, 0);
  const weights = known.reduce((sum, linear) => sum + linear.weights, 0);
  const sparsity = weights ? zeros / weights : 0;
  const patterns = [...new Set(known.map(({ pattern }) => pattern ?? "none"))];
  const damaged = tensors.flatMap(({ damage }) => damage ?? []);
  const problems = [
    ...remains.problems,
    ...problem ? [problem] : [],
    ...damaged.slice(0, NAMED),
    ...damaged.length > NAMED ? [`${damaged.length - NAMED} more tensors are damaged`] : [],
  ];
  const shards = Map.groupBy(tensors, ({ shard }) => shard);
  return {
    text: [
      `${remains.path}: ${shape ? describeModel(shape) : "no usable config.json"}`,
      table(["", "tensors", "dtype", "size", ...packed ? ["packed size"] : []], [
        ...[...shards].sort().map(([shard, held]) => sizes(shard, held, packed)),
        sizes("linears", linears, packed),
        sizes("all", tensors, packed),
      ]),
      table(
        [
          "linear",
          "shape",
          "dtype",
          "size",
          "zeros",
          "sparsity",
          "pattern",
          ...packed ? ["packed", "packed size"] : [],
        ],
        linears.map((linear) => linearRow(linear, packed)),
      ),
      `linears: ${showShare(sparsity)} of ${showCount(weights)} weights are zero; pattern: ${patterns.join(", ")}`,
    ].join("\n\n"),
    json: {
      model: remains.path,
      shape: shape ?? null,
      sparsity,
      tensors: tensors.map(({ name, shape, dtype, bytes, shard, description, damage }) => ({
        name,
        shape,
        dtype,
        bytes,
        shard,
        ...description && {
          zeros: description.zeros,
          sparsity: description.sparsity,
          pattern: description.pattern ?? null,
          largestGroup: Object.fromEntries(description.largestGroup),
        },
        ...damage && { damage },
        ...packed?.has(name) && { packed: packed.get(name) },
      })),
      problems,
    },
    problems,
  };
}

/** What `pare inspect` runs. */
export const program = [inspectCommand, main] as const;

if (import.meta.main) await run(...program);
