/**
 * What several sequences begin with is computed once: the sequences become a forest in which each node is a piece that goes on
 * from its parent, and every sequence a path from a root. The choices of a question share its text, the questions of a task the
 * examples before them, at as many levels as there are.
 */
import type { Batch } from "../text/batch.ts";

/** A shorter common piece is computed for each sequence: as a node of its own it would cost attention as much as it saves. */
const LEAST_SHARED = 8;
/**
 * A forest's tree goes through a block at once, so a large one is cut and what its parts begin with is computed in each. A part
 * has at least so many times the tokens of its longest path: no more than half of what is computed is there twice.
 */
const PATHS = 2;

/** A piece of one or more sequences: the tokens of one of them from a position on. */
interface Node {
  /** One of the sequences that have it. */
  readonly of: number;
  /** The position of its first token. */
  readonly start: number;
  /** The position behind its last token. */
  readonly stop: number;
  readonly parent?: Node;
  readonly children: readonly Node[];
  /** The sequence that ends with it. */
  readonly sequence?: number;
  /** Its tokens and those of all below it. */
  readonly tokens: number;
  /** The end of the longest path through it. */
  readonly end: number;
}

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
  const lengths = new Uint32Array(sequences.count), short: number[] = [], long: number[] = [];
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
  const known = { lengths, alike }, roots = grow(short, known).concat(long.flatMap((i) => grow([i], known)));
  const layout = new Layout(most, sequences.count);
  for (const root of roots.sort((a, b) => b.end - a.end)) layout.add(root);
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

/** No node. */
const NONE: readonly Node[] = [];

/** The nodes of sequences, in order, that have their first `start` tokens in common and more than those. */
function grow(sequences: readonly number[], known: Known, parent?: Node, start = 0): Node[] {
  const { lengths, alike } = known, nodes: Node[] = [];
  for (let first = 0; first < sequences.length;) {
    const of = sequences[first];
    let next = first + 1, stop = lengths[of];
    for (; next < sequences.length; next++) {
      const shared = alike[sequences[next]];
      if (shared - start < LEAST_SHARED) break;
      stop = Math.min(stop, shared);
    }
    const whole = stop === lengths[of], sequence = whole ? of : undefined, below = first + Number(whole);
    const node = { of, start, stop, parent, children: NONE, sequence, tokens: stop - start, end: stop };
    if (below < next) {
      node.children = grow(sequences.slice(below, next), known, node, stop);
      for (const { tokens, end } of node.children) {
        node.tokens += tokens;
        node.end = Math.max(node.end, end);
      }
    }
    nodes.push(node);
    first = next;
  }
  return nodes;
}

/** The batch, as it is put together. */
class Layout {
  readonly #pieces: Node[] = [];
  readonly #parents: number[] = [];
  readonly #ends: Uint32Array;
  /** Where the nodes of the present part are. */
  readonly #places = new Map<Node, number>();
  /** Tokens of the present part. */
  #tokens = 0;

  constructor(readonly most: number, sequences: number) {
    this.#ends = new Uint32Array(sequences).fill(2 ** 32 - 1);
  }

  /** Adds a tree. */
  add(root: Node): void {
    this.#cut();
    this.#addParts(root);
  }

  /** Adds a node and all below it, whole if they fit a part. */
  #addParts(node: Node): void {
    const { parent, start, stop, tokens, children } = node;
    const most = Math.max(this.most, PATHS * stop);
    const before = this.#tokens + (parent && !this.#places.has(parent) ? start : 0);
    if (before + tokens <= most) return this.#addAll(node);
    if (start + tokens <= most) {
      this.#cut();
      return this.#addAll(node);
    }
    if (before + stop - start > most) this.#cut();
    this.#place(node);
    for (const child of children) this.#addParts(child);
  }

  #addAll(node: Node): void {
    this.#place(node);
    for (const child of node.children) this.#addAll(child);
  }

  /** Begins a part: what its nodes go on from is there anew. */
  #cut(): void {
    this.#places.clear();
    this.#tokens = 0;
  }

  #place(node: Node): number {
    const { parent, start, stop, sequence } = node;
    const before = parent ? this.#places.get(parent) ?? this.#place(parent) : -1, place = this.#pieces.length;
    this.#pieces.push(node);
    this.#parents.push(before);
    this.#places.set(node, place);
    this.#tokens += stop - start;
    if (sequence !== undefined) this.#ends[sequence] = Math.min(this.#ends[sequence], place);
    return place;
  }

  shared({ ids: idsOf }: Sequences): Shared {
    const offsets = new Uint32Array(this.#pieces.length + 1);
    this.#pieces.forEach(({ start, stop }, i) => offsets[i + 1] = offsets[i] + stop - start);
    const ids = new Uint32Array(offsets.at(-1)!);
    this.#pieces.forEach(({ of, start, stop }, i) => ids.set(idsOf(of).subarray(start, stop), offsets[i]));
    return { batch: { ids, offsets, parents: Int32Array.from(this.#parents) }, ends: this.#ends };
  }
}
