/** What `generate` shows of texts that grow side by side. */

/** Texts on one screen: one after the other, each under its prompt if there are several. */
export class Shown {
  readonly #waiting: string[];
  readonly #done: boolean[];
  #current = -1;

  constructor(readonly prompts: readonly string[], readonly write: (text: string) => void) {
    this.#waiting = prompts.map(() => "");
    this.#done = prompts.map(() => false);
    this.#next();
  }

  push(sequence: number, text: string, done: boolean): void {
    this.#waiting[sequence] += text;
    this.#done[sequence] = done;
    while (this.#current < this.prompts.length) {
      this.write(this.#waiting[this.#current]);
      this.#waiting[this.#current] = "";
      if (!this.#done[this.#current]) break;
      this.#next();
    }
  }

  /** Ends the line of a text that is not done. */
  end(): void {
    if (this.#current < this.prompts.length) this.write("\n");
  }

  #next(): void {
    const { prompts } = this;
    if (++this.#current === prompts.length || prompts.length === 1) return;
    const prompt = prompts[this.#current].replace(/\s+/g, " ").trim();
    this.write(`${this.#current ? "\n\n" : ""}==> ${prompt.length > 60 ? `${prompt.slice(0, 60)}…` : prompt} <==\n`);
  }
}
