/** The rotary tables of batches, on a backend: made when a walk first asks, kept as long as the next batches can use them. */
import type { Backend, Tensor } from "../backend/backend.ts";
import { allPositions, type Rope, rotaryAngles } from "../model/rope.ts";
import type { WalkBatch } from "../model/walk.ts";
import { lengthsOf } from "../text/batch.ts";

/** Tables of each rotation that are kept: batches of unequal sequences each need their own, in every block again. */
const KEPT = 4;

/** See the file's head. */
export class RotaryTables implements Disposable {
  /** By the rotation, then by the lengths; a table's first rows serve fewer sequences of the same length as well. */
  readonly #tables = new Map<Rope, Map<string, Tensor>>();

  constructor(readonly backend: Backend) {}

  /** What a walk needs to know of some sequences. */
  batch(offsets: Uint32Array): WalkBatch {
    return { offsets, angles: (rope) => this.#angles(rope, offsets) };
  }

  #angles(rope: Rope, offsets: Uint32Array): Tensor {
    const lengths = lengthsOf({ offsets }), tokens = offsets.at(-1)!;
    const equal = lengths.every((length) => length === lengths[0]), key = equal ? `${lengths[0]}` : lengths.join();
    let own = this.#tables.get(rope);
    if (!own) this.#tables.set(rope, own = new Map());
    const found = own.get(key);
    if (found && found.rows >= tokens) return found;
    found?.[Symbol.dispose]();
    own.delete(key);
    const [oldest] = own;
    if (own.size >= KEPT) {
      oldest[1][Symbol.dispose]();
      own.delete(oldest[0]);
    }
    const angles = rotaryAngles(rope, allPositions(lengths));
    const table = this.backend.upload(new Uint8Array(angles.buffer), tokens, rope.dim, "F32");
    own.set(key, table);
    return table;
  }

  [Symbol.dispose](): void {
    for (const own of this.#tables.values()) for (const table of own.values()) table[Symbol.dispose]();
    this.#tables.clear();
  }
}
