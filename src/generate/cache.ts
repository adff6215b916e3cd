/**
 * Keys and values of what a model has read: of every attention layer one tensor each, in which every sequence has as many
 * rows. What a token adds is written once, and read by all that come after it. The tensors grow with the longest sequence: a
 * model's limit says nothing of how long a text will be.
 */
import type { Backend, Dtype, Tensor } from "../backend/backend.ts";
import { walkLayers } from "../model/layers.ts";
import type { Attention, ModelSpec } from "../model/spec.ts";
import type { Remembered } from "../model/walk.ts";
import { lookUp } from "../stream/ends.ts";

/** How keys and values are kept. */
export type CacheDtype = Extract<Dtype, "F32" | "F16">;

/** How many sequences, and how long they may become. */
export interface CacheSize {
  /** Sequences. */
  readonly sequences: number;
  /** Tokens of each at most. */
  readonly length: number;
}

/** Tokens that are about to be remembered: neighbours of a sequence, from `first` up to `end`. */
export interface Range {
  readonly sequence: number;
  readonly first: number;
  readonly end: number;
}

/** Tokens of each sequence that there is room for at first; there is twice as much whenever that is too little. */
const FIRST_ROOM = 256;

/** Keys and values of a layer, each sequences x room rows. */
interface Held {
  readonly room: number;
  readonly keys: Tensor;
  readonly values: Tensor;
}

/** See the file's head. */
export class KeyValueCache implements Disposable {
  readonly #layers = new Map<Attention, Held>();

  /** Nothing is allocated before something is remembered. */
  constructor(readonly backend: Backend, readonly size: CacheSize, readonly dtype: CacheDtype) {}

  /**
   * Writes keys and values of some tokens of one layer, and gives all that their sequences have up to them.
   * @throws PareError if there is no room for them; what was there before stays.
   */
  remember(layer: Attention, ranges: readonly Range[], keys: Tensor, values: Tensor): Remembered {
    const longest = ranges.reduce((most, { end }) => Math.max(most, end), 0);
    const held = this.#grown(layer, longest), { backend } = this, { room } = held;
    const rows = Uint32Array.from(
      ranges.flatMap(({ sequence, first, end }) =>
        Array.from({ length: end - first }, (_, i) => sequence * room + first + i)
      ),
    );
    backend.setRows(held.keys, keys, rows);
    backend.setRows(held.values, values, rows);
    const spans = ranges.map(({ sequence, end }) => Uint32Array.of(sequence * room, sequence * room + end));
    return { keys: held.keys, values: held.values, spans };
  }

  /** A layer's tensors with room for sequences of this length. */
  #grown(layer: Attention, length: number): Held {
    const { backend, size, dtype } = this, before = this.#layers.get(layer);
    if (before && before.room >= length) return before;
    const room = Math.min(size.length, Math.max(length, before ? 2 * before.room : FIRST_ROOM));
    using made = new DisposableStack();
    const [keys, values] = [before?.keys, before?.values].map((old) => {
      const tensor = made.use(backend.allocate(size.sequences * room, layer.kvHeads * layer.headDim, dtype));
      if (old) move(backend, old, before!.room, tensor, room);
      return tensor;
    });
    made.move(); // they are the cache's
    const after = { room, keys, values };
    this.#layers.set(layer, after);
    if (before) free(before);
    return after;
  }

  [Symbol.dispose](): void {
    for (const held of this.#layers.values()) free(held);
    this.#layers.clear();
  }
}

/** Takes the rows of every sequence to where they are in a tensor that has more of them. In F32 and back, F16 is what it was. */
function move(backend: Backend, from: Tensor, room: number, to: Tensor, wider: number): void {
  const rows = Uint32Array.from({ length: from.rows }, (_, row) => row);
  using numbers = lookUp(backend, from, rows);
  backend.setRows(to, numbers, rows.map((row) => Math.floor(row / room) * wider + row % room));
}

function free({ keys, values }: Held): void {
  for (const tensor of [keys, values]) tensor[Symbol.dispose]();
}

/** Every attention of a model. */
export function attentionsOf({ blocks }: ModelSpec): Attention[] {
  const layers = blocks.flatMap(({ layers }) => [...walkLayers(layers)]);
  return layers.filter((layer) => layer.kind === "attention");
}
