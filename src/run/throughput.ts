/** How fast a run is. */
import type { RunProgress } from "./record.ts";

/** How fast a run is: by what it has done since its work began, so that one which goes on is not taken to have done all of it. */
export class Throughput {
  #start?: { readonly time: number; readonly done: number; readonly total: number };
  #done = 0;

  /**
   * Tokens by the second, or undefined at the beginning of a work.
   * @param time Milliseconds from any start.
   */
  rate({ done, total }: Pick<RunProgress, "done" | "total">, time: number): number | undefined {
    // Less is done than before, or of another sum: another work has begun, such as the next model of a comparison.
    if (!this.#start || total !== this.#start.total || done < this.#done) this.#start = { time, done, total };
    this.#done = done;
    const { time: since, done: before } = this.#start;
    return done > before && time > since ? (done - before) / ((time - since) / 1000) : undefined;
  }
}
