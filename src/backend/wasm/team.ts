/**
 * The main thread's end of the workers. Commands are written to a queue, of which the workers are told when it is long, when the
 * main thread comes to rest, or when someone waits. The main thread itself never computes: it is free to read files
 * while the workers are busy.
 *
 * Workers meet between two commands, unless it is known of the later one that it needs nothing of what was not there when they
 * met last. A token's commands are short, and meeting would take longer than many of them:
 *
 * ```text
 *   norm (each for itself), q, k, v │ rotate q, k; keys, values (each for itself), attention │ output │ …
 * ```
 */
import * as kernels from "../../../kernels/pkg/kernels.js";
import { PareError } from "../../errors.ts";
import { ASLEEP, AWAITED, COUNTERS, DONE, FAILED, GENERATION, READ, TAIL, WORKER_WORDS, WORKERS } from "./control.ts";
import {
  ALONE,
  COUNTER_SHIFT,
  FENCE,
  kernelNames,
  MEET_AFTER,
  MEET_BEFORE,
  MOST_OPERATIONS,
  NOTHING,
  QUEUE_LENGTH,
} from "./queue.ts";

type Exports = typeof kernels;

/** An exported kernel that a team runs together: it takes the team first, and gives nothing back. */
export type Kernel = {
  [K in keyof Exports]: Exports[K] extends (team: number, ...rest: infer _) => infer R ? R extends void ? K : never
    : never;
}[keyof Exports];

/** The numbers of the kernels. */
const NUMBERS = new Map(kernelNames(kernels).map((name, number) => [name, number]));

/** What a kernel takes after the team. */
export type KernelArguments<K extends Kernel> = Parameters<Exports[K]> extends [number, ...infer Rest] ? Rest : never;

/**
 * What a command reads and writes, where it need not wait for all before it: tensors, packed weights and masks, by where they
 * begin. What it writes and no other command wrote is new memory, or comes from the same numbers however often it is written.
 */
export interface Uses {
  readonly reads: readonly number[];
  readonly writes: readonly number[];
  /** Little work that is done sooner than the workers can meet: each does all of it, and all write the same. */
  readonly alone?: boolean;
}

/** What a worker is told. */
export interface Start {
  /** The kernels. */
  readonly module: WebAssembly.Module;
  /** The memory that all share. */
  readonly memory: WebAssembly.Memory;
  /** Bytes of the thread's stack. */
  readonly stackBytes: number;
  /** Where the words of `control.ts` lie. */
  readonly controlOffset: number;
  /** The commands (`queue.ts`). */
  readonly queue: SharedArrayBuffer;
  /** Where worker 0 counts the seconds of each operation. */
  readonly seconds: SharedArrayBuffer;
  /** Which worker this is, from 0. */
  readonly index: number;
  /** How many there are. */
  readonly workers: number;
}

/** A piece of the shared memory. */
export interface Piece {
  /** Where it begins. */
  readonly offset: number;
  /** How long it is. */
  readonly bytes: number;
}

/** What a worker says. */
export type Report =
  | { readonly ready: true }
  /** Of worker 0: the commands before a fence are done; copies of what was asked for. */
  | { readonly fence: number; readonly copies: Uint8Array<ArrayBuffer>[] }
  | { readonly failed: string };

/** So many commands go without waiting for the main thread to rest: enough work to hide that a worker is woken. */
const LONG = 64;
/** Milliseconds after which a main thread that waits for memory looks whether a worker has died. */
const PATIENCE_MS = 100;
/** Commands between two barriers at most, so that what they are known by stays little. */
const MOST_TOGETHER = 64;

/** All workers of a backend and the commands on their way to them. */
export class Team implements AsyncDisposable {
  /** Commands and fences queued so far. */
  queued = 0;
  /** Up to which of them all are done when any later one runs. */
  settled = 0;
  readonly #workers: Worker[];
  readonly #control: Int32Array;
  readonly #queue: Float64Array;
  readonly #seconds: Float64Array;
  readonly #operations = new Map<string, number>();
  readonly #fences = new Map<number, PromiseWithResolvers<Uint8Array<ArrayBuffer>[]>>();
  /** Numbers that were written to the queue, and those that the workers know of. */
  #written = 0;
  #told = 0;
  /** Commands since the workers were told. */
  #untold = 0;
  /** Commands since the last barrier: what they read, what they wrote together, and each alone; how many count chunks. */
  #phase = { commands: 0, counting: 0, reads: new Set<number>(), shared: new Set<number>(), alone: new Set<number>() };
  #failure: Error | undefined;

