/** One text at a time: who comes while another is written waits for their turn, if not too many do. */

/** As many wait as may. */
export class Full extends Error {}

/** See the file's head. */
export class Turns {
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();

  /** @param most How many may wait or be served. */
  constructor(readonly most: number) {}

  /** How many wait or are served. */
  get taken(): number {
    return this.#waiting;
  }

  /**
   * Resolves when it is one's turn, which ends when what is given is disposed of.
   * @throws Full if as many wait as may; the signal's reason if it is aborted before.
   */
  async take(signal: AbortSignal): Promise<Disposable> {
    if (this.#waiting >= this.most) throw new Full(`as many requests wait as this server has room for: ${this.most}`);
    this.#waiting++;
    const before = this.#last, done = Promise.withResolvers<void>();
    const end = () => {
      if (ended) return;
      ended = true;
      this.#waiting--;
      done.resolve();
    };
    let ended = false;
    // Who gives up keeps the place in the order, but not the room.
    this.#last = before.then(() => done.promise);
    const given = Promise.withResolvers<never>();
    const giveUp = () => given.reject(signal.reason);
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      signal.throwIfAborted();
      await Promise.race([before, given.promise]);
      return { [Symbol.dispose]: end };
    } catch (error) {
      end();
      throw error;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }
}
