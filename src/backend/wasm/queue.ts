/**
 * The commands on their way to the workers: a ring of numbers in memory that all threads share. The main thread writes, every
 * worker reads all of it. A command is a head, the operation that asked for it, how many numbers follow, and those.
 */

/** Numbers of the ring: some thousand commands. */
export const QUEUE_LENGTH = 1 << 17;

/** What a worker runs: the kernel of this number (its place among the sorted names of all exports), or one of these two. */
export const FENCE = 1023, NOTHING = 1022;
/** A head is one of those and some of these. */
export const KERNEL_BITS = 0x3ff;
/** All workers meet before it, and after it. */
export const MEET_BEFORE = 1 << 10, MEET_AFTER = 1 << 11;
/** Each worker runs all of it by itself. */
export const ALONE = 1 << 12;
/** From here on: which of the counters it counts by. */
export const COUNTER_SHIFT = 13;

/** Operations whose seconds are counted, at most. */
export const MOST_OPERATIONS = 256;

/** The names of all exported functions, as they are numbered. */
export function kernelNames(exports: object): string[] {
  return Object.keys(exports).sort();
}
