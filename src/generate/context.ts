/**
 * What a model is reading: some sequences that grow, and the keys and values of what it has read of them. Whoever asks gives a
 * sequence whole; of that only what was not read before goes through the model. So a prompt, the tokens behind it, another
 * turn of a conversation and a sequence that must be read anew are all the same.
 */
import type { Tensor } from "../backend/backend.ts";
import { PareError } from "../errors.ts";
import { frequencyKey, type Positions, type Rope, rotaryAngles } from "../model/rope.ts";
import type { ModelSpec } from "../model/spec.ts";
import type { WalkBatch } from "../model/walk.ts";
import { lookUp } from "../stream/ends.ts";
import { checkLengths, checkToken } from "../stream/tokens.ts";
import { attentionsOf, type CacheDtype, type CacheSize, KeyValueCache, type Range } from "./cache.ts";
import type { ResidentModel } from "./resident.ts";

/** A sequence as it is now. */
export interface Asked {
  /** Which one, from 0. */
  readonly sequence: number;
  /** All its ids. */
  readonly ids: readonly number[];
}

/** How a sequence is read. */
export interface ReadOptions {
  /** Told of tokens that are read, now and in all. */
  readonly onRead?: (tokens: number, of: number) => void;
  /** Stops it between two batches. */
  readonly signal?: AbortSignal;
}

/** See the file's head. */
export class Context implements Disposable {
  readonly #cache: KeyValueCache;
  readonly #ropes: readonly Rope[];
  /** Of each sequence the ids whose keys and values are in the cache, and what their rotations depended on. */
  readonly #read: { ids: number[]; keys: string }[];

  /**
   * Begins to read; room for keys and values is made as they come.
   * @param dtype How keys and values are kept.
   */
  constructor(readonly model: ResidentModel, readonly size: CacheSize, dtype: CacheDtype = "F32") {
    this.#cache = new KeyValueCache(model.backend, size, dtype);
    this.#ropes = ropesOf(model.spec);
    this.#read = Array.from({ length: size.sequences }, () => ({ ids: [], keys: "" }));
  }

  /**
   * Reads some sequences to their ends.
   * @returns For each the logits of the token behind its last one.
   * @throws PareError for tokens that do not suit the model, a sequence that is longer than it may become, or one whose keys and
   * values there is no room for.
   */
  async read(asked: readonly Asked[], { onRead, signal }: ReadOptions = {}): Promise<Float32Array[]> {
    const { backend, spec } = this.model;
    const ranges = asked.map((own) => this.#unread(own)),
      all = ranges.reduce((sum, { first, end }) => sum + end - first, 0);
    using scope = new DisposableStack();
    const last: Tensor[] = [];
    let done = 0;
    for (const batch of batchesOf(ranges, backend.limits.batchTokens)) {
      signal?.throwIfAborted();
      using hidden = await this.#through(batch, asked);
      const tokens = batch.reduce((sum, { first, end }) => sum + end - first, 0);
      const rows = lastRows(batch, ranges);
      if (rows.length) last.push(scope.use(lookUp(backend, hidden, rows)));
      onRead?.(done += tokens, all);
    }
    const found: Float32Array[] = [];
    for (const hidden of last) {
      using logits = this.model.logits(hidden);
      const [bytes] = await backend.read(logits);
      for (let i = 0; i < hidden.rows; i++) {
        found.push(new Float32Array(bytes.buffer, i * spec.vocabulary * 4, spec.vocabulary));
      }
    }
    return found;
  }

  /** What of a sequence has to go through the model: what is new in it, and all if the rotations of what is there have changed. */
  #unread({ sequence, ids }: Asked): Range {
    const { spec } = this.model, read = this.#read[sequence], end = ids.length;
    checkLengths(spec, [end], end);
    if (end > this.size.length) {
      throw new PareError(`a sequence of ${end} tokens: there is room for ${this.size.length}`);
    }
    const keys = this.#ropes.map((rope) => frequencyKey(rope, end)).join();
    let first = 0;
    if (keys === read.keys) {
      while (first < Math.min(read.ids.length, end - 1) && read.ids[first] === ids[first]) first++;
    }
    // What was read before suited the model.
    for (let token = first; token < end; token++) checkToken(spec, ids[token], token, sequence);
    read.keys = keys;
    read.ids.length = first;
    return { sequence, first, end };
  }

  /** Takes tokens through all blocks. */
  async #through(ranges: readonly Range[], asked: readonly Asked[]): Promise<Tensor> {
    const idsOf = new Map(asked.map(({ sequence, ids }) => [sequence, ids]));
    const ids = ranges.flatMap(({ sequence, first, end }) => idsOf.get(sequence)!.slice(first, end));
    const positions = ranges.flatMap(({ first, end }) => Array.from({ length: end - first }, (_, i) => first + i));
    using batch = this.#batch(ranges, ranges.map((range) => ({ ...range, length: idsOf.get(range.sequence)!.length })));
    const hidden = await this.model.forward(batch, Uint32Array.from(ids), Uint32Array.from(positions));
    for (const { sequence, first, end } of ranges) {
      this.#read[sequence].ids.push(...idsOf.get(sequence)!.slice(first, end));
    }
    return hidden;
  }

  /** What a walk asks of these tokens. */
  #batch(ranges: readonly Range[], positions: readonly Positions[]): WalkBatch & Disposable {
    const { backend } = this.model, tables = new Map<Rope, Tensor>(), offsets = new Uint32Array(ranges.length + 1);
    for (const [i, { first, end }] of ranges.entries()) offsets[i + 1] = offsets[i] + end - first;
    return {
      offsets,
      angles(rope) {
        let table = tables.get(rope);
        if (!table) {
          const angles = rotaryAngles(rope, positions);
          table = backend.upload(new Uint8Array(angles.buffer), offsets.at(-1)!, rope.dim, "F32");
          tables.set(rope, table);
        }
        return table;
      },
      remember: (layer, keys, values) => this.#cache.remember(layer, ranges, keys, values),
      [Symbol.dispose]: () => tables.forEach((table) => table[Symbol.dispose]()),
    };
  }

  /** Forgets all of it. */
  [Symbol.dispose](): void {
    this.#cache[Symbol.dispose]();
  }
}

/** Every rotation of a model once. */
function ropesOf(spec: ModelSpec): Rope[] {
  return [...new Set(attentionsOf(spec).flatMap(({ rope }) => rope ?? []))];
}

/** Tokens in batches of at most so many, in order. */
function* batchesOf(ranges: readonly Range[], most: number): Generator<Range[]> {
  let batch: Range[] = [], room = most;
  for (const { sequence, first, end } of ranges) {
    for (let from = first; from < end;) {
      const to = Math.min(end, from + room);
      batch.push({ sequence, first: from, end: to });
      room -= to - from;
      from = to;
      if (room > 0) continue;
      yield batch;
      [batch, room] = [[], most];
    }
  }
  if (batch.length) yield batch;
}

/** The rows of a batch that are the last tokens of their sequences. */
function lastRows(batch: readonly Range[], all: readonly Range[]): Uint32Array {
  const ends = new Map(all.map(({ sequence, end }) => [sequence, end])), rows: number[] = [];
  let row = 0;
  for (const { sequence, first, end } of batch) {
    row += end - first;
    if (end === ends.get(sequence)) rows.push(row - 1);
  }
  return Uint32Array.from(rows);
}
