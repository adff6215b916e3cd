/** One text at a time: who comes while another is written waits for their turn, if not too many do. */

/** As many wait as may. */
export class Full extends Error {}

/** A place among those who wait, until it is disposed of. */
export interface Place extends Disposable {
  /** Resolves when it is one's turn, which ends with the place. @throws the signal's reason if it is aborted before. */
  turn(signal: AbortSignal): Promise<void>;
}

/** See the file's head. */
export class Turns {
  #taken = 0;
  #last: Promise<void> = Promise.resolve();

  /** @param most How many may have a place. */
  constructor(readonly most: number) {}

  /** How many have a place. */
  get taken(): number {
    return this.#taken;
  }

  /** Takes a place, at once: whoever has none needs not even be heard. @throws Full if as many have one as may. */
  reserve(): Place {
    if (this.#taken >= this.most) throw new Full(`as many requests wait as this server has room for: ${this.most}`);
    this.#taken++;
    const done = Promise.withResolvers<void>();
    let left = false;
    return {
      turn: (signal) => this.#wait(signal, done.promise),
      [Symbol.dispose]: () => {
        if (!left) this.#taken--;
        left = true;
        done.resolve();
      },
    };
  }

  /** Turns come in the order in which they were asked for. Who gives up keeps that until their place is disposed of. */
  async #wait(signal: AbortSignal, done: Promise<void>): Promise<void> {
    signal.throwIfAborted();
    const before = this.#last, given = Promise.withResolvers<never>();
    this.#last = before.then(() => done);
    const giveUp = () => given.reject(signal.reason);
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      await Promise.race([before, given.promise]);
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }
}
