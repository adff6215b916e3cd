/** `deno task inspect`: what a checkpoint holds. Of a damaged one, what can still be read, and what is wrong with it. */
import type { Checkpoint, StoredTensor, TensorInfo } from "../src/checkpoint/checkpoint.ts";
import { describeLinear, type LinearDescription } from "../src/checkpoint/describe.ts";
import { openCheckpoint } from "../src/checkpoint/open.ts";
import { transpose } from "../src/checkpoint/transpose.ts";
import { type Remains, salvage } from "../src/checkpoint/salvage.ts";
import { inspectCommand } from "../src/cli/inspect_command.ts";
import type { Values } from "../src/cli/flags.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { table } from "../src/cli/table.ts";
import { showBytes, showCount, showShare } from "../src/cli/units.ts";
import { insteadOf, PareError } from "../src/errors.ts";
import { linearsOf, tensorNames } from "../src/model/layers.ts";
import { checkTensors, namesOf, parseConfig } from "../src/model/read.ts";
import type { Linear, ModelSpec } from "../src/model/spec.ts";
import { type ModelSummary, summarize } from "../src/model/summary.ts";

/** Damaged tensors that are named; of a file that was cut in half more would be said than is read. */
const NAMED = 3;

/** Bytes of small tensors that are read at once: a file may have a million of them. */
const READ_AT_ONCE = 8 << 20;

/** A tensor, what a linear's weight looks like, and why it could not be read if it could not. */
interface Found extends StoredTensor {
  readonly description?: LinearDescription;
  readonly damage?: string;
}

/** A model, and if it is whole, its tensors together. */
interface Model extends Remains {
  readonly readTensors?: Checkpoint["read"];
}

/** Opens a model, whole or damaged. One of which nothing is left is an error. */
async function open(model: string, { terminal }: Context): Promise<Model> {
  try {
    const checkpoint = await openCheckpoint(model, {
      onProgress: ({ file, received, size }) =>
        terminal.progress({ label: file, done: received, total: size, unit: "bytes" }),
    });
    return {
      path: checkpoint.path,
      config: checkpoint.config,
      tensors: checkpoint.tensors,
      others: checkpoint.others,
      problems: [],
      readTensors: (names) => checkpoint.read(names),
      readTensor: async (name) => (await checkpoint.read([name])).get(name)!,
      [Symbol.asyncDispose]: () => checkpoint[Symbol.asyncDispose](),
    };
  } catch (error) {
    if (!(error instanceof PareError)) throw error;
    const remains = await salvage(model).catch(insteadOf([PareError], undefined));
    if (!remains?.config && !remains?.tensors.size && !remains?.others.size) throw error;
    return { ...remains, problems: [...new Set([error.message, ...remains.problems])] };
  }
}

/** What the config says, and whether the tensors are those of such a model. */
function understand({ config, ...held }: Remains): { readonly spec?: ModelSpec; readonly problem?: string } {
  if (!config) return {};
  let spec: ModelSpec | undefined;
  try {
    spec = parseConfig(config, held.path, namesOf(held));
    checkTensors(spec, held);
    return { spec };
  } catch (error) {
    if (!(error instanceof PareError)) throw error;
    return { spec, problem: error.message };
  }
}

/** The linears of a model by their weights' names; of one whose config says nothing, every matrix of a block. */
function findLinears(spec: ModelSpec | undefined, tensors: ReadonlyMap<string, TensorInfo>) {
  const linears: Pick<Linear, "name" | "transposed">[] = spec
    ? spec.blocks.flatMap(linearsOf)
    : [...tensors.values()].filter(({ name, shape }) => shape.length === 2 && /\.\d+\..*\.weight$/.test(name))
      .map(({ name }) => ({ name: name.slice(0, -".weight".length), transposed: false }));
  return new Map(linears.map((linear) => [`${linear.name}.weight`, linear]));
}

/** Tensors in their order, together as far as they are small. */
function* batches(infos: readonly StoredTensor[]): Generator<StoredTensor[]> {
  let batch: StoredTensor[] = [], bytes = 0;
  for (const info of infos) {
    if (batch.length && bytes + info.bytes > READ_AT_ONCE) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(info);
    bytes += info.bytes;
  }
  if (batch.length) yield batch;
}

