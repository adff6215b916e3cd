/** Sequences of a batch as a realisation takes them: neighbours of one length at once. */

/** Neighbouring sequences of one length. */
export interface EqualLengths {
  /** The row that the first of them begins with. */
  readonly first: number;
  /** Tokens of each. */
  readonly length: number;
  /** How many. */
  readonly sequences: number;
}

/** The runs of equal lengths among sequences that begin at these rows; the last offset is the number of rows. */
export function* equalLengths(offsets: Uint32Array): Generator<EqualLengths> {
  const count = offsets.length - 1, lengthOf = (i: number): number => offsets[i + 1] - offsets[i];
  for (let i = 0; i < count;) {
    let end = i + 1;
    while (end < count && lengthOf(end) === lengthOf(i)) end++;
    yield { first: offsets[i], length: lengthOf(i), sequences: end - i };
    i = end;
  }
}
