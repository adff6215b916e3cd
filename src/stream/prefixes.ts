/**
 * What several sequences begin with is computed once: the sequences become a forest in which each node is a piece that goes on
 * from its parent, and every sequence a path from a root. The choices of a question share its text, the questions of a task the
 * examples before them, at as many levels as there are.
 */
import type { Batch } from "../text/batch.ts";
import { Growing, type Integers } from "../text/growing.ts";

/** A shorter common piece is computed for each sequence: as a node of its own it would cost attention as much as it saves. */
const LEAST_SHARED = 8;
/**
 * A forest's tree goes through a block at once, so a large one is cut and what its parts begin with is computed in each. A part
 * has at least so many times the tokens of its longest path: no more than half of what is computed is there twice.
 */
const PATHS = 2;

/**
 * The pieces of sequences, a row each: a piece is the tokens of one or more sequences from a position on. What is below a piece
 * follows it. There are as many as requests and more, so they are numbers in typed arrays.
 */
class Forest implements Disposable {
  readonly #numbers: Uint32Array<ArrayBuffer>;
  /** How many there are. */
  count = 0;
  /** One of the sequences that have it. */
  readonly of: Uint32Array;
  /** The position of its first token. */
  readonly start: Uint32Array;
  /** The position behind its last token. */
  readonly stop: Uint32Array;
  /** The piece that it goes on from, or {@linkcode NONE}. */
  readonly parent: Uint32Array;
  /** The sequence that ends with it, or {@linkcode NONE}. */
  readonly sequence: Uint32Array;
  /** The piece behind all that are below it. */
  readonly next: Uint32Array;
  /** Its tokens and those of all below it. */
  readonly tokens: Uint32Array;
  /** The end of the longest path through it. */
  readonly end: Uint32Array;

  /** @param sequences A tree of so many has fewer inner pieces than that. */
  constructor(sequences: number) {
    const most = 2 * sequences, numbers = this.#numbers = new Uint32Array(8 * most);
    const column = (i: number) => numbers.subarray(i * most, (i + 1) * most);
    [this.of, this.start, this.stop, this.parent] = [column(0), column(1), column(2), column(3)];
    [this.sequence, this.next, this.tokens, this.end] = [column(4), column(5), column(6), column(7)];
  }

  /** Once the batch is there it is of no use, and as large. */
  [Symbol.dispose](): void {
    this.#numbers.buffer.transfer(0);
  }

  /** The pieces that go on from one. */
  *children(piece: number): Generator<number> {
    for (let child = piece + 1; child < this.next[piece]; child = this.next[child]) yield child;
  }
}

/** No piece, no sequence. */
const NONE = 2 ** 32 - 1;

/** Sequences that are put together when they are asked for: as many as there may be, they are not all there at once. */
export interface Sequences {
  readonly count: number;
  /** The token ids of one. They ascend by {@linkcode compareIds}, and no two are equal. */
  ids(sequence: number): Uint32Array;
}

/** Sequences as a batch in which common beginnings are there once. */
export interface Shared {
  readonly batch: Batch;
  /** Where each of the sequences ends: the one of the batch whose path it is. */
  readonly ends: Uint32Array;
}

/**
 * Puts sequences into a batch.
 * @param most Tokens that should go through a block at once.
 * @param longest Longer sequences are left alone: their angles are not those of shorter ones.
 * @returns Trees in the order of their longest sequences, the longest first.
 */
export function sharePrefixes(sequences: Sequences, most: number, longest = Infinity): Shared {
  const lengths = new Uint32Array(sequences.count), short = new Growing(), long: number[] = [];
  // Of each the tokens that it begins with as the one before it does.
  const alike = new Uint32Array(sequences.count);
  let before: Uint32Array = new Uint32Array();
  for (let i = 0; i < sequences.count; i++) {
    const ids = sequences.ids(i);
    lengths[i] = ids.length;
    if (ids.length > longest) {
      long.push(i);
      continue;
    }
    alike[i] = common(before, ids);
    before = ids;
    short.push(i);
  }
  using forest = new Forest(sequences.count);
  grow(forest, short.all, { lengths, alike });
  for (const i of long) grow(forest, Uint32Array.of(i), { lengths, alike });
  const roots = new Growing(), layout = new Layout(forest, most, sequences.count);
  for (let root = 0; root < forest.count; root = forest.next[root]) roots.push(root);
  for (const root of roots.all.sort((a, b) => forest.end[b] - forest.end[a] || a - b)) layout.add(root);
  return layout.shared(sequences);
}

