/**
 * The WASM backend: the kernels of `kernels/` on all cores. One memory is shared by the main thread, which keeps the
 * books and uploads, and by the workers, which compute; nothing is ever copied between them.
 *
 * ```text
 *   an operation ──▶ shapes checked, output from the heap ──▶ commands ──▶ every worker, in order
 *   (forward, observe, prune, solve) (heap.ts)                (team.ts)    (worker.ts, kernels/src)
 * ```
 */
import { initSync } from "../../../kernels/pkg/kernels.js";
import { PareError } from "../../errors.ts";
import type {
  Activation,
  AttentionOptions,
  Backend,
  BackendLimits,
  Choice,
  CrossEntropyOptions,
  Dtype,
  Formula,
  InverseFactor,
  MapFunction,
  Mask,
  NormOptions,
  RotateOptions,
  Selection,
  Sums,
  Tensor,
} from "../backend.ts";
import { controlBytes } from "./control.ts";
import { Engine, own, ownMask } from "./engine.ts";
import * as forward from "./forward.ts";
import { Heap, MOST_BYTES, MOST_PAGES } from "./heap.ts";
import { loadModule } from "./module.ts";
import * as observe from "./observe.ts";
import * as prune from "./prune.ts";
import * as solve from "./solve.ts";
import { Team } from "./team.ts";
import { WasmMask } from "./tensor.ts";

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
  return new Wasm(new Engine(memory, heap, team, workers), level);
}

class Wasm implements Backend {
  readonly name = "wasm";
  readonly description: string;
  readonly limits: BackendLimits;
  readonly #engine: Engine;

  constructor(engine: Engine, readonly arithmetic: string) {
    this.description = `${engine.workers} x ${arithmetic}`;
    // What lies there now are the module's data, the stacks of the threads and the words that they meet by.
    this.limits = { memoryBytes: MOST_BYTES - engine.memory.buffer.byteLength, ...FEED };
    this.#engine = engine;
  }

  get live(): number {
    return this.#engine.live;
  }

  allocate(rows: number, cols: number, dtype: Dtype = "F32"): Tensor {
    const tensor = this.#engine.tensor(rows, cols, dtype);
    this.#engine.run("allocate", "zero", tensor.offset, tensor.bytes);
    return tensor;
  }

  upload(bytes: Uint8Array, rows: number, cols: number, dtype: Dtype): Tensor {
    return this.#engine.upload(bytes, rows, cols, dtype);
  }

  read(...held: (Tensor | Mask)[]): Promise<Uint8Array<ArrayBuffer>[]> {
    const pieces = held.map((one) => one instanceof WasmMask ? ownMask(one) : own(one as Tensor));
    return this.#engine.team.fence(pieces);
  }

  embed(out: Tensor, ids: Uint32Array, table: Tensor, firstRow: number): void {
    forward.embed(this.#engine, out, ids, table, firstRow);
  }

  linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
    return forward.linear(this.#engine, x, weight, bias);
  }

  norm(x: Tensor, gain: Tensor, options: NormOptions): Tensor {
    return forward.norm(this.#engine, x, gain, options);
  }

  rotate(x: Tensor, angles: Tensor, options: RotateOptions): Tensor {
    return forward.rotate(this.#engine, x, angles, options);
  }

  attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
    return forward.attention(this.#engine, q, k, v, options);
  }

  map(x: Tensor, fn: MapFunction): Tensor {
    return forward.map(this.#engine, x, fn);
  }

  gate(gate: Tensor, up: Tensor, activation: Activation): Tensor {
    return forward.gate(this.#engine, gate, up, activation);
  }

  slice(x: Tensor, first: number, width: number, period: number): Tensor {
    return forward.slice(this.#engine, x, first, width, period);
  }

  add(x: Tensor, y: Tensor): Tensor {
    return forward.add(this.#engine, x, y);
  }

  crossEntropy(
    state: Tensor,
    hidden: Tensor,
    head: Tensor,
    firstRow: number,
    targets: Uint32Array,
    options: CrossEntropyOptions = {},
  ): void {
    forward.crossEntropy(this.#engine, state, hidden, head, firstRow, targets, options);
  }

  addRows(out: Tensor, x: Tensor, rows: Uint32Array, weights: Float32Array): void {
    forward.addRows(this.#engine, out, x, rows, weights);
  }

  addSquares(sums: Sums, x: Tensor): void {
    observe.addSquares(this.#engine, sums, x);
  }

  addGram(sums: Sums, x: Tensor): void {
    observe.addGram(this.#engine, sums, x);
  }

  merge(sums: Sums, other: Sums): void {
    observe.merge(this.#engine, sums, other);
  }

  finish(sums: Sums, scale: number): Tensor {
    return observe.finish(this.#engine, sums, scale);
  }

  score(weight: Tensor, formula: Formula): Tensor {
    return prune.score(this.#engine, weight, formula);
  }

  selectSmallest(scores: Tensor, selection: Selection): Mask {
    return prune.selectSmallest(this.#engine, scores, selection);
  }

  selectGroups(scores: Tensor, n: number, m: number): Mask {
    return prune.selectGroups(this.#engine, scores, n, m);
  }

  selectCumulative(scores: Tensor, sparsity: number): Mask {
    return prune.selectCumulative(this.#engine, scores, sparsity);
  }

  apply(weight: Tensor, mask: Mask): void {
    prune.apply(this.#engine, weight, mask);
  }

  copy(tensor: Tensor): Tensor {
    return this.#engine.copy(own(tensor));
  }

  error(before: Tensor, after: Tensor, moment: Tensor): Tensor {
    return prune.error(this.#engine, before, after, moment);
  }

  countAbove(scores: Tensor, limit: number): Tensor {
    return prune.countAbove(this.#engine, scores, limit);
  }

  inverseFactor(hessian: Tensor, damping: number): Promise<InverseFactor | undefined> {
    return solve.inverseFactor(this.#engine, hessian, damping);
  }

  eliminate(weight: Tensor, factor: InverseFactor, choice: Choice, block: number): void {
    solve.eliminate(this.#engine, weight, factor, choice, block);
  }

  async seconds(): Promise<Record<string, number>> {
    await this.#engine.team.fence([]);
    return { ...this.#engine.team.seconds };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine.team[Symbol.asyncDispose]();
  }
}
