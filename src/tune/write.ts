/**
 * The tuned model, tensor by tensor, in the dtypes that it had. What is written is held against the masks: a removed weight is
 * zero in it, so that n:m stays n:m; merged additions that fill removed weights are the published way, and are counted.
 */
import type { Backend, Tensor } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { transpose } from "../checkpoint/transpose.ts";
import { linearsOf, modelTensors, type TensorSpec } from "../model/layers.ts";
import type { ModelSpec } from "../model/spec.ts";
import { heldShape, WholeModel } from "./full.ts";
import { LoraAdapters } from "./lora.ts";
import { countBits, type Masks } from "./masks.ts";
import type { Trainee } from "./trainee.ts";

/** What {@linkcode writeTuned} takes. */
export interface WriteOptions {
  /** Where it is computed. */
  readonly backend: Backend;
  /** The model that was trained, as it was. */
  readonly checkpoint: Checkpoint;
  /** Its specification. */
  readonly spec: ModelSpec;
  /** What was trained. */
  readonly trainee: Trainee;
  /** What stays zero. */
  readonly masks: Masks;
  /** Takes a tensor's new bytes, in the dtype that it had. */
  readonly write: (name: string, bytes: Uint8Array) => Promise<unknown>;
}

/**
 * Writes what was trained.
 * @returns How many weights of the model's linears are zero then.
 */
export async function writeTuned(options: WriteOptions): Promise<{ readonly zeros: number }> {
  const { backend, checkpoint, spec, trainee, masks, write } = options;
  const linears = new Set(spec.blocks.flatMap(linearsOf).map(({ name }) => `${name}.weight`));
  let zeros = masks.removed;
  trainee.refresh();
  for (const one of modelTensors(spec)) {
    using made = await trained(backend, checkpoint, trainee, one);
    if (!made) continue;
    const { dtype } = checkpoint.tensors.get(one.name)!, { rows, cols } = made;
    using stored = backend.allocate(rows, cols, dtype);
    backend.assign(stored, made);
    const [bytes] = await backend.read(stored);
    if (linears.has(one.name)) zeros += await compare(options, one.name.slice(0, -".weight".length), stored);
    await write(one.name, one.transposed ? transpose(bytes, rows, cols, dtype) : bytes);
  }
  return { zeros };
}

/** A tensor's new numbers, F32, if it was trained. */
async function trained(
  backend: Backend,
  checkpoint: Checkpoint,
  trainee: Trainee,
  spec: TensorSpec,
): Promise<Tensor | undefined> {
  const { name } = spec;
  if (trainee instanceof WholeModel) return trainee.parameters.find((one) => one.name === name)?.upload();
  if (!(trainee instanceof LoraAdapters)) return undefined;
  const adapter = trainee.adapters.find(({ linear }) => `${linear.name}.weight` === name);
  if (!adapter) return undefined;
  const [rows, cols] = heldShape(spec), { dtype } = checkpoint.tensors.get(name)!;
  const bytes = (await checkpoint.read([name])).get(name)!;
  using weight = backend.upload(spec.transposed ? transpose(bytes, cols, rows, dtype) : bytes, rows, cols, dtype);
  return trainee.merged(adapter, weight);
}

/** How many more zeros a linear has than its mask removes. @throws Error if one of those is none. */
async function compare({ backend, masks, trainee }: WriteOptions, linear: string, stored: Tensor): Promise<number> {
  using after = backend.zeros(stored);
  const mask = masks.get(linear), [now, before] = await backend.read(after, ...mask ? [mask] : []);
  const more = countBits(now) - masks.count(linear);
  if (!before) return more;
  const kept = !(trainee instanceof LoraAdapters) ||
    trainee.adapters.every((one) => one.linear.name !== linear || one.mask !== undefined);
  if (kept && before.some((byte, at) => (byte & ~now[at]) !== 0)) {
    throw new Error(`${linear}: a removed weight came back`);
  }
  return more;
}