  private constructor(workers: Worker[], control: Int32Array, queue: SharedArrayBuffer, seconds: SharedArrayBuffer) {
    this.#workers = workers;
    this.#control = control;
    this.#queue = new Float64Array(queue);
    this.#seconds = new Float64Array(seconds);
  }

  /**
   * Starts the workers and waits until each has its instance of the kernels.
   * @throws PareError if a worker cannot start.
   */
  static async start(
    count: number,
    control: Int32Array,
    shared: Omit<Start, "index" | "workers" | "queue" | "seconds">,
  ): Promise<Team> {
    const url = new URL("./worker.ts", import.meta.url);
    const workers = Array.from({ length: count }, () => new Worker(url, { type: "module" }));
    const queue = new SharedArrayBuffer(QUEUE_LENGTH * Float64Array.BYTES_PER_ELEMENT);
    const seconds = new SharedArrayBuffer(MOST_OPERATIONS * Float64Array.BYTES_PER_ELEMENT);
    const team = new Team(workers, control, queue, seconds);
    const ready = Promise.withResolvers<Uint8Array<ArrayBuffer>[]>();
    let missing = count;
    team.#fences.set(-1, ready);
    workers.forEach((worker, index) => {
      worker.onmessage = ({ data }: MessageEvent<Report>) => {
        if ("failed" in data) team.#fail(data.failed);
        else if ("ready" in data) --missing || ready.resolve([]);
        else team.#passed(data);
      };
      worker.onerror = (event) => {
        event.preventDefault();
        team.#fail(event.message);
      };
      worker.postMessage({ ...shared, queue, seconds, index, workers: count } satisfies Start);
    });
    await ready.promise;
    team.#fences.delete(-1);
    return team;
  }