/** The bytes of tensors that are all whole; of others nothing, and each is looked at by itself. */
async function readWhole({ readTensors }: Model, infos: readonly TensorInfo[]) {
  try {
    return await readTensors?.(infos.map(({ name }) => name));
  } catch (error) {
    if (!(error instanceof PareError)) throw error; // else one of them is damaged
  }
}

async function look(
  model: Model,
  info: TensorInfo,
  linear?: Pick<Linear, "transposed">,
  read?: Uint8Array<ArrayBuffer>,
): Promise<Found> {
  try {
    const bytes = read ?? await model.readTensor(info.name), { dtype, shape } = info;
    if (!linear || shape.length !== 2) return info;
    const [rows, cols] = shape;
    const description = linear.transposed
      ? describeLinear(transpose(bytes, rows, cols, dtype), dtype, [cols, rows])
      : describeLinear(bytes, dtype, shape);
    return { ...info, description };
  } catch (error) {
    if (!(error instanceof PareError)) throw error;
    return { ...info, damage: error.message };
  }
}

function describeModel(model: ModelSummary): string {
  const { family, blocks, hidden, heads, headDim, kvHeads, intermediate, experts, vocabulary, maxLength, tied } = model;
  return `${family}: ${blocks} blocks, hidden ${hidden}, ${heads} heads of ${headDim} (${kvHeads} for keys and values), ` +
    `MLP ${intermediate}${experts ? ` (${experts} experts)` : ""}, vocabulary ${vocabulary}${
      tied ? " (tied head)" : ""
    }, up to ${maxLength} tokens`;
}

/** Sizes of these tensors in one row. */
function sizes(label: string, tensors: readonly Found[]): string[] {
  const bytes = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
  const dtypes = [...new Set(tensors.map(({ dtype }) => dtype))].join(", ");
  return [label, `${tensors.length}`, dtypes, showBytes(bytes)];
}

function linearRow({ name, shape, dtype, bytes, description, damage }: Found): string[] {
  const { zeros, sparsity, pattern } = description ?? {};
  return [
    name.replace(/\.weight$/, ""),
    shape.join(" x "),
    dtype,
    showBytes(bytes),
    zeros === undefined ? "-" : showCount(zeros),
    sparsity === undefined ? "-" : showShare(sparsity),
    damage ? "damaged" : pattern ?? "none",
  ];
}

async function main(values: Values<typeof inspectCommand.flags>, context: Context): Promise<Outcome> {
  await using remains = await open(values.model, context);
  const { spec, problem } = understand(remains), found = findLinears(spec, remains.tensors);
  const shape = spec && summarize(spec);
  const order = new Intl.Collator("en", { numeric: true });
  // Buffers that a file carries besides may hold anything.
  const model = spec && tensorNames(spec);
  const looksAt = (info: StoredTensor): info is TensorInfo =>
    remains.tensors.has(info.name) && (!model || model.has(info.name));
  const infos = [...remains.tensors.values(), ...remains.others.values()].sort((a, b) => order.compare(a.name, b.name));
  const tensors: Found[] = [];
  for (const batch of batches(infos)) {
    context.signal.throwIfAborted();
    const read = await readWhole(remains, batch.filter(looksAt));
    for (const info of batch) {
      tensors.push(looksAt(info) ? await look(remains, info, found.get(info.name), read?.get(info.name)) : info);
    }
  }

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
      table(["", "tensors", "dtype", "size"], [
        ...[...shards].sort().map(([shard, held]) => sizes(shard, held)),
        sizes("linears", linears),
        sizes("all", tensors),
      ]),
      table(["linear", "shape", "dtype", "size", "zeros", "sparsity", "pattern"], linears.map(linearRow)),
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
      })),
      problems,
    },
    problems,
  };
}

/** What `pare inspect` runs. */
export const program = [inspectCommand, main] as const;

if (import.meta.main) await run(...program);
