/** What is random in training without having been drawn: a hash of a seed and of where and when it is asked for. */

/** A whole number below 2^32 for some numbers: each stirred in by MurmurHash3's finaliser. */
export function hash(numbers: readonly number[]): number {
  return numbers.reduce((hash, number) => {
    let h = (hash ^ number) + 0x9e3779b9 | 0; // the golden ratio, as hashes are combined
    h = Math.imul(h ^ h >>> 16, 0x85ebca6b);
    h = Math.imul(h ^ h >>> 13, 0xc2b2ae35);
    return (h ^ h >>> 16) >>> 0;
  }, 0);
}
