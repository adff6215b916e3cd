/**
 * CPython's random numbers: the Mersenne Twister MT19937, seeded and drawn from as `random.seed(n)` and
 * `random.randint(a, b)` do it, so that Pare picks the very calibration sequences that the published pruning code
 * picks, and as `random.sample` does it, so that it picks the examples that a benchmark's harness shows. Only what that takes is here; it is no general source of randomness.
 *
 * Sources: M. Matsumoto and T. Nishimura, "Mersenne Twister", ACM TOMACS 8 (1998), and their `init_by_array`;
 * CPython's `Modules/_randommodule.c` and `Lib/random.py` for how seeds and integers are made of it. Checked against
 * `tests/golden/cpython_random.json`.
 */

/** Words of state, and the distance of the recurrence (the paper's n and m). */
const N = 624, M = 397;
/** The recurrence's matrix (the paper's a), and the masks that split a word into its top bit and the rest. */
const MATRIX = 0x9908b0df, UPPER = 0x80000000, LOWER = 0x7fffffff;

/** A generator that draws what CPython's `random.Random(seed)` draws. */
export class Random {
  readonly #state = new Uint32Array(N);
  #next = N;

  /**
   * Seeds as `random.seed(seed)`: `init_by_array` of the 32-bit words of |seed|, lowest first.
   * @throws RangeError unless `seed` is an integer.
   */
  constructor(seed: number | bigint) {
    const key: number[] = [];
    let rest = BigInt(seed);
    if (rest < 0n) rest = -rest;
    do {
      key.push(Number(rest & 0xffffffffn));
      rest >>= 32n;
    } while (rest > 0n);
    this.#initByArray(key);
  }

  /**
   * The next `bits` random bits as an integer: the top bits of the next 32-bit output. Every call takes exactly one
   * output, however many bits it asks for.
   * @throws RangeError unless `bits` is an integer from 1 to 32.
   */
  getrandbits(bits: number): number {
    if (!Number.isInteger(bits) || bits < 1 || bits > 32) {
      throw new RangeError(`bits: expected an integer from 1 to 32, found ${bits}`);
    }
    return this.#output() >>> (32 - bits);
  }

  /** A number in [0, 1), as `random.random()`: 53 bits, of two outputs. */
  random(): number {
    const upper = this.#output() >>> 5, lower = this.#output() >>> 6;
    return (upper * 2 ** 26 + lower) / 2 ** 53;
  }

  /**
   * A random integer from `low` to `high`, both included: with `n = high - low + 1` of `k` bits, `getrandbits(k)` is
   * drawn until it is below n.
   * @throws RangeError unless the bounds are integers, `low <= high`, and n is below 2^32.
   */
  randint(low: number, high: number): number {
    const n = high - low + 1;
    if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high) || n < 1 || n >= 2 ** 32) {
      throw new RangeError(`bounds: expected integers low <= high less than 2^32 apart, found ${low} and ${high}`);
    }
    const bits = bitLength(n);
    let r: number;
    do r = this.getrandbits(bits); while (r >= n);
    return low + r;
  }

  /**
   * `count` different members of a list, in the order in which `random.sample` draws them: from a pool that closes its
   * gaps where the list is short, else anew for as long as a place comes twice.
   * @throws RangeError if the list has fewer.
   */
  sample<T>(items: readonly T[], count: number): T[] {
    const { length } = items;
    if (!Number.isInteger(count) || count < 0 || count > length) {
      throw new RangeError(`sample: expected a count from 0 to ${length}, found ${count}`);
    }
    // CPython's estimate of where a set of that many places becomes smaller than the pool.
    const setSize = 21 + (count > 5 ? 4 ** Math.ceil(Math.log(count * 3) / Math.log(4)) : 0);
    if (length <= setSize) {
      const pool = [...items];
      return Array.from({ length: count }, (_, i) => {
        const at = this.randint(0, length - i - 1), drawn = pool[at];
        pool[at] = pool[length - i - 1];
        return drawn;
      });
    }
    const drawn = new Set<number>();
    while (drawn.size < count) drawn.add(this.randint(0, length - 1));
    return [...drawn].map((at) => items[at]);
  }

  /** Knuth's linear filler (TAOCP volume 2, 3rd edition, page 106), as the reference seeds the state. */
  #initByNumber(seed: number): void {
    const state = this.#state;
    state[0] = seed;
    for (let i = 1; i < N; i++) {
      const previous = state[i - 1] ^ (state[i - 1] >>> 30);
      state[i] = Math.imul(1812433253, previous) + i;
    }
  }

  /** The reference `init_by_array`: the key stirred twice into a fixed beginning. */
  #initByArray(key: readonly number[]): void {
    this.#initByNumber(19650218);
    const state = this.#state;
    let i = 1, j = 0;
    const advance = () => {
      if (++i >= N) {
        state[0] = state[N - 1];
        i = 1;
      }
    };
    for (let k = Math.max(N, key.length); k > 0; k--) {
      const previous = state[i - 1] ^ (state[i - 1] >>> 30);
      state[i] = (state[i] ^ Math.imul(previous, 1664525)) + key[j] + j;
      advance();
      if (++j >= key.length) j = 0;
    }
    for (let k = N - 1; k > 0; k--) {
      const previous = state[i - 1] ^ (state[i - 1] >>> 30);
      state[i] = (state[i] ^ Math.imul(previous, 1566083941)) - i;
      advance();
    }
    state[0] = UPPER;
    this.#next = N;
  }

  /** The next 32-bit output, tempered; the state is renewed when it is used up. */
  #output(): number {
    const state = this.#state;
    if (this.#next >= N) {
      for (let i = 0; i < N; i++) {
        const y = (state[i] & UPPER) | (state[(i + 1) % N] & LOWER);
        state[i] = state[(i + M) % N] ^ (y >>> 1) ^ (y & 1 ? MATRIX : 0);
      }
      this.#next = 0;
    }
    let y = state[this.#next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return y >>> 0;
  }
}

/** How many bits it takes to write `n`, an integer below 2^32 (Python's `int.bit_length`). */
export function bitLength(n: number): number {
  return 32 - Math.clz32(n);
}
