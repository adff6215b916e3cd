/** What an iteration holds of the things that take each other's place: the latest. */

/** Holds the latest of things that take each other's place; the one before is disposed of. */
export class Latest<T extends Disposable> implements Disposable {
  #held: T | undefined;

  /** Begins with this one; without it there must be one before it is asked for. */
  constructor(first?: T) {
    this.#held = first;
  }

  /** The one that is held. */
  get value(): T {
    return this.#held!;
  }

  set value(next: T) {
    this[Symbol.dispose]();
    this.#held = next;
  }

  /** Gives it to the caller. */
  release(): T {
    const held = this.#held!;
    this.#held = undefined;
    return held;
  }

  [Symbol.dispose](): void {
    this.#held?.[Symbol.dispose]();
    this.#held = undefined;
  }
}
