/**
 * The main thread's end of the workers. Commands collect in a list, which goes to all workers when it is long, when the
 * main thread comes to rest, or when someone waits. The main thread itself never computes: it is free to read files
 * while the workers are busy.
 */
import type * as kernels from "../../../kernels/pkg/kernels.js";
import { PareError } from "../../errors.ts";
import { DONE, FAILED } from "./control.ts";

type Exports = typeof kernels;

/** An exported kernel that a team runs together: it takes the team first, and gives nothing back. */
export type Kernel = {
  [K in keyof Exports]: Exports[K] extends (team: number, ...rest: infer _) => infer R ? R extends void ? K : never
    : never;
}[keyof Exports];

/** What a kernel takes after the team. */
export type KernelArguments<K extends Kernel> = Parameters<Exports[K]> extends [number, ...infer Rest] ? Rest : never;

/** The operation that asked for it (for the clock), the kernel, its arguments. */
export type Command = [operation: string, kernel: Kernel, ...args: unknown[]];

/** A worker's first message. */
export interface Start {
  /** The kernels. */
  readonly module: WebAssembly.Module;
  /** The memory that all share. */
  readonly memory: WebAssembly.Memory;
  /** Bytes of the thread's stack. */
  readonly stackBytes: number;
  /** Where the words of `control.ts` lie. */
  readonly controlOffset: number;
  /** Which worker this is, from 0. */
  readonly index: number;
  /** How many there are. */
  readonly workers: number;
}

/** Every later message: commands, and a fence behind them. */
export interface Batch {
  /** In their order. */
  readonly commands: Command[];
  /** Passed when the commands are done. */
  readonly fence?: Fence;
}

/** What worker 0 answers when the commands before it are done: copies of these pieces of the memory. */
export interface Fence {
  /** Its place in the queue. */
  readonly number: number;
  /** What to copy. */
  readonly pieces: readonly Piece[];
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
  | { readonly fence: number; readonly copies: Uint8Array<ArrayBuffer>[]; readonly seconds: Record<string, number> }
  | { readonly failed: string };

/** So many commands go without waiting for the main thread to rest: enough work to hide a message. */
const LONG = 64;
/** Milliseconds after which a main thread that waits for memory looks whether a worker has died. */
const PATIENCE_MS = 100;

/** All workers of a backend and the commands on their way to them. */
export class Team implements AsyncDisposable {
  /** Commands and fences queued so far. */
  queued = 0;
  /** Seconds of each operation, as of the last fence. */
  seconds: Record<string, number> = {};
  readonly #workers: Worker[];
  readonly #control: Int32Array;
  readonly #fences = new Map<number, PromiseWithResolvers<Uint8Array<ArrayBuffer>[]>>();
  #commands: Command[] = [];
  #failure: Error | undefined;

  private constructor(workers: Worker[], control: Int32Array) {
    this.#workers = workers;
    this.#control = control;
  }

  /**
   * Starts the workers and waits until each has its instance of the kernels.
   * @throws PareError if a worker cannot start.
   */
  static async start(count: number, control: Int32Array, shared: Omit<Start, "index" | "workers">): Promise<Team> {
    const url = new URL("./worker.ts", import.meta.url);
    const workers = Array.from({ length: count }, () => new Worker(url, { type: "module" }));
    const team = new Team(workers, control);
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
      worker.postMessage({ ...shared, index, workers: count } satisfies Start);
    });
    await ready.promise;
    team.#fences.delete(-1);
    return team;
  }

  /** How many of the queued are done. */
  get done(): number {
    return Atomics.load(this.#control, DONE) >>> 0;
  }

  /** Queues a kernel for all workers; `operation` is whom its time is counted for. After a death it does nothing. */
  run<K extends Kernel>(operation: string, kernel: K, ...args: KernelArguments<K>): void {
    if (this.#failure) return;
    this.queued++;
    if (this.#commands.push([operation, kernel, ...args]) === 1) queueMicrotask(() => this.#send());
    if (this.#commands.length >= LONG) this.#send();
  }

  /**
   * Resolves when all that is queued now is done, with a copy of each piece as it is then, whatever is queued later.
   * @throws PareError if a worker has died.
   */
  fence(pieces: readonly Piece[]): Promise<Uint8Array<ArrayBuffer>[]> {
    if (this.#failure) return Promise.reject(this.#failure);
    const fence = Promise.withResolvers<Uint8Array<ArrayBuffer>[]>();
    this.#fences.set(++this.queued, fence);
    this.#send({ number: this.queued, pieces: pieces.map(({ offset, bytes }) => ({ offset, bytes })) });
    return fence.promise;
  }

  /**
   * Waits for all that is queued now, and the main thread sleeps: for memory that must be idle before it can be written.
   * @throws PareError if a worker has died; Error if the backend was disposed.
   */
  settle(): void {
    this.#send();
    for (let done = this.done; done < this.queued; done = this.done) {
      if (this.#failure) throw this.#failure; // what is queued will never be done
      if (Atomics.load(this.#control, FAILED)) throw new PareError("WASM worker died while memory was awaited");
      Atomics.wait(this.#control, DONE, done | 0, PATIENCE_MS);
    }
  }

  /** Ends the workers; what is still queued is dropped. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#end(new Error("the WASM backend was disposed"));
    return Promise.resolve();
  }

  #send(fence?: Fence): void {
    if (this.#failure || (this.#commands.length === 0 && fence === undefined)) return;
    const batch: Batch = { commands: this.#commands, fence };
    this.#commands = [];
    for (const worker of this.#workers) worker.postMessage(batch);
  }

  #passed({ fence, copies, seconds }: Extract<Report, { fence: number }>): void {
    this.seconds = seconds;
    this.#fences.get(fence)?.resolve(copies);
    this.#fences.delete(fence);
  }

  #fail(reason: string): void {
    this.#end(new PareError(`WASM worker died: ${reason}; expected ${this.#workers.length} workers to go on`));
  }

  #end(failure: Error): void {
    if (this.#failure) return;
    this.#failure = failure;
    for (const worker of this.#workers) worker.terminate();
    for (const fence of this.#fences.values()) fence.reject(failure);
    this.#fences.clear();
  }
}
