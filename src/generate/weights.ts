/**
 * Weights on their way to a resident model: as the checkpoint has them, dense or packed, or rounded to integers as they come. What
 * is rounded is packed too: zeros of a pruned model are not kept.
 */
import type { PackedData } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { packMatrix, type QuantizedValues } from "../checkpoint/packed/pack.ts";
import { transpose } from "../checkpoint/transpose.ts";
import type { PackedSource } from "../model/block.ts";
import { linearsOf, type TensorSpec } from "../model/layers.ts";
import type { ModelSpec } from "../model/spec.ts";

/** See the file's head. */
export class ResidentWeights implements PackedSource {
  readonly #names: ReadonlySet<string>;

  /** @param quantize How weights of linears and of the head are rounded; not at all if it is not said. */
  constructor(readonly checkpoint: Checkpoint, { blocks, head }: ModelSpec, readonly quantize?: QuantizedValues) {
    this.#names = new Set([...blocks.flatMap(linearsOf).map(({ name }) => `${name}.weight`), head.tensor]);
  }

  /** Whether a tensor is to be packed. */
  has({ name, transposed }: TensorSpec): boolean {
    return this.#names.has(name) && (this.quantize !== undefined || !transposed && this.#held(name) !== undefined);
  }

  /** A weight that is. */
  async read({ name, transposed }: TensorSpec): Promise<PackedData> {
    const { checkpoint, quantize } = this, held = transposed ? undefined : this.#held(name);
    // What is integers already is not rounded twice.
    if (held && (!quantize || held.packed.group !== undefined)) return await held.readPacked();
    const { dtype, shape: [rows, cols] } = checkpoint.tensors.get(name)!;
    const bytes = (await checkpoint.read([name])).get(name)!;
    const matrix = transposed
      ? { bytes: transpose(bytes, rows, cols, dtype), rows: cols, cols: rows, dtype }
      : { bytes, rows, cols, dtype };
    return packMatrix(matrix, quantize!)!;
  }

  #held(name: string) {
    return this.checkpoint.packed?.get(name);
  }
}
