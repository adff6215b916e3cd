/**
 * What the answers to documents are held against: which choice is right, and how long each is. It is what stays of a document
 * once its text has become tokens: some numbers in typed arrays, since there may be ten thousands.
 */
import { Growing } from "../text/growing.ts";
import type { Document } from "./task.ts";

/** Of one document. */
export type Key = Pick<Document, "right" | "target" | "lengths">;

/** See the file's head. */
export class AnswerKey {
  /** Of each one more than the right choice, or 0 where there is none. */
  readonly #right = new Growing();
  /** Of each where the lengths of its choices end. */
  readonly #ends = new Growing();
  readonly #lengths = new Growing();
  /** The targets that are texts. */
  readonly #texts = new Map<number, string>();

  /** That of some documents. */
  static of(documents: Iterable<Key>): AnswerKey {
    const key = new AnswerKey();
    for (const document of documents) key.push(document);
    return key;
  }

  /** How many documents there are. */
  get length(): number {
    return this.#right.length;
  }

  /** How many requests there are. */
  get requests(): number {
    return this.#lengths.length;
  }

  /** Adds a document. */
  push({ right, target, lengths }: Key): void {
    if (typeof target === "string") this.#texts.set(this.length, target);
    else if (target !== right) throw new TypeError("a number names the right choice");
    this.#right.push(right === undefined ? 0 : right + 1);
    this.#lengths.push(...lengths);
    this.#ends.push(this.#lengths.length);
  }

  /** That of one document, and where its requests are among all: one a choice. */
  at(document: number): Key & { readonly first: number; readonly end: number } {
    const ends = this.#ends.all, first = document === 0 ? 0 : ends[document - 1], end = ends[document];
    const right = this.#right.all[document] === 0 ? undefined : this.#right.all[document] - 1;
    const target = this.#texts.get(document) ?? right!;
    return {
      ...right !== undefined && { right },
      target,
      lengths: [...this.#lengths.all.subarray(first, end)],
      first,
      end,
    };
  }
}
