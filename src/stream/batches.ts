/**
 * Sequences in batches. Sequences are independent of each other but for those that they go on from, so a block takes them a
 * batch at a time; a batch is whole sequences with all that go on from them, and which ones depends only on their lengths and
 * on the kind of backend: results do not depend on the machine.
 */
import { type Batch, countSequences, sequencesOf } from "../text/batch.ts";
import { toldElsewhere } from "../errors.ts";

/** Cuts sequences into batches of at most so many tokens where those that belong together have no more, in order. */
export function batches(all: Batch, most: number): Batch[] {
  const { offsets, parents } = all, count = countSequences(all), parts: Batch[] = [];
  /** The end of the sequences that go on from one, itself among them. */
  const treeEnd = (root: number): number => {
    let end = root + 1;
    while (end < count && parents && parents[end] >= 0) end++;
    return end;
  };
  for (let first = 0; first < count;) {
    let end = treeEnd(first);
    for (let next; end < count && offsets[next = treeEnd(end)] - offsets[first] <= most;) end = next;
    parts.push(sequencesOf(all, first, end));
    first = end;
  }
  return parts;
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
    toldElsewhere(this.#before);
    await before;
    this.signal?.throwIfAborted();
  }
}
