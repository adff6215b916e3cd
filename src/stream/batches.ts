/**
 * Token sequences and their batches. Sequences are independent of each other, so a block takes them a batch at a time;
 * a batch is whole sequences, and which ones depends only on their length: results do not depend on the machine.
 */

/** Token sequences of one length, one after the other. */
export interface Sequences {
  /** `sequences * length` token ids. */
  readonly ids: Uint32Array;
  /** How many. */
  readonly sequences: number;
  /** Tokens of each. */
  readonly length: number;
}

/**
 * Tokens of a batch, unless one sequence alone is longer. Enough that a kernel's packing of the weights (once a batch)
 * is 1 % of its work, few enough that a batch's activations stay in a core's cache or near it.
 */
export const BATCH_TOKENS = 1024;

/** Cuts sequences into batches of about {@linkcode BATCH_TOKENS} tokens, in order. */
export function batches({ ids, sequences, length }: Sequences): Sequences[] {
  const each = Math.max(1, Math.floor(BATCH_TOKENS / length));
  return Array.from({ length: Math.ceil(sequences / each) }, (_, i) => {
    const first = i * each, count = Math.min(each, sequences - first);
    return { ids: ids.subarray(first * length, (first + count) * length), sequences: count, length };
  });
}

/**
 * Bounds how far the queue of a backend runs ahead of its work: `await pace.step()` after a batch's operations are
 * queued waits for the batch before it, so the backend always has the next one at hand.
 */
export class Pace {
  #before: Promise<unknown> = Promise.resolve();
  /** @param fence Resolves when all that is queued is done, such as `() => backend.read()`. */
  constructor(readonly fence: () => Promise<unknown>, readonly signal?: AbortSignal) {}

  /** See the class. Throws the signal's reason once it is aborted. */
  async step(): Promise<void> {
    const before = this.#before;
    this.#before = this.fence();
    // The failure of a fence that nobody comes to wait for is reported by the next read.
    this.#before.catch(() => {});
    await before;
    this.signal?.throwIfAborted();
  }
}
