/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
/**
 * One of the threads that compute. It gets the kernels and the shared memory once, then reads commands from the queue as they
 * come, and runs them together with the other workers. It waits for them where a command says so: a command that needs nothing of the
 * last ones goes on at once (`team.ts`). Worker 0 keeps the books of how long each operation took.
 */
import * as kernels from "../../../kernels/pkg/kernels.js";
import {
  ARRIVED,
  ASLEEP,
  AWAITED,
  COUNTERS,
  DONE,
  FAILED,
  GENERATION,
  NEXT,
  OWN_NEXT,
  READ,
  TAIL,
  TEAM_WORDS,
  TEAMS,
  WORKER_WORDS,
  WORKERS,
} from "./control.ts";
import {
  ALONE,
  COUNTER_SHIFT,
  FENCE,
  KERNEL_BITS,
  kernelNames,
  MEET_AFTER,
  MEET_BEFORE,
  NOTHING,
  QUEUE_LENGTH,
} from "./queue.ts";
import type { Report, Start } from "./team.ts";

/** Looks at a word this often before a worker sleeps: some ten microseconds, about what waking it costs. */
const SPINS = 5000;
/** Milliseconds after which a sleeping worker looks whether another has died. */
const PATIENCE_MS = 1000;
/** 32-bit words of a cache line. */
const LINE = 16;

type Kernel = (...numbers: number[]) => void;

self.onmessage = ({ data }: MessageEvent<Start>) => {
  let member: Member | undefined;
  try {
    member = new Member(data);
    report({ ready: true });
    member.work();
  } catch (error) {
    member?.die();
    report({ failed: String(error) });
    self.close();
  }
};

function report(message: Report, transfer: ArrayBuffer[] = []): void {
  self.postMessage(message, transfer);
}

/** Its state, and its work. */
class Member {
  readonly #control: Int32Array;
  readonly #queue: Float64Array;
  readonly #seconds: Float64Array;
  readonly #memory: WebAssembly.Memory;
  readonly #index: number;
  readonly #workers: number;
  /** Where its own words begin. */
  readonly #own: number;
  /** The address of its first `Team`. */
  readonly #teams: number;
  readonly #kernels: Kernel[];
  /** Numbers of the queue that were read, and commands that were run. */
  #read = 0;
  #ran = 0;

  constructor({ module, memory, stackBytes, controlOffset, queue, seconds, index, workers }: Start) {
    const exports = kernels.initSync({ module, memory, thread_stack_size: stackBytes }) as unknown as Record<
      string,
      Kernel
    >;
    this.#kernels = kernelNames(kernels).map((name) => exports[name]);
    this.#memory = memory;
    this.#queue = new Float64Array(queue);
    this.#seconds = new Float64Array(seconds);
    this.#index = index;
    this.#workers = workers;
    this.#control = new Int32Array(memory.buffer, controlOffset, WORKERS + workers * WORKER_WORDS);
    this.#own = WORKERS + index * WORKER_WORDS;
    this.#teams = controlOffset + (this.#own + TEAMS) * 4;
    for (let counter = 0; counter < COUNTERS; counter++) {
      const next = controlOffset + (NEXT + counter * LINE) * 4;
      this.#control.set([next, index, workers], this.#own + TEAMS + counter * TEAM_WORDS);
    }
    this.#control.set([controlOffset + (this.#own + OWN_NEXT) * 4, 0, 1], this.#own + TEAMS + COUNTERS * TEAM_WORDS);
  }

