/**
 * Keys and values of what a model has read: of every attention layer one tensor each, in which every sequence has as many
 * rows as it may become long. What a token adds is written once, and read by all that come after it.
 */
import { type Backend, BYTES, type Dtype, type Tensor } from "../backend/backend.ts";
import { walkLayers } from "../model/layers.ts";
import type { Attention, ModelSpec } from "../model/spec.ts";
import type { Remembered } from "../model/walk.ts";

/** How keys and values are kept. */
export type CacheDtype = Extract<Dtype, "F32" | "F16">;

/** How many sequences, and how long they may become. */
export interface CacheSize {
  /** Sequences. */
  readonly sequences: number;
  /** Tokens of each. */
  readonly length: number;
}

/** Tokens that are about to be remembered: neighbours of a sequence, from `first` up to `end`. */
export interface Range {
  readonly sequence: number;
  readonly first: number;
  readonly end: number;
}

/** See the file's head. */
export class KeyValueCache implements Disposable {
  readonly #layers = new Map<Attention, readonly [keys: Tensor, values: Tensor]>();

  /** @throws PareError if there is no room for it. */
  constructor(readonly backend: Backend, spec: ModelSpec, readonly size: CacheSize, dtype: CacheDtype) {
    const rows = size.sequences * size.length;
    using made = new DisposableStack();
    for (const layer of attentionsOf(spec)) {
      const tensor = () => made.use(backend.allocate(rows, layer.kvHeads * layer.headDim, dtype));
      this.#layers.set(layer, [tensor(), tensor()]);
    }
    made.move(); // they are the cache's
  }

  /** Bytes of the keys and values of a token. */
  static bytesPerToken(spec: ModelSpec, dtype: CacheDtype): number {
    return attentionsOf(spec).reduce((sum, { kvHeads, headDim }) => sum + 2 * kvHeads * headDim * BYTES[dtype], 0);
  }

  /** Writes keys and values of some tokens of one layer, and gives all that their sequences have up to them. */
  remember(layer: Attention, ranges: readonly Range[], keys: Tensor, values: Tensor): Remembered {
    const { backend, size: { length } } = this, [allKeys, allValues] = this.#layers.get(layer)!;
    const rows = Uint32Array.from(
      ranges.flatMap(({ sequence, first, end }) =>
        Array.from({ length: end - first }, (_, i) => sequence * length + first + i)
      ),
    );
    backend.setRows(allKeys, keys, rows);
    backend.setRows(allValues, values, rows);
    const spans = ranges.map(({ sequence, end }) => Uint32Array.of(sequence * length, sequence * length + end));
    return { keys: allKeys, values: allValues, spans };
  }

  [Symbol.dispose](): void {
    for (const tensor of [...this.#layers.values()].flat()) tensor[Symbol.dispose]();
    this.#layers.clear();
  }
}

/** Every attention of a model. */
export function attentionsOf({ blocks }: ModelSpec): Attention[] {
  const layers = blocks.flatMap(({ layers }) => [...walkLayers(layers)]);
  return layers.filter((layer) => layer.kind === "attention");
}
