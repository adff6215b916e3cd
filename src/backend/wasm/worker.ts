/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
/**
 * One of the threads that compute. It gets the kernels and the shared memory once, then lists of commands; it runs every
 * command together with the other workers and waits for them before the next. Worker 0 keeps the books: how many
 * commands are done, and how long each operation took.
 */
import * as kernels from "../../../kernels/pkg/kernels.js";
import { ARRIVED, DONE, FAILED, GENERATION, NEXT, TEAM_WORDS, TEAMS } from "./control.ts";
import type { Batch, Command, Fence, Report, Start } from "./team.ts";

/** Looks at the barrier this often before a worker sleeps: some ten microseconds, about what waking it costs. */
const SPINS = 2000;
/** Milliseconds after which a sleeping worker looks whether another has died. */
const PATIENCE_MS = 1000;

let control: Int32Array;
let heap: WebAssembly.Memory;
let team: number;
let index: number;
let workers: number;
const seconds: Record<string, number> = {};

self.onmessage = ({ data }: MessageEvent<Start | Batch>) => {
  try {
    if ("module" in data) {
      start(data);
      report({ ready: true });
    } else {
      for (const command of data.commands) run(command);
      if (data.fence) pass(data.fence);
    }
  } catch (error) {
    if (control) {
      Atomics.store(control, FAILED, 1);
      for (const sleep of [GENERATION, DONE]) Atomics.notify(control, sleep);
    }
    report({ failed: String(error) });
    self.close();
  }
};

function report(message: Report, transfer: ArrayBuffer[] = []): void {
  self.postMessage(message, transfer);
}

function start({ module, memory, stackBytes, controlOffset, ...me }: Start): void {
  ({ index, workers } = me);
  heap = memory;
  kernels.initSync({ module, memory, thread_stack_size: stackBytes });
  const words = TEAMS + workers * TEAM_WORDS;
  control = new Int32Array(memory.buffer, controlOffset, words);
  const at = TEAMS + index * TEAM_WORDS;
  control.set([controlOffset + NEXT * 4, index, workers], at);
  team = controlOffset + at * 4;
}

function run([operation, kernel, ...args]: Command): void {
  const begin = performance.now();
  (kernels[kernel] as (team: number, ...args: unknown[]) => void)(team, ...args);
  barrier();
  done();
  seconds[operation] = (seconds[operation] ?? 0) + (performance.now() - begin) / 1000;
}

/** Copies what the fence asks for while the others wait, so that no later command changes it before. */
function pass({ number, pieces }: Fence): void {
  const copies = index > 0 ? [] : pieces.map(({ offset, bytes }) => {
    const copy = new Uint8Array(bytes);
    copy.set(new Uint8Array(heap.buffer, offset, bytes));
    return copy;
  });
  barrier();
  done();
  if (index === 0) report({ fence: number, copies, seconds }, copies.map(({ buffer }) => buffer));
}

function done(): void {
  if (index > 0) return;
  Atomics.add(control, DONE, 1);
  Atomics.notify(control, DONE);
}

/** Returns when every worker has come here; the last one sets the counter of chunks back. */
function barrier(): void {
  const generation = Atomics.load(control, GENERATION);
  if (Atomics.add(control, ARRIVED, 1) === workers - 1) {
    Atomics.store(control, ARRIVED, 0);
    Atomics.store(control, NEXT, 0);
    Atomics.add(control, GENERATION, 1);
    Atomics.notify(control, GENERATION);
    return;
  }
  for (let spin = 0; spin < SPINS; spin++) {
    if (Atomics.load(control, GENERATION) !== generation) return;
  }
  while (Atomics.load(control, GENERATION) === generation) {
    if (Atomics.load(control, FAILED)) throw new Error("another worker died");
    Atomics.wait(control, GENERATION, generation, PATIENCE_MS);
  }
}
