/**
 * The few words of shared memory through which the threads meet, as indices of one `Int32Array`. What several threads
 * write in a hurry stands on cache lines of its own.
 */

/** 32-bit words of a cache line. */
const LINE = 16;

/** Commands between two barriers that count chunks: each has a counter of its own. */
export const COUNTERS = 8;
/** The next chunk of a command: what `Team::chunks` of `kernels/src/team.rs` counts. A line for each of {@linkcode COUNTERS}. */
export const NEXT = 0;
/** How many workers have come to the barrier. */
export const ARRIVED = COUNTERS * LINE;
/** Grows by one when all have: the workers that wait for the last one sleep on it. */
export const GENERATION = ARRIVED + LINE;
/** How many commands are done: the main thread looks at it, and sleeps on it when memory is short. */
export const DONE = GENERATION + LINE;
/** 1 while the main thread sleeps on {@linkcode DONE}. */
export const AWAITED = DONE + LINE;
/** 1 once a worker has died. */
export const FAILED = AWAITED + LINE;
/** Up to which number of the queue commands are there, modulo 2^32: workers that have nothing to do sleep on it. */
export const TAIL = FAILED + LINE;
/** How many workers sleep on {@linkcode TAIL}. */
export const ASLEEP = TAIL + LINE;
/** Where what belongs to worker 0 lies; the others' follow, {@linkcode WORKER_WORDS} each. */
export const WORKERS = ASLEEP + LINE;

/** Of a worker: up to which number of the queue it has read, modulo 2^32. */
export const READ = 0;
/** The counter of the commands that it runs by itself. */
export const OWN_NEXT = LINE;
/** Its `Team` for each of {@linkcode COUNTERS}, then the one of itself alone. */
export const TEAMS = 2 * LINE;
/** 32-bit words of a `Team`, padded. */
export const TEAM_WORDS = 4;
/** 32-bit words of all this. */
export const WORKER_WORDS = Math.ceil((TEAMS + (COUNTERS + 1) * TEAM_WORDS) / LINE) * LINE;

/** Bytes of all of it for so many workers. */
export function controlBytes(workers: number): number {
  return (WORKERS + workers * WORKER_WORDS) * 4;
}
