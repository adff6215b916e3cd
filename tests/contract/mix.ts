/** The hash by which operations choose at random. */

/** The finaliser of MurmurHash3 in whole numbers without a limit, modulo 2^32. */
export function mix(word: number): number {
  const M = 2n ** 32n;
  let h = BigInt(word);
  h ^= h >> 16n;
  h = h * 0x85ebca6bn % M;
  h ^= h >> 13n;
  h = h * 0xc2b2ae35n % M;
  h ^= h >> 16n;
  return Number(h);
}
