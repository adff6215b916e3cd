/** The rotary tables of batches, on a backend: made when a walk first asks, kept as long as the next batches can use them. */
import { type Backend, BYTES, type Tensor } from "../backend/backend.ts";
import { release } from "../checkpoint/release.ts";
import { type Rope, rotaryAngles } from "../model/rope.ts";
import type { WalkBatch } from "../model/walk.ts";
import { type Batch, lengthsOf, spansOf, startsOf } from "../text/batch.ts";

/**
 * Bytes of each rotation's tables that are kept: batches of unequal sequences each need their own, in every block again. A
 * batch of 4096 tokens with heads of 128 takes 2 MiB.
 */
const KEPT_BYTES = 16 << 20;

/** See the file's head. */
export class RotaryTables implements Disposable {
  /** By the rotation, then by the lengths; a table's first rows serve fewer sequences of the same length as well. */
  readonly #tables = new Map<Rope, Map<string, Tensor>>();

  constructor(readonly backend: Backend) {}

  /** What a walk needs to know of some sequences. */
  batch(batch: Pick<Batch, "offsets" | "parents">): WalkBatch {
    const { offsets, parents } = batch, spans = parents && spansOf(batch);
    return {
      offsets,
      angles: (rope) => this.#angles(rope, batch),
      remember: spans && ((_layer, keys, values) => ({ keys, values, spans })),
    };
  }

  #angles(rope: Rope, batch: Pick<Batch, "offsets" | "parents">): Tensor {
    const lengths = lengthsOf(batch), starts = startsOf(batch), tokens = batch.offsets.at(-1)!;
    const equal = lengths.every((length, i) => length === lengths[0] && !starts[i]);
    const key = equal ? `${lengths[0]}` : `${lengths} from ${starts}`;
    let own = this.#tables.get(rope);
    if (!own) this.#tables.set(rope, own = new Map());
    const found = own.get(key);
    if (found && found.rows >= tokens) return found;
    found?.[Symbol.dispose]();
    own.delete(key);
    let bytes = tokens * rope.dim * BYTES.F32;
    for (const { rows, cols } of own.values()) bytes += rows * cols * BYTES.F32;
    for (const [oldest, table] of own) {
      if (bytes <= KEPT_BYTES) break;
      bytes -= table.rows * table.cols * BYTES.F32;
      table[Symbol.dispose]();
      own.delete(oldest);
    }
    const angles = rotaryAngles(
      rope,
      lengths.map((length, i) => ({ first: starts[i], end: starts[i] + length, length: starts[i] + length })),
    );
    const written = new Uint8Array(angles.buffer), table = this.backend.upload(written, tokens, rope.dim, "F32");
    release(written);
    own.set(key, table);
    return table;
  }

  [Symbol.dispose](): void {
    for (const own of this.#tables.values()) for (const table of own.values()) table[Symbol.dispose]();
    this.#tables.clear();
  }
}
