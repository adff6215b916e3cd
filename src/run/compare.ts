/**
 * Two runs of one plan, compared by the hashes of their linears: identical, or where they part. On the same backend they must
 * be the same to the bit; on another one, sums come in another order, and what can be asked is how many weights both agree
 * to keep.
 */
import type { Corpus, LinearRecord } from "./record.ts";

/**
 * How a perplexity was measured, as one word: two compare only if it is the same for both. The corpus alone does not do: 128
 * windows of 4 tokens are not 256 of 8, and documents joined by a space are not the same joined by an empty line.
 */
export function protocolOf({ sha256, sequences, seqlen, protocol }: Omit<Corpus, "description">): string {
  return `${sequences}x${seqlen}-${sha256}${protocol === undefined ? "" : `-${protocol}`}`;
}

/**
 * Whether a perplexity was measured as another one was before. A record of a Pare that did not tell how a text is put together
 * says nothing that could be otherwise.
 */
export function isSameProtocol(now: Corpus, before: Corpus): boolean {
  const { protocol } = before;
  return protocolOf(before) === protocolOf({ ...now, protocol: protocol && now.protocol });
}

/** What is compared of a linear. */
export type Hashes = Pick<LinearRecord, "name" | "maskSha256" | "weightSha256">;

/** The first linear that is not the same in both runs, in the order of the first run. */
export interface Difference {
  /** The linear's full name. */
  readonly name: string;
  /** It is in only one of the runs; or the masks differ; or only the weights that stay. */
  readonly what: "missing" | "extra" | "mask" | "weight";
}

/** What {@linkcode compareHashes} finds. */
export interface Comparison {
  /** Every hash of every linear. */
  readonly identical: boolean;
  /** Linears that both runs have. */
  readonly linears: number;
  /** Of these, those whose masks are the same. */
  readonly sameMasks: number;
  /** Those whose bytes are the same. */
  readonly sameWeights: number;
  /** The first that differs, unless they are identical. */
  readonly first?: Difference;
}

/** Compares every linear of a run with the one of the same name in its repetition. */
export function compareHashes(expected: readonly Hashes[], found: readonly Hashes[]): Comparison {
  const others = new Map(found.map((linear) => [linear.name, linear]));
  let linears = 0, sameMasks = 0, sameWeights = 0;
  const differences: Difference[] = [];
  for (const { name, maskSha256, weightSha256 } of expected) {
    const other = others.get(name);
    others.delete(name);
    if (!other) {
      differences.push({ name, what: "missing" });
      continue;
    }
    const mask = other.maskSha256 === maskSha256, weight = other.weightSha256 === weightSha256;
    linears++;
    sameMasks += Number(mask);
    sameWeights += Number(weight);
    if (!mask || !weight) differences.push({ name, what: mask ? "weight" : "mask" });
  }
  differences.push(...[...others.keys()].map((name) => ({ name, what: "extra" as const })));
  const [first] = differences;
  return { identical: first === undefined, linears, sameMasks, sameWeights, ...first && { first } };
}

/**
 * In how many bits two equally long byte strings differ: of masks, weights that only one run keeps; of weights, bits.
 * @throws RangeError if their lengths differ.
 */
export function differingBits(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) throw new RangeError(`expected ${a.length} bytes, found ${b.length}`);
  let bits = 0;
  for (let at = 0; at < a.length; at++) bits += ONES[a[at] ^ b[at]];
  return bits;
}

/** The set bits of each byte. */
const ONES = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll("0", "").length);
