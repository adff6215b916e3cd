/**
 * The WASM backend: the kernels of `kernels/` on all cores. One memory is shared by the main thread, which keeps the
 * books and uploads, and by the workers, which compute; nothing is ever copied between them.
 *
 * ```text
 *   an operation ──▶ output from the heap ──▶ commands ──▶ every worker, in order
 *   (bind.ts; hold … solve)  (heap.ts)        (team.ts)    (worker.ts, kernels/src)
 * ```
 */
import { initSync } from "../../../kernels/pkg/kernels.js";
import { PareError } from "../../errors.ts";
import type { Backend } from "../backend.ts";
import { bind, type Realisation } from "../bind.ts";
import { attention } from "./attention.ts";
import * as backward from "./backward.ts";
import { controlBytes } from "./control.ts";
import * as distribution from "./distribution.ts";
import { Engine } from "./engine.ts";
import * as forward from "./forward.ts";
import { Heap, MOST_BYTES, MOST_PAGES } from "./heap.ts";
import * as hold from "./hold.ts";
import { loadModule } from "./module.ts";
import * as observe from "./observe.ts";
import * as packed from "./packed.ts";
import * as prune from "./prune.ts";
import * as solve from "./solve.ts";
import { Team } from "./team.ts";
import { own, type WasmMask, type WasmPacked, type WasmTensor } from "./tensor.ts";
import * as tune from "./tune.ts";

/** Pages that the memory begins with: the module's own data and the first stack, about 1.1 MiB, need 18. */
const FIRST_PAGES = 32;
/**
 * A batch is large enough that a kernel's packing of the weights (once a batch) is 1 % of its work, small enough that its
 * activations stay in a core's cache or near it. Half of what the memory can hold is left to weights and work.
 */
const FEED = { batchTokens: 1024, spoolAbove: 2 ** 30 };
/** Bytes of each further thread's stack; kernels keep little on it. */
const STACK = 2 ** 20;

/**
 * Threads that may be asked for: more than cores only wait for each other, and each takes a stack here and some megabytes
 * of the engine's. Sixteen on any machine, so that a run can be repeated as a larger one had it.
 */
const mostWorkers = (cores: number) => Math.max(16, 4 * cores);

/** Every operation, by the files of their groups. */
const REALISATION: Realisation<Engine, WasmTensor, WasmMask, WasmPacked> = {
  ...hold,
  ...forward,
  attention,
  ...backward,
  ...observe,
  ...packed,
  ...prune,
  ...solve,
  ...distribution,
  ...tune,
};

/** What the WASM backend can be told. */
export interface WasmOptions {
  /** How many threads compute; all cores if not given, four times as many (or 16) at most. */
  readonly workers?: number;
}

/**
 * Opens the WASM backend. It needs permission to read the worker's file, and none else.
 * @throws PareError if a worker cannot start, or more are asked for than the machine can use.
 * @throws RangeError if `workers` is not a whole number from 1 on.
 */
export async function openWasm(options: WasmOptions = {}): Promise<Backend> {
  const cores = Math.max(1, navigator.hardwareConcurrency), most = mostWorkers(cores);
  const workers = options.workers ?? cores;
  if (!(Number.isInteger(workers) && workers > 0)) {
    throw new RangeError(`openWasm: workers: expected a whole number from 1 on, found ${workers}`);
  }
  if (workers > most) {
    throw new PareError(`--workers ${workers}: expected at most ${most} on this machine, which has ${cores} cores`);
  }
  const { module, level } = await loadModule();
  // The main thread only asks the kernels how much scratch they need: an instance with a memory of its own will do.
  initSync({ module, thread_stack_size: STACK });
  const memory = new WebAssembly.Memory({ initial: FIRST_PAGES, maximum: MOST_PAGES, shared: true });
  const heap = new Heap(memory);
  const controlOffset = heap.grow(controlBytes(workers), 0);
  const control = new Int32Array(memory.buffer, controlOffset, controlBytes(workers) / 4);
  const team = await Team.start(workers, control, { module, memory, stackBytes: STACK, controlOffset });
  const engine = new Engine(memory, heap, team, workers);
  // What lies in the memory now are the module's data, the stacks of the threads and the words that they meet by.
  return bind(
    engine,
    {
      name: "wasm",
      description: `${workers} x ${level}`,
      arithmetic: level,
      limits: { memoryBytes: MOST_BYTES - memory.buffer.byteLength, ...FEED },
      get live(): number {
        return engine.live;
      },
      async seconds(): Promise<Record<string, number>> {
        await team.fence([]);
        return { ...team.seconds };
      },
      [Symbol.asyncDispose]: () => team[Symbol.asyncDispose](),
    },
    REALISATION,
    own,
  );
}
