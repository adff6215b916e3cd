/**
 * What tests draw at random can be drawn again: `PARE_FUZZ_SEED` begins elsewhere, and a failure prints the seed that it
 * takes to see it again. Tests of properties have fast-check from here; without the variable it begins anew each time.
 */
import fc from "fast-check";

const given = Deno.env.get("PARE_FUZZ_SEED");

/** Begins every sequence of cases. */
export const SEED = Number(given ?? 1);

if (given !== undefined) fc.configureGlobal({ seed: SEED });

export { fc };

/** Random numbers below a bound. */
export type Random = (below: number) => number;

/** Numbers of a seed. */
export function generator(seed: number): Random {
  let state = seed >>> 0;
  // xorshift32 (Marsaglia, 2003), begun far from zero.
  state = Math.imul(state ^ 0x9e3779b9, 0x85ebca6b) >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state = (state ^ state << 5) >>> 0;
    return state % below;
  };
}
