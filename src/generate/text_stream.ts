/**
 * Token ids to text while they come. A token may be a part of a character, and what a piece looks like may depend on the one
 * before it; so the text of an id is what the text of a few ids before it becomes longer by, and it waits until its last
 * character is whole. What could be the beginning of a stop string waits as well.
 */
import type { Tokenizer } from "../text/tokenizer.ts";

/** Ids before the new ones that are decoded with them: a piece looks no further back than to the one before it. */
const CONTEXT = 5;

/** What a decoder puts in the place of bytes that are no character, or none yet. */
const REPLACEMENT = "\ufffd";

/** See the file's head. */
export class TextStream {
  readonly #ids: number[];
  /** What is decoded begins here, and is known as text up to there. */
  #from = 0;
  #known: number;
  /** Text that may be the beginning of a stop string. */
  #held = "";
  #stopped = false;

  /**
   * Begins a text.
   * @param prompt The ids that stand before the text; they are not part of it.
   * @param stops Strings that end the text and are not part of it; none is empty.
   */
  constructor(
    readonly tokenizer: Pick<Tokenizer, "decode">,
    prompt: Uint32Array,
    readonly stops: readonly string[] = [],
  ) {
    this.#ids = [...prompt.subarray(-CONTEXT)];
    this.#known = this.#ids.length;
  }

  /** Whether a stop string came. Nothing comes behind it. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** The text that is certain with this id, often none. */
  push(id: number): string {
    this.#ids.push(id);
    const text = this.#fresh();
    if (text.endsWith(REPLACEMENT)) return "";
    this.#from = Math.max(this.#from, this.#known - CONTEXT);
    this.#known = this.#ids.length;
    return this.#release(text);
  }

  /** The text that waited, when nothing more comes. */
  end(): string {
    const text = this.#fresh();
    this.#known = this.#ids.length;
    const rest = this.#release(text) + this.#held;
    this.#held = "";
    return rest;
  }

  /** What is not known yet. */
  #fresh(): string {
    const ids = this.#ids.slice(this.#from), known = this.tokenizer.decode(ids.slice(0, this.#known - this.#from));
    return this.tokenizer.decode(ids).slice(known.length);
  }

  /** Text that ends before a stop string, and before what may become one. */
  #release(text: string): string {
    if (this.#stopped) return "";
    const all = this.#held + text;
    const found = this.stops.map((stop) => all.indexOf(stop)).filter((at) => at >= 0);
    this.#stopped = found.length > 0;
    const end = this.#stopped ? Math.min(...found) : all.length - this.#maybe(all);
    this.#held = this.#stopped ? "" : all.slice(end);
    return all.slice(0, end);
  }

  /** Characters at the end of a text that a stop string begins with, as many as can be. */
  #maybe(text: string): number {
    let most = 0;
    for (const stop of this.stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > most; length--) {
        if (text.endsWith(stop.slice(0, length))) most = length;
      }
    }
    return most;
  }
}
