/** What can be read of a model that `inspect` is asked about, whole or damaged. */
import { patternName } from "../../src/backend/packed.ts";
import type { Checkpoint, StoredTensor, TensorInfo } from "../../src/checkpoint/checkpoint.ts";
import { describeLinear, type LinearDescription } from "../../src/checkpoint/describe.ts";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { type Remains, salvage } from "../../src/checkpoint/salvage.ts";
import { transpose } from "../../src/checkpoint/transpose.ts";
import type { Context } from "../../src/cli/run.ts";
import { insteadOf, PareError } from "../../src/errors.ts";
import { linearsOf, tensorNames } from "../../src/model/layers.ts";
import { checkTensors, namesOf, parseConfig } from "../../src/model/read.ts";
import type { Linear, ModelSpec } from "../../src/model/spec.ts";

/** Bytes of small tensors that are read at once: a file may have a million of them. */
const READ_AT_ONCE = 8 << 20;

/** A tensor, what a linear's weight looks like, and why it could not be read if it could not. */
export interface Found extends StoredTensor {
  readonly description?: LinearDescription;
  readonly damage?: string;
}

/** How a matrix lies in a packed file. */
export interface Packed {
  /** `I8 2:4`. */
  readonly kind: string;
  readonly bytes: number;
}

/** A model, and if it is whole, its tensors together. */
export interface Model extends Remains {
  /** Of matrices that the file holds packed: how, and how many bytes they take there. */
  readonly packed?: ReadonlyMap<string, Packed>;
  readonly readTensors?: Checkpoint["read"];
}

/** Opens a model, whole or damaged. One of which nothing is left is an error. */
export async function open(model: string, { terminal }: Context): Promise<Model> {
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
      packed: packedIn(checkpoint),
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

/** The matrices that are packed, if any is. */
function packedIn({ packed }: Checkpoint): Model["packed"] {
  return packed?.size
    ? new Map(
      [...packed].map(([name, { packed: { valueType, pattern }, packedBytes }]) => [name, {
        kind: `${valueType} ${patternName(pattern)}`,
        bytes: packedBytes,
      }]),
    )
    : undefined;
}

/** What the config says, and whether the tensors are those of such a model. */
export function parseSpec({ config, ...held }: Remains): { readonly spec?: ModelSpec; readonly problem?: string } {
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
export function findLinears(spec: ModelSpec | undefined, tensors: ReadonlyMap<string, TensorInfo>) {
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

/** Looks at every tensor of a model, in the order of their names. */
export async function lookAtAll(
  remains: Model,
  spec: ModelSpec | undefined,
  linears: ReturnType<typeof findLinears>,
  signal: AbortSignal,
): Promise<Found[]> {
  const order = new Intl.Collator("en", { numeric: true });
  // Buffers that a file carries besides may hold anything.
  const model = spec && tensorNames(spec);
  const looksAt = (info: StoredTensor): info is TensorInfo =>
    remains.tensors.has(info.name) && (!model || model.has(info.name));
  const infos = [...remains.tensors.values(), ...remains.others.values()].sort((a, b) => order.compare(a.name, b.name));
  const tensors: Found[] = [];
  for (const batch of batches(infos)) {
    signal.throwIfAborted();
    const read = await readWhole(remains, batch.filter(looksAt));
    for (const info of batch) {
      tensors.push(looksAt(info) ? await look(remains, info, linears.get(info.name), read?.get(info.name)) : info);
    }
  }
  return tensors;
}