/** Tokens that two sequences begin with. */
function common(a: Uint32Array, b: Uint32Array): number {
  const most = Math.min(a.length, b.length);
  let t = 0;
  while (t < most && a[t] === b[t]) t++;
  return t;
}

/** What is known of sequences: their lengths, and what each has in common with the one before it. */
interface Known {
  readonly lengths: Uint32Array;
  readonly alike: Uint32Array;
}

/** Adds the pieces of sequences, in order, that have their first `start` tokens in common and more than those. */
function grow(forest: Forest, sequences: Integers, known: Known, parent = NONE, start = 0): void {
  const { lengths, alike } = known;
  for (let first = 0; first < sequences.length;) {
    const of = sequences[first];
    let next = first + 1, stop = lengths[of];
    for (; next < sequences.length; next++) {
      const shared = alike[sequences[next]];
      if (shared - start < LEAST_SHARED) break;
      stop = Math.min(stop, shared);
    }
    const whole = stop === lengths[of], below = first + Number(whole), piece = forest.count++;
    forest.of[piece] = of;
    forest.start[piece] = start;
    forest.stop[piece] = forest.end[piece] = stop;
    forest.parent[piece] = parent;
    forest.sequence[piece] = whole ? of : NONE;
    forest.tokens[piece] = stop - start;
    if (below < next) grow(forest, sequences.subarray(below, next), known, piece, stop);
    forest.next[piece] = forest.count;
    for (const child of forest.children(piece)) {
      forest.tokens[piece] += forest.tokens[child];
      forest.end[piece] = Math.max(forest.end[piece], forest.end[child]);
    }
    first = next;
  }
}

/** The batch, as it is put together. */
class Layout {
  readonly #pieces = new Growing();
  /** Of each, one more than the place of the one that it goes on from. */
  readonly #parents = new Growing();
  readonly #ends: Uint32Array;
  /** Where pieces are in the present part: one more than the place, or 0. */
  readonly #places: Uint32Array;
  /** The first piece of the present part, and its tokens. */
  #first = 0;
  #tokens = 0;

  constructor(readonly forest: Forest, readonly most: number, sequences: number) {
    this.#ends = new Uint32Array(sequences).fill(NONE);
    this.#places = new Uint32Array(forest.count);
  }

  /** Adds a tree. */
  add(root: number): void {
    this.#cut();
    this.#addParts(root);
  }

  /** Adds a piece and all below it, whole if they fit a part. */
  #addParts(piece: number): void {
    const { forest } = this, parent = forest.parent[piece], start = forest.start[piece], stop = forest.stop[piece];
    const tokens = forest.tokens[piece], most = Math.max(this.most, PATHS * stop);
    const before = this.#tokens + (parent !== NONE && !this.#places[parent] ? start : 0);
    if (before + tokens <= most) return this.#addAll(piece);
    if (start + tokens <= most) {
      this.#cut();
      return this.#addAll(piece);
    }
    if (before + stop - start > most) this.#cut();
    this.#place(piece);
    for (const child of forest.children(piece)) this.#addParts(child);
  }

  #addAll(piece: number): void {
    for (let below = piece; below < this.forest.next[piece]; below++) this.#place(below);
  }

  /** Begins a part: what its pieces go on from is there anew. */
  #cut(): void {
    for (const piece of this.#pieces.all.subarray(this.#first)) this.#places[piece] = 0;
    this.#first = this.#pieces.length;
    this.#tokens = 0;
  }

  /** @returns One more than the piece's place. */
  #place(piece: number): number {
    const { forest } = this, parent = forest.parent[piece], sequence = forest.sequence[piece];
    const before = parent === NONE ? 0 : this.#places[parent] || this.#place(parent), place = this.#pieces.length;
    this.#pieces.push(piece);
    this.#parents.push(before);
    this.#tokens += forest.stop[piece] - forest.start[piece];
    if (sequence !== NONE) this.#ends[sequence] = Math.min(this.#ends[sequence], place);
    return this.#places[piece] = place + 1;
  }

  shared({ ids: idsOf }: Sequences): Shared {
    const { of, start, stop } = this.forest, pieces = this.#pieces.all, offsets = new Uint32Array(pieces.length + 1);
    pieces.forEach((piece, i) => offsets[i + 1] = offsets[i] + stop[piece] - start[piece]);
    const ids = new Growing(offsets.at(-1));
    for (const piece of pieces) ids.append(idsOf(of[piece]).subarray(start[piece], stop[piece]));
    const parents = Int32Array.from(this.#parents.all, (place) => place - 1);
    return { batch: { ids: ids.all, offsets, parents }, ends: this.#ends };
  }
}
