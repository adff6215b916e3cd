/**
 * The rotary tables of batches, on a backend: made when a walk first asks, kept as long as the next batches can use them. Batches
 * of unequal sequences each need their own; where angles depend on the position alone they are rows of one table.
 */
import { type Backend, BYTES, type Tensor } from "../backend/backend.ts";
import { release } from "../checkpoint/release.ts";
import { type Positions, type Rope, rotaryAngles, sharedLength } from "../model/rope.ts";
import type { WalkBatch } from "../model/walk.ts";
import { type Batch, lengthsOf, longestOf, positionsOf, spansOf, startsOf } from "../text/batch.ts";
import { lookUp } from "./ends.ts";

/**
 * Bytes of each rotation's tables that are kept: those of the batches that go side by side. Of more there is no use, since batches
 * come in the same order in every block, and the oldest table goes first. One of 2048 tokens with heads of 128 takes 1 MiB.
 */
const KEPT_BYTES = 1 << 20;

/** See the file's head. */
export class RotaryTables implements Disposable {
  /** By the rotation, then by the lengths; a table's first rows serve fewer sequences of the same length as well. */
  readonly #tables = new Map<Rope, Map<string, Tensor>>();
  /** The angles of positions from 0 on. */
  readonly #positions = new Map<Rope, Tensor>();

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
    const longest = longestOf(batch), gathered = !equal && longest <= sharedLength(rope);
    const table = gathered ? lookUp(this.backend, this.#upTo(rope, longest), positionsOf(batch)) : this.#upload(
      rope,
      lengths.map((length, i) => ({ first: starts[i], end: starts[i] + length, length: starts[i] + length })),
    );
    own.set(key, table);
    return table;
  }

  /** The table of positions from 0 on, so many of them or more. */
  #upTo(rope: Rope, end: number): Tensor {
    const found = this.#positions.get(rope);
    if (found && found.rows >= end) return found;
    found?.[Symbol.dispose]();
    const table = this.#upload(rope, [{ first: 0, end, length: end }]);
    this.#positions.set(rope, table);
    return table;
  }

  #upload(rope: Rope, sequences: readonly Positions[]): Tensor {
    const angles = rotaryAngles(rope, sequences), written = new Uint8Array(angles.buffer);
    const table = this.backend.upload(written, angles.length / rope.dim, rope.dim, "F32");
    release(written);
    return table;
  }

  [Symbol.dispose](): void {
    for (const own of this.#tables.values()) for (const table of own.values()) table[Symbol.dispose]();
    for (const table of this.#positions.values()) table[Symbol.dispose]();
    this.#tables.clear();
    this.#positions.clear();
  }
}
