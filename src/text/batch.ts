/**
 * Token sequences of any lengths, one after the other: what calibration, evaluation windows, benchmark requests and
 * prompts are to the rest of Pare. Each sequence is on its own: it begins at position 0 and sees nothing of the others.
 */

/** See the file's head. */
export interface Batch {
  /** Token ids. */
  readonly ids: Uint32Array;
  /** Where each sequence begins among the ids, ascending from 0, and last the number of ids. */
  readonly offsets: Uint32Array;
}

/** Sequences of one length. */
export function rectangle<Ids extends Uint32Array>(ids: Ids, length: number): { ids: Ids; offsets: Uint32Array } {
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

/** The position of every token in its sequence. */
export function positionsOf(batch: Pick<Batch, "offsets">): Uint32Array<ArrayBuffer> {
  return Uint32Array.from(lengthsOf(batch).flatMap((length) => Array.from({ length }, (_, t) => t)));
}

/** Tokens of the longest sequence. */
export function longestOf(batch: Pick<Batch, "offsets">): number {
  return lengthsOf(batch).reduce((most, length) => Math.max(most, length), 0);
}

/** Some sequences of a batch, from `first` up to `end`. */
export function sequencesOf({ ids, offsets }: Batch, first: number, end: number): Batch {
  const start = offsets[first];
  return {
    ids: ids.subarray(start, offsets[end]),
    offsets: offsets.slice(first, end + 1).map((offset) => offset - start),
  };
}