  /** Runs commands as they come, and never comes back but by an error. */
  work(): void {
    const control = this.#control, queue = this.#queue, seconds = this.#seconds, numbers: number[] = [];
    let before = performance.now();
    for (;;) {
      const tail = Atomics.load(control, TAIL);
      if (tail === (this.#read | 0)) {
        this.#rest(tail);
        before = performance.now();
        continue;
      }
      let at = this.#read % QUEUE_LENGTH;
      const next = () => {
        const number = queue[at];
        at = at + 1 === QUEUE_LENGTH ? 0 : at + 1;
        return number;
      };
      const head = next(), operation = next(), count = next();
      if (head & MEET_BEFORE) this.#meet();
      const kernel = head & KERNEL_BITS;
      if (kernel < NOTHING) {
        numbers.length = count + 1;
        const counter = head & ALONE ? COUNTERS : head >> COUNTER_SHIFT;
        if (head & ALONE) control[this.#own + OWN_NEXT] = 0;
        numbers[0] = this.#teams + counter * TEAM_WORDS * 4;
        for (let i = 1; i <= count; i++) numbers[i] = next();
        this.#kernels[kernel](...numbers);
        this.#ran++;
        if (head & MEET_AFTER) this.#meet();
      } else {
        // What a fence asks for is copied while the others wait, so that no later command changes it before.
        const pieces = Array.from({ length: count }, next), copies = this.#copies(pieces.slice(1));
        this.#ran++;
        if (head & MEET_AFTER) this.#meet();
        if (kernel === FENCE && this.#index === 0) {
          report({ fence: pieces[0], copies }, copies.map(({ buffer }) => buffer));
        }
      }
      this.#read += 3 + count;
      Atomics.store(control, this.#own + READ, this.#read | 0);
      if (this.#index === 0) {
        const now = performance.now();
        seconds[operation] += (now - before) / 1000;
        before = now;
      }
    }
  }

  /** Returns when the queue goes on, or after a while. */
  #rest(tail: number): void {
    const control = this.#control;
    for (let spin = 0; spin < SPINS; spin++) if (Atomics.load(control, TAIL) !== tail) return;
    Atomics.add(control, ASLEEP, 1);
    Atomics.wait(control, TAIL, tail, PATIENCE_MS);
    Atomics.sub(control, ASLEEP, 1);
    this.#checkOthers();
  }

  #checkOthers(): void {
    if (Atomics.load(this.#control, FAILED)) throw new Error("another worker died");
  }

  /** Copies of pieces of the memory, by where they begin and how long they are; none if it is not worker 0. */
  #copies(pieces: readonly number[]): Uint8Array<ArrayBuffer>[] {
    const copies: Uint8Array<ArrayBuffer>[] = [];
    if (this.#index > 0) return copies;
    for (let i = 0; i < pieces.length; i += 2) {
      const copy = new Uint8Array(pieces[i + 1]);
      copy.set(new Uint8Array(this.#memory.buffer, pieces[i], copy.length));
      copies.push(copy);
    }
    return copies;
  }

  /** Returns when every worker has come here; the last one sets the counters of chunks back, and says how many commands are done. */
  #meet(): void {
    const control = this.#control, generation = Atomics.load(control, GENERATION);
    if (Atomics.add(control, ARRIVED, 1) === this.#workers - 1) {
      Atomics.store(control, ARRIVED, 0);
      for (let counter = 0; counter < COUNTERS; counter++) control[NEXT + counter * LINE] = 0;
      Atomics.store(control, DONE, this.#ran | 0);
      Atomics.add(control, GENERATION, 1);
      Atomics.notify(control, GENERATION);
      if (Atomics.load(control, AWAITED)) Atomics.notify(control, DONE);
      return;
    }
    for (let spin = 0; spin < SPINS; spin++) {
      if (Atomics.load(control, GENERATION) !== generation) return;
    }
    while (Atomics.load(control, GENERATION) === generation) {
      this.#checkOthers();
      Atomics.wait(control, GENERATION, generation, PATIENCE_MS);
    }
  }

  /** Wakes whoever waits for it. */
  die(): void {
    Atomics.store(this.#control, FAILED, 1);
    for (const sleep of [GENERATION, DONE, TAIL]) Atomics.notify(this.#control, sleep);
  }
}
