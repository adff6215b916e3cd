/**
 * Whether a connection still makes progress. A server that says nothing is left, and so is one that says a byte every
 * half second: either would keep a run waiting for good, and neither is a network that people have. How long the whole
 * takes does not matter.
 */

/** Bytes a second below which a connection counts as dead. The slowest mobile network has fifty times as many. */
const LEAST_RATE = 100;

/** Milliseconds by which a timer is late when it was not the machine that was slow, but this process that computed. */
const BUSY_MS = 500;

/** One connection, from its request to the end of its answer; its signal ends it. */
export class Watch implements Disposable {
  readonly #controller = new AbortController();
  readonly #silence: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #deadline = 0;
  #since = 0;
  /** Bytes that have to come within the time of silence. */
  readonly least: number;

  /** @param silence Milliseconds without progress until the end. */
  constructor(silence: number) {
    this.#silence = silence;
    this.least = Math.ceil(LEAST_RATE * silence / 1000);
    this.restart();
  }

  /** Aborted when the connection made no progress for too long. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Progress: the time of silence begins anew. */
  restart(): void {
    this.#since = 0;
    this.#deadline = performance.now() + this.#silence;
    this.#run();
  }

  /** Bytes came. */
  progress(bytes: number): void {
    this.#since += bytes;
    if (this.#since >= this.least) this.restart();
  }

  /** Whatever time `work` takes is not the server's silence: a disk may be slow. */
  async apart(work: () => Promise<void>): Promise<void> {
    clearTimeout(this.#timer);
    const begun = performance.now();
    await work();
    this.#deadline += performance.now() - begun;
    this.#run();
  }

  /** Lets the time run. */
  #run(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      // It was this process that was busy: what the server has sent meanwhile has not been looked at yet.
      if (performance.now() - this.#deadline > BUSY_MS) return this.restart();
      const seconds = this.#silence / 1000;
      const came = this.#since > 0 ? `no more than ${this.#since} bytes` : "nothing";
      this.#controller.abort(new DOMException(`${came} came in ${seconds} s`, "TimeoutError"));
    }, Math.max(0, this.#deadline - performance.now()));
  }

  /** Whatever comes now is nobody's concern. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
