/**
 * The few words of shared memory through which the threads meet, as indices of one `Int32Array`. What several threads
 * write in a hurry stands on cache lines of its own.
 */

/** 32-bit words of a cache line. */
const LINE = 16;

/** The next chunk of the running command: what `Team::chunks` of `kernels/src/team.rs` counts. */
export const NEXT = 0;
/** How many workers have finished the running command. */
export const ARRIVED = LINE;
/** Grows by one when all have: the workers that wait for the last one sleep on it. */
export const GENERATION = 2 * LINE;
/** How many commands are done: the main thread looks at it, and sleeps on it when memory is short. */
export const DONE = 3 * LINE;
/** 1 once a worker has died. */
export const FAILED = 4 * LINE;
/** Where the `Team` of worker 0 lies; the others follow, a line each. */
export const TEAMS = 5 * LINE;

/** 32-bit words of a `Team`, padded. */
export const TEAM_WORDS = LINE;

/** Bytes of all this for so many workers. */
export function controlBytes(workers: number): number {
  return (TEAMS + workers * TEAM_WORDS) * 4;
}
