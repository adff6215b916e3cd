/** Sequences of a batch as a realisation takes them: neighbours of one length at once. */
import type { AttentionOptions } from "../backend.ts";

/** Neighbouring sequences of one length. */
export interface EqualLengths {
  /** The row that the first of them begins with. */
  readonly first: number;
  /** Tokens of each. */
  readonly length: number;
  /** How many. */
  readonly sequences: number;
  /** The rows of keys that they see, as pairs of first and end: their own, or what one sequence sees. */
  readonly ranges: Uint32Array;
}

/** The runs of equal lengths among sequences; what sees other rows than its own is alone. */
export function* equalLengths(
  { offsets, spans }: Pick<AttentionOptions, "offsets" | "spans">,
): Generator<EqualLengths> {
  const count = offsets.length - 1, lengthOf = (i: number): number => offsets[i + 1] - offsets[i];
  const isOwn = (i: number): boolean =>
    !spans || spans[i].length === 2 && spans[i][0] === offsets[i] && spans[i][1] === offsets[i + 1];
  for (let i = 0; i < count;) {
    let end = i + 1;
    if (isOwn(i)) { while (end < count && lengthOf(end) === lengthOf(i) && isOwn(end)) end++; }
    const ranges = isOwn(i) ? Uint32Array.of(offsets[i], offsets[end]) : spans![i];
    yield { first: offsets[i], length: lengthOf(i), sequences: end - i, ranges };
    i = end;
  }
}
