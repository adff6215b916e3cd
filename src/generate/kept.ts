/**
 * A context that outlives a text: the next one that begins like the last, such as the next turn of a conversation, goes on
 * where that was read to. It grows by being made anew, twice as long, and what was read is read again then.
 */
import type { CacheDtype } from "./cache.ts";
import { Context } from "./context.ts";
import type { ResidentModel } from "./resident.ts";

/** Tokens that there is room for at first. */
const FIRST_ROOM = 1024;

/** See the file's head. */
export class KeptContext implements Disposable {
  #context?: Context;

  /** Makes none yet. */
  constructor(readonly model: ResidentModel, readonly dtype: CacheDtype = "F32") {}

  /**
   * The context, with room for one sequence of so many tokens.
   * @throws PareError if there is no memory for it.
   */
  for(length: number): Context {
    if (this.#context && this.#context.size.length >= length) return this.#context;
    const room = Math.max(length, this.#context ? 2 * this.#context.size.length : FIRST_ROOM);
    this[Symbol.dispose]();
    return this.#context = new Context(
      this.model,
      { sequences: 1, length: Math.min(room, this.model.spec.maxLength) },
      this.dtype,
    );
  }

  /** Forgets what was read. */
  [Symbol.dispose](): void {
    this.#context?.[Symbol.dispose]();
    this.#context = undefined;
  }
}