  /** How many of the queued are done, at least. */
  get done(): number {
    return Atomics.load(this.#control, DONE) >>> 0;
  }

  /** Seconds of each operation, as of the last fence or later. */
  get seconds(): Record<string, number> {
    return Object.fromEntries(
      [...this.#operations].map(([name, at]) => [name, this.#seconds[at]]).filter(([, seconds]) => seconds),
    );
  }

  /** Queues a kernel for all workers; `operation` is whom its time is counted for. After a death it does nothing. */
  run<K extends Kernel>(operation: string, kernel: K, ...args: KernelArguments<K>): void {
    if (this.#failure) return;
    this.#put(this.#before() | MEET_AFTER | NUMBERS.get(kernel)!, operation, args as (number | boolean)[]);
    this.#settle();
  }

  /** The same for a kernel that goes on without waiting where what it reads and writes allows it. */
  runSoon<K extends Kernel>(operation: string, uses: Uses, kernel: K, ...args: KernelArguments<K>): void {
    if (this.#failure) return;
    const { reads, writes, alone = false } = uses, phase = this.#phase;
    const wait = phase.commands === MOST_TOGETHER || !alone && phase.counting === COUNTERS ||
      reads.some((at) => phase.shared.has(at)) ||
      writes.some((at) => phase.reads.has(at) || phase.shared.has(at) || phase.alone.has(at));
    const before = wait ? this.#before() : 0;
    if (wait) this.#settle();
    phase.commands++;
    for (const at of reads) phase.reads.add(at);
    for (const at of writes) (alone ? phase.alone : phase.shared).add(at);
    const how = alone ? ALONE : phase.counting++ << COUNTER_SHIFT;
    this.#put(before | how | NUMBERS.get(kernel)!, operation, args as (number | boolean)[]);
  }

  /**
   * Resolves when all that is queued now is done, with a copy of each piece as it is then, whatever is queued later.
   * @throws PareError if a worker has died.
   */
  fence(pieces: readonly Piece[]): Promise<Uint8Array<ArrayBuffer>[]> {
    if (this.#failure) return Promise.reject(this.#failure);
    const fence = Promise.withResolvers<Uint8Array<ArrayBuffer>[]>(), number = this.queued + 1;
    this.#fences.set(number, fence);
    this.#put(this.#before() | MEET_AFTER | FENCE, "fence", [
      number,
      ...pieces.flatMap(({ offset, bytes }) => [offset, bytes]),
    ]);
    this.#settle();
    this.#tell();
    return fence.promise;
  }

  /**
   * Waits for all that is queued now, and the main thread sleeps: for memory that must be idle before it can be written.
   * @throws PareError if a worker has died; Error if the backend was disposed.
   */
  settle(): void {
    if (this.#phase.commands) {
      this.#put(MEET_BEFORE | MEET_AFTER | NOTHING, "fence", []);
      this.#settle();
    }
    this.#tell();
    while (this.done < this.queued) this.#sleep();
  }

  /** Until more commands are done, or for a while. */
  #sleep(): void {
    if (this.#failure) throw this.#failure; // what is queued will never be done
    if (Atomics.load(this.#control, FAILED)) throw new PareError("WASM worker died while memory was awaited");
    const done = Atomics.load(this.#control, DONE);
    Atomics.store(this.#control, AWAITED, 1);
    if (done >>> 0 < this.queued) Atomics.wait(this.#control, DONE, done, PATIENCE_MS);
    Atomics.store(this.#control, AWAITED, 0);
  }

  /** Whether the workers have to meet before the next command. */
  #before(): number {
    return this.#phase.commands ? MEET_BEFORE : 0;
  }

  /** The workers meet behind what is queued by now. */
  #settle(): void {
    const { reads, shared, alone } = this.#phase;
    for (const set of [reads, shared, alone]) set.clear();
    this.#phase.commands = this.#phase.counting = 0;
    this.settled = this.queued;
  }

  #put(head: number, operation: string, numbers: readonly (number | boolean)[]): void {
    let at = this.#operations.get(operation);
    if (at === undefined) this.#operations.set(operation, at = this.#operations.size);
    const count = numbers.length, queue = this.#queue;
    while (this.#written + 3 + count - this.#leastRead() > QUEUE_LENGTH) {
      this.#tell();
      this.#sleep();
    }
    let place = this.#written % QUEUE_LENGTH;
    const put = (number: number) => {
      queue[place] = number;
      place = place + 1 === QUEUE_LENGTH ? 0 : place + 1;
    };
    put(head);
    put(at);
    put(count);
    for (const number of numbers) put(+number);
    this.#written += 3 + count;
    this.queued++;
    if (++this.#untold === 1) queueMicrotask(() => this.#tell());
    if (this.#untold >= LONG) this.#tell();
  }

  /** Up to which number all workers have read. */
  #leastRead(): number {
    let least = this.#written;
    for (let index = 0; index < this.#workers.length; index++) {
      const read = Atomics.load(this.#control, WORKERS + index * WORKER_WORDS + READ);
      least = Math.min(least, this.#written - (this.#written - read >>> 0));
    }
    return least;
  }

  /** The workers may read all that is written. */
  #tell(): void {
    if (this.#failure || this.#told === this.#written) return;
    this.#told = this.#written;
    this.#untold = 0;
    Atomics.store(this.#control, TAIL, this.#written | 0);
    if (Atomics.load(this.#control, ASLEEP)) Atomics.notify(this.#control, TAIL);
  }

  /** Ends the workers; what is still queued is dropped. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#end(new Error("the WASM backend was disposed"));
    return Promise.resolve();
  }

  #passed({ fence, copies }: Extract<Report, { fence: number }>): void {
    this.#fences.get(fence)?.resolve(copies);
    this.#fences.delete(fence);
  }

  #fail(reason: string): void {
    this.#end(new PareError(`WASM worker died: ${reason}; expected ${this.#workers.length} workers to go on`));
  }

  #end(failure: Error): void {
    if (this.#failure) return;
    this.#failure = failure;
    // A worker never comes back to its event loop by itself, and one that does not is not ended by Deno: the process would stay.
    Atomics.store(this.#control, FAILED, 1);
    for (const at of [TAIL, GENERATION]) Atomics.notify(this.#control, at);
    for (const worker of this.#workers) worker.terminate();
    for (const fence of this.#fences.values()) fence.reject(failure);
    this.#fences.clear();
  }
}
