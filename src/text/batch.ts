/**
 * Token sequences of any lengths, one after the other: what calibration, evaluation windows, benchmark requests and
 * prompts are to the rest of Pare. A sequence is on its own: it begins at position 0 and sees nothing of the others, unless
 * it goes on from another one, its parent. So what many texts begin with is there once.
 */
import type { Integers } from "./growing.ts";

/** See the file's head. */
export interface Batch {
  /** Token ids. */
  readonly ids: Integers;
  /** Where each sequence begins among the ids, ascending from 0, and last the number of ids. */
  readonly offsets: Uint32Array;
  /**
   * For each sequence the one before it that it goes on from: it begins at the position behind that one's last and sees all
   * that its last token sees. -1 for a root, which begins at position 0, as all do without parents; all that go on from a root,
   * however far, come before the next one.
   */
  readonly parents?: Int32Array;
}

/** Sequences of one length. */
export function rectangle<Ids extends Integers>(ids: Ids, length: number): { ids: Ids; offsets: Uint32Array } {
  return { ids, offsets: Uint32Array.from({ length: ids.length / length + 1 }, (_, i) => i * length) };
}

/** The number of sequences. */
export function countSequences({ offsets }: Pick<Batch, "offsets">): number {
  return offsets.length - 1;
}

/** Tokens of each sequence. */
export function lengthsOf({ offsets }: Pick<Batch, "offsets">): number[] {
  return Array.from({ length: offsets.length - 1 }, (_, i) => offsets[i + 1] - offsets[i]);
}

/** The position that each sequence begins with. */
export function startsOf({ offsets, parents }: Pick<Batch, "offsets" | "parents">): Uint32Array<ArrayBuffer> {
  const starts = new Uint32Array(offsets.length - 1);
  parents?.forEach((parent, i) => {
    if (parent >= 0) starts[i] = starts[parent] + offsets[parent + 1] - offsets[parent];
  });
  return starts;
}

/** The position of every token in its sequence. */
export function positionsOf(batch: Pick<Batch, "offsets" | "parents">): Uint32Array<ArrayBuffer> {
  const { offsets } = batch, starts = startsOf(batch), positions = new Uint32Array(offsets.at(-1)!);
  starts.forEach((start, i) => {
    for (let t = offsets[i]; t < offsets[i + 1]; t++) positions[t] = start + t - offsets[i];
  });
  return positions;
}

/** The rows of tokens that each sequence sees, in the order of their positions, as `AttentionOptions.spans` has them. */
export function spansOf({ offsets, parents }: Pick<Batch, "offsets" | "parents">): Uint32Array[] {
  const spans: Uint32Array[] = [];
  for (let i = 0; i + 1 < offsets.length; i++) {
    const parent = parents?.[i] ?? -1;
    spans.push(Uint32Array.of(...parent < 0 ? [] : spans[parent], offsets[i], offsets[i + 1]));
  }
  return spans;
}

/** The row of a token by its position in a sequence, or in what that goes on from. */
export function rowOf({ offsets, parents }: Batch, starts: Uint32Array, sequence: number, position: number): number {
  let own = sequence;
  while (position < starts[own]) own = parents![own];
  return offsets[own] + position - starts[own];
}

/** Tokens of the longest sequence, with those of its parents. */
export function longestOf(batch: Pick<Batch, "offsets" | "parents">): number {
  const starts = startsOf(batch);
  return lengthsOf(batch).reduce((most, length, i) => Math.max(most, starts[i] + length), 0);
}

/** Some sequences of a batch, from `first` up to `end`, with all of their parents. */
export function sequencesOf({ ids, offsets, parents }: Batch, first: number, end: number): Batch {
  const start = offsets[first];
  return {
    ids: ids.subarray(start, offsets[end]),
    offsets: offsets.slice(first, end + 1).map((offset) => offset - start),
    parents: parents?.slice(first, end).map((parent) => Math.max(-1, parent - first)),
  };
}
