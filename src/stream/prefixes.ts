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

/** A piece of one or more sequences. */
interface Node {
  readonly ids: Uint32Array;
  readonly parent?: Node;
  /** The position of its first token. */
  readonly start: number;
  readonly children: Node[];
  /** The sequence that ends with it. */
  readonly sequence?: number;
  /** Its tokens and those of all below it. */
  readonly tokens: number;
  /** The end of the longest path through it. */
  readonly end: number;
}

/** Sequences of which none is there twice, as a batch in which common beginnings are. */
export interface Shared {
  readonly batch: Batch;
  /** Where each of the sequences ends: the one of the batch whose path it is. */
  readonly ends: Uint32Array;
}

/**
 * Puts sequences into a batch.
 * @param sequences Token ids; no two are equal.
 * @param most Tokens that should go through a block at once.
 * @param longest Longer sequences are left alone: their angles are not those of shorter ones.
 * @returns Trees in the order of their longest sequences, the longest first.
 */
export function sharePrefixes(sequences: readonly Uint32Array[], most: number, longest = Infinity): Shared {
  const all = [...sequences.keys()], short = all.filter((i) => sequences[i].length <= longest);
  const sorted = short.sort((a, b) => compare(sequences[a], sequences[b])).map((i) => ({ ids: sequences[i], i }));
  const long = all.filter((i) => sequences[i].length > longest);
  const roots = grow(sorted, undefined, 0).concat(long.flatMap((i) => grow([{ ids: sequences[i], i }], undefined, 0)));
  const layout = new Layout(most, sequences.length);
  for (const root of roots.sort((a, b) => b.end - a.end)) layout.add(root);
  return layout.shared();
}

/** A sequence, and its number among all. */
interface Numbered {
  readonly ids: Uint32Array;
  readonly i: number;
}

/** Tokens that two sequences begin with; the first `known` are the same. */
function common(a: Uint32Array, b: Uint32Array, known = 0): number {
  const most = Math.min(a.length, b.length);
  let t = known;
  while (t < most && a[t] === b[t]) t++;
  return t;
}

/** The order in which sequences that begin alike are neighbours, and one that another goes on from is before it. */
function compare(a: Uint32Array, b: Uint32Array): number {
  const t = common(a, b);
  return (a[t] ?? -1) - (b[t] ?? -1);
}

/** The nodes of sequences, in order, that have their first `start` tokens in common and more than those. */
function grow(sequences: readonly Numbered[], parent: Node | undefined, start: number): Node[] {
  const nodes: Node[] = [];
  for (let first = 0; first < sequences.length;) {
    const { ids, i } = sequences[first];
    let next = first + 1, end = ids.length;
    for (; next < sequences.length; next++) {
      const shared = common(sequences[next - 1].ids, sequences[next].ids, start);
      if (shared - start < LEAST_SHARED) break;
      end = Math.min(end, shared);
    }
    const children: Node[] = [], own = end - start, whole = end === ids.length;
    const node = { ids: ids.subarray(start, end), parent, start, children, sequence: whole ? i : undefined };
    children.push(...grow(sequences.slice(whole ? first + 1 : first, next), node as Node, end));
    nodes.push(Object.assign(node, {
      tokens: children.reduce((sum, { tokens }) => sum + tokens, own),
      end: children.reduce((most, child) => Math.max(most, child.end), end),
    }));
    first = next;
  }
  return nodes;
}

/** The batch, as it is put together. */
class Layout {
  readonly #pieces: Uint32Array[] = [];
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
    const { parent, start, ids, tokens, children } = node;
    const most = Math.max(this.most, PATHS * (start + ids.length));
    const before = this.#tokens + (parent && !this.#places.has(parent) ? start : 0);
    if (before + tokens <= most) return this.#addAll(node);
    if (start + tokens <= most) {
      this.#cut();
      return this.#addAll(node);
    }
    if (before + ids.length > most) this.#cut();
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
    const { parent, ids, sequence } = node;
    const before = parent ? this.#places.get(parent) ?? this.#place(parent) : -1, place = this.#pieces.length;
    this.#pieces.push(ids);
    this.#parents.push(before);
    this.#places.set(node, place);
    this.#tokens += ids.length;
    if (sequence !== undefined) this.#ends[sequence] = Math.min(this.#ends[sequence], place);
    return place;
  }

  shared(): Shared {
    const offsets = new Uint32Array(this.#pieces.length + 1);
    this.#pieces.forEach(({ length }, i) => offsets[i + 1] = offsets[i] + length);
    const ids = new Uint32Array(offsets.at(-1)!);
    this.#pieces.forEach((piece, i) => ids.set(piece, offsets[i]));
    return { batch: { ids, offsets, parents: Int32Array.from(this.#parents) }, ends: this.#ends };
  }
}
