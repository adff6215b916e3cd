/**
 * Requests by the ten thousands: token ids one after the other in one array, in place of an array for each context and
 * continuation, which would be most of what they take. A context that the request before has as well is there once.
 */
import { Growing, type Integers } from "./growing.ts";

/** A continuation of one token or more, and what stands before it, one token or more. */
export interface Continued {
  /** What stands before. */
  readonly context: Integers;
  /** What is asked about. */
  readonly continuation: Integers;
}

/** Numbers of a request in the list of places: where its context begins and ends, and where its continuation does. */
const PLACES = 4;

/** See the file's head. */
export class Continuations {
  readonly #ids = new Growing();
  readonly #places = new Growing();

  /** Packs some. */
  static of(requests: Iterable<Continued>): Continuations {
    const all = new Continuations();
    for (const request of requests) all.push(request);
    return all;
  }

  /** How many there are. */
  get length(): number {
    return this.#places.length / PLACES;
  }

  /** Adds one. */
  push({ context, continuation }: Continued): void {
    let [begin, end] = this.length ? this.#places.all.subarray(-PLACES) : [0, 0];
    if (compareIds(context, this.#ids.all.subarray(begin, end)) !== 0) {
      begin = this.#ids.length;
      this.#ids.append(context);
      end = this.#ids.length;
    }
    const own = this.#ids.length;
    this.#ids.append(continuation);
    this.#places.push(begin, end, own, this.#ids.length);
  }

  /** Gives back the room for more. */
  fit(): void {
    this.#ids.fitted();
    this.#places.fitted();
  }

  /** Lets go of all of them. */
  release(): void {
    this.#ids.release();
    this.#places.release();
  }

  /** One of them, as views that hold until the next is added. */
  at(request: number): Continued {
    const ids = this.#ids.all;
    const [begin, end, own, ownEnd] = this.#places.all.subarray(request * PLACES, (request + 1) * PLACES);
    return { context: ids.subarray(begin, end), continuation: ids.subarray(own, ownEnd) };
  }
}

/** The order in which sequences that begin alike are neighbours, and one that another goes on from is before it. */
export function compareIds(a: Integers, b: Integers): number {
  const most = Math.min(a.length, b.length);
  let t = 0;
  while (t < most && a[t] === b[t]) t++;
  return (a[t] ?? -1) - (b[t] ?? -1);
}
