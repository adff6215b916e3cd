/**
 * Weights on their way to a resident model: as the checkpoint has them, dense or packed, or rounded to integers as they come. What
 * is rounded is packed too: zeros of a pruned model are not kept.
 */
import type { PackedData } from "../backend/backend.ts";
import { partBytes } from "../backend/packed.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { type DenseMatrix, packMatrix, type QuantizedValues } from "../checkpoint/packed/pack.ts";
import { transpose } from "../checkpoint/transpose.ts";
import type { PackedSource } from "../model/block.ts";
import { linearsOf, type TensorSpec } from "../model/layers.ts";
import type { ModelSpec } from "../model/spec.ts";

/** A matrix all of whose numbers are stored, as they are. */
function asStored({ bytes, rows, cols, dtype }: DenseMatrix): PackedData {
  const shape = { rows, cols, valueType: dtype, pattern: "dense" } as const,
    values = new Uint8Array(partBytes(shape).values!);
  values.set(bytes);
  return { ...shape, values };
}

/** See the file's head. */
export class ResidentWeights implements PackedSource {
  readonly #names: ReadonlySet<string>;

  /** @param quantize How weights of linears and of the head are rounded; not at all if it is not said. */
  constructor(readonly checkpoint: Checkpoint, { blocks, head }: ModelSpec, readonly quantize?: QuantizedValues) {
    this.#names = new Set([...blocks.flatMap(linearsOf).map(({ name }) => `${name}.weight`), head.tensor]);
  }

  /** Whether a tensor is to be packed. */
  has(tensor: TensorSpec): boolean {
    return this.#names.has(tensor.name) && (this.quantize !== undefined || this.#held(tensor) !== undefined);
  }

  /** A weight that is. */
  async read(tensor: TensorSpec): Promise<PackedData> {
    const { checkpoint, quantize } = this, { name, transposed } = tensor, held = this.#held(tensor);
    // What is integers already is not rounded twice.
    if (held && (!quantize || held.packed.group !== undefined)) return await held.readPacked();
    const { dtype, shape: [rows, cols] } = checkpoint.tensors.get(name)!;
    const bytes = (await checkpoint.read([name])).get(name)!;
    const matrix = transposed
      ? { bytes: transpose(bytes, rows, cols, dtype), rows: cols, cols: rows, dtype }
      : { bytes, rows, cols, dtype };
    return packMatrix(matrix, quantize ?? "kept") ?? asStored(matrix);
  }

  /** A matrix that the file holds packed as it is multiplied with, by outputs. */
  #held({ name, transposed = false }: TensorSpec) {
    const held = this.checkpoint.packed?.get(name);
    return (held?.packed.transposed ?? false) === transposed ? held : undefined;
  }
}
