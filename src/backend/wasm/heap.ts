/**
 * Who owns which bytes of the shared memory. The memory can grow but never shrink, so what matters is to grow it
 * seldom: freed bytes are handed out again at once, and neighbours become one. Of the spans that fit the first is taken: a
 * block's weights then lie where those of the block before lay, and what works beside them keeps one large span. (With the
 * smallest that fits they wandered: 824 MB for blocks of 7B's shapes, where the first needs 734 MB.)
 *
 * A span may be free for the queue but not yet idle: commands that still use it are under way. The output of a later
 * command may have it (the queue runs in order), bytes that the main thread writes at once may not. Therefore each
 * free span remembers the last command that may touch it.
 */
import { PareError } from "../../errors.ts";

/** Bytes of a WebAssembly page. */
const PAGE = 65536;
/** Every allocation begins on a cache line. */
const ALIGNMENT = 64;
/** What a 32-bit memory can address: 65536 pages. */
export const MOST_PAGES = 65536;
/** The same in bytes. */
export const MOST_BYTES = MOST_PAGES * PAGE;

/** How often memory is asked for, and the milliseconds between: two seconds in all. */
const GROW_ATTEMPTS = 20, GROW_PAUSE_MS = 100;

interface Span {
  offset: number;
  bytes: number;
  /** The last command that may use these bytes. */
  busyUntil: number;
}

/** The memory has no room for what was asked. */
export class OutOfMemory extends PareError {}

/** The allocator of one shared memory. Kernels allocate nothing; their stacks are pages of their own. */
export class Heap {
  /** Free spans by offset. */
  readonly #free: Span[] = [];
  readonly #memory: WebAssembly.Memory;
  #used = 0;
  #size = 0;

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory;
  }

  /** Bytes handed out now. */
  get used(): number {
    return this.#used;
  }

  /** Bytes ever taken from the memory: used and free. */
  get size(): number {
    return this.#size;
  }

  /** The offset of `bytes` free bytes that no command after `done` uses; undefined if the memory would have to grow. */
  reuse(bytes: number, done: number): number | undefined {
    bytes = rounded(bytes);
    let best = this.#find(bytes, done);
    if (!best) {
      this.#join(done);
      best = this.#find(bytes, done);
    }
    return best && this.#take(best, bytes);
  }

  /** Joins neighbours that are idle after `done`. */
  #join(done: number): void {
    for (let left = this.#free.length - 2; left >= 0; left--) this.#joinPair(left, done);
  }

  /** The first free span of so many bytes that no command after `done` uses. */
  #find(bytes: number, done: number): Span | undefined {
    return this.#free.find((span) => span.bytes >= bytes && span.busyUntil <= done);
  }

  /**
   * The offset of `bytes` bytes at the memory's end, from the free span there, if it is idle, and new pages.
   * @throws OutOfMemory if there is no room for them.
   */
  grow(bytes: number, done: number): number {
    // Commands may have come to their end since `reuse` was asked, and what they used may be enough by now.
    bytes = rounded(bytes);
    const idle = this.#find(bytes, done);
    if (idle) return this.#take(idle, bytes);
    const end = this.#memory.buffer.byteLength;
    const last = this.#free.at(-1);
    const tail = last && last.offset + last.bytes === end && last.busyUntil <= done ? last.bytes : 0;
    const pages = Math.ceil((bytes - tail) / PAGE);
    const offset = this.#growMemory(pages, bytes) * PAGE;
    this.#size += pages * PAGE;
    this.#insert({ offset, bytes: pages * PAGE, busyUntil: 0 }, done);
    const span = this.#free.find((span) => span.offset + span.bytes === offset + pages * PAGE)!;
    return this.#take(span, bytes);
  }

  /**
   * Grows the memory and gives its old size in pages. The system may refuse for a moment what it grants the next (seen once
   * in a process that had opened some hundred memories before, with gigabytes free): so it is asked again.
   */
  #growMemory(pages: number, bytes: number): number {
    const room = MOST_PAGES - this.#memory.buffer.byteLength / PAGE;
    for (let asked = 1;; asked++) {
      try {
        return this.#memory.grow(pages);
      } catch (error) {
        if (pages <= room && asked < GROW_ATTEMPTS) {
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, GROW_PAUSE_MS);
          continue;
        }
        throw new OutOfMemory(
          `WASM memory: ${mib(bytes)} more were needed beside ${mib(this.#used)} in use, but ` +
            `${mib(MOST_BYTES)} is the most, or the system has no more (${(error as Error).message}); ` +
            "expected smaller batches or a smaller block",
        );
      }
    }
  }

  /**
   * Takes back what `reuse` or `grow` gave; commands up to `lastCommand` may still use it.
   * @param settled Commands up to this one are done before any that is queued later: what they use may become one span.
   */
  free(offset: number, bytes: number, lastCommand: number, settled = Infinity): void {
    bytes = rounded(bytes);
    this.#used -= bytes;
    this.#insert({ offset, bytes, busyUntil: lastCommand }, settled);
  }

  #take(span: Span, bytes: number): number {
    const { offset } = span;
    span.offset += bytes;
    span.bytes -= bytes;
    if (span.bytes === 0) this.#free.splice(this.#free.indexOf(span), 1);
    this.#used += bytes;
    return offset;
  }

  /** Adds a span and joins it with its neighbours: all of them, or those that are idle after `done`. */
  #insert(span: Span, done = Infinity): void {
    let at = this.#free.findIndex(({ offset }) => offset > span.offset);
    if (at < 0) at = this.#free.length;
    this.#free.splice(at, 0, span);
    for (const left of [at, at - 1]) this.#joinPair(left, done);
  }

  #joinPair(left: number, done: number): void {
    const [a, b] = [this.#free[left], this.#free[left + 1]];
    if (!a || !b || a.offset + a.bytes !== b.offset || Math.max(a.busyUntil, b.busyUntil) > done) return;
    this.#free.splice(left, 2, {
      offset: a.offset,
      bytes: a.bytes + b.bytes,
      busyUntil: Math.max(a.busyUntil, b.busyUntil),
    });
  }
}

function rounded(bytes: number): number {
  return Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
