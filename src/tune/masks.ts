/**
 * Which weights of a model are removed: read once, from its zeros or from a file, and held as masks for as long as it is
 * trained. A weight that becomes zero on the way is not taken for a removed one.
 */
import type { Backend, Mask } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { release } from "../checkpoint/release.ts";
import { transpose } from "../checkpoint/transpose.ts";
import { PareError } from "../errors.ts";
import { linearsOf } from "../model/layers.ts";
import type { Linear, ModelSpec } from "../model/spec.ts";
import { readMaskFile, unpackKept } from "./mask_file.ts";

/** Below this share of zeros a model is taken for one that nobody pruned: a trained one has hardly any. */
const PRUNED_FROM = 0.01;

/** Masks of linears by their names, and how much they remove. */
export interface Masks extends Disposable {
  /** The mask of a linear, outputs x inputs; none in a model that is not pruned. */
  get(linear: string): Mask | undefined;
  /** How many weights of a linear are removed (of one that is not pruned: zero anyway). */
  count(linear: string): number;
  /** Weights of all linears. */
  readonly weights: number;
  /** Those of them that are removed. */
  readonly removed: number;
}

/** Bits of packed masks that are 1. */
export function countBits(bytes: Uint8Array): number {
  let count = 0;
  for (let byte of bytes) for (; byte; byte &= byte - 1) count++;
  return count;
}

/** The linears of all blocks. */
function allLinears(spec: ModelSpec): Linear[] {
  return spec.blocks.flatMap(linearsOf);
}

/** A linear's weight on the backend, outputs x inputs, for a moment. */
async function withWeight<T>(
  backend: Backend,
  checkpoint: Checkpoint,
  { name, rows, cols, transposed }: Linear,
  use: (weight: ReturnType<Backend["upload"]>) => Promise<T>,
): Promise<T> {
  const tensor = `${name}.weight`, { dtype } = checkpoint.tensors.get(tensor)!;
  const bytes = (await checkpoint.read([tensor])).get(tensor)!;
  using weight = backend.upload(transposed ? transpose(bytes, cols, rows, dtype) : bytes, rows, cols, dtype);
  release(bytes);
  return await use(weight);
}

/** How {@linkcode readMasks} reads. */
export interface MaskOptions {
  /** Whether a model that is not pruned will do; it has no masks then. */
  readonly dense?: boolean;
  /** A file of masks (`mask_file.ts`), where the model's zeros do not tell them. */
  readonly file?: string;
}

/**
 * The masks of a pruned model: what is zero in it, or what a file says.
 * @throws PareError if it is not pruned, and that will not do, or if a file's masks do not fit it.
 */
export async function readMasks(
  backend: Backend,
  checkpoint: Checkpoint,
  spec: ModelSpec,
  { dense = false, file }: MaskOptions = {},
): Promise<Masks> {
  using made = new DisposableStack();
  const linears = allLinears(spec), masks = new Map<string, Mask>(), counts = new Map<string, number>();
  const kept = file === undefined ? undefined : await readMaskFile(file, linears);
  for (const linear of linears) {
    const { name, rows, cols } = linear;
    await withWeight(backend, checkpoint, linear, async (weight) => {
      const zeros = made.use(backend.zeros(weight)), own = kept?.get(name);
      const mask = own ? made.use(unpackKept(backend, rows, cols, own)) : zeros;
      const [there, removed] = await backend.read(zeros, mask);
      const at = removed.findIndex((byte, i) => (byte & ~there[i]) !== 0);
      if (at >= 0) {
        const row = Math.floor(at / (removed.length / rows));
        throw new PareError(
          `${file}: the mask of ${name} does not fit: in row ${row} it removes a weight that is not zero`,
        );
      }
      masks.set(name, mask);
      counts.set(name, countBits(removed));
    });
  }
  const weights = linears.reduce((sum, { rows, cols }) => sum + rows * cols, 0);
  const removed = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const pruned = removed / weights >= PRUNED_FROM;
  if (!pruned && !dense) {
    throw new PareError(
      `${checkpoint.path} is not pruned: ${removed} of the ${weights} weights of its linears are zero; expected a ` +
        "pruned model, or --dense to train all weights of this one",
    );
  }
  const held = made.move();
  return {
    get: (linear) => pruned ? masks.get(linear) : undefined,
    count: (linear) => counts.get(linear)!,
    weights,
    removed,
    [Symbol.dispose]: () => held.dispose(),
  };
}
