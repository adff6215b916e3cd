/**
 * What the operations are made of: a piece of memory, a command for the workers. The operations themselves stand beside this
 * file, one for each of `operations/`, and `attention.ts`.
 */
import { BYTES, type Dtype, type PackedShape } from "../backend.ts";
import type { Heap } from "./heap.ts";
import type { Kernel, KernelArguments, Team, Uses } from "./team.ts";
import { type Held, WasmMask, WasmPacked, WasmTensor } from "./tensor.ts";

/**
 * Memory that may lie free but not yet idle before an upload waits for it instead of growing the memory, which never
 * shrinks. Uploads come once a block, so the wait costs little; 64 MiB would be several blocks of a small model.
 */
const SLACK = 16 * 2 ** 20;

/** The memory and the workers of one backend. */
export class Engine {
  /** Tensors and masks not yet disposed. */
  live = 0;

  /** @param workers How many scratches a command needs. */
  constructor(
    readonly memory: WebAssembly.Memory,
    readonly heap: Heap,
    readonly team: Team,
    readonly workers: number,
  ) {}

  /** A tensor whose content is whatever was there: the output of a command. */
  tensor(rows: number, cols: number, dtype: Dtype = "F32"): WasmTensor {
    const bytes = elements(rows, cols) * BYTES[dtype];
    return this.#counted(new WasmTensor(rows, cols, dtype, this.#queued(bytes), bytes, this.#free));
  }

  /** A mask, likewise. */
  mask(rows: number, cols: number): WasmMask {
    const bytes = rows * maskWords(cols) * 4;
    return this.#counted(new WasmMask(rows, cols, this.#queued(bytes), bytes, this.#free));
  }

  /** An output for which `fill` queues the commands; it is given back if they cannot be queued for want of memory. */
  filled<T extends Held>(output: T, fill: (output: T) => void): T {
    using scope = new DisposableStack();
    scope.use(output);
    fill(output);
    scope.move(); // its taker disposes of it
    return output;
  }

  /** A tensor of the same bytes. */
  copy(tensor: WasmTensor): WasmTensor {
    const { rows, cols, dtype, offset, bytes } = tensor;
    const out = this.tensor(rows, cols, dtype);
    this.run("copy", "copy", offset, bytes, out.offset);
    return out;
  }

  /** A tensor of these bytes, written now. */
  upload(bytes: Uint8Array, rows: number, cols: number, dtype: Dtype): WasmTensor {
    elements(rows, cols);
    return this.#counted(new WasmTensor(rows, cols, dtype, this.#written(bytes), bytes.byteLength, this.#free));
  }

  /**
   * A packed weight: room for so many bytes, which `write` fills now.
   * @param write Told of the memory and where the room begins.
   */
  packed(shape: PackedShape, bytes: number, write: (memory: ArrayBufferLike, offset: number) => void): WasmPacked {
    const offset = this.#idle(bytes);
    write(this.memory.buffer, offset);
    return this.#counted(new WasmPacked(shape, offset, bytes, this.#free));
  }

  /** Room for the time of the commands that `use` queues. */
  scratch(bytes: number, use: (offset: number) => void): void {
    this.#lend(this.#queued(bytes), bytes, use);
  }

  /** The same, holding these numbers. */
  withNumbers(numbers: Uint32Array, use: (offset: number) => void): void {
    const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
    this.#lend(this.#written(bytes), bytes.byteLength, use);
  }

  #lend(offset: number, bytes: number, use: (offset: number) => void): void {
    try {
      use(offset);
    } finally {
      this.heap.free(offset, bytes, this.team.queued, this.team.settled);
    }
  }

  /** Queues a kernel; see `Team.run`. */
  run<K extends Kernel>(operation: string, kernel: K, ...args: KernelArguments<K>): void {
    this.team.run(operation, kernel, ...args);
  }

  /** Queues a kernel that waits only for what it reads and writes; see `Team.runSoon`. */
  runSoon<K extends Kernel>(operation: string, uses: Uses, kernel: K, ...args: KernelArguments<K>): void {
    this.team.runSoon(operation, uses, kernel, ...args);
  }

  #counted<T extends Held>(held: T): T {
    this.live++;
    return held;
  }

  readonly #free = (held: Held): void => {
    this.live--;
    this.heap.free(held.offset, held.bytes, this.team.queued, this.team.settled);
  };

  /** Bytes for commands that are queued from now on: none that a command may still use that those do not wait for. */
  #queued(bytes: number): number {
    return this.heap.reuse(bytes, this.team.settled) ?? this.heap.grow(bytes, this.team.settled);
  }

  /** Bytes that no command uses, written at once. */
  #written(bytes: Uint8Array): number {
    const offset = this.#idle(bytes.byteLength);
    new Uint8Array(this.memory.buffer, offset, bytes.byteLength).set(bytes);
    return offset;
  }

  /** Room that no command uses. */
  #idle(size: number): number {
    const { heap, team } = this;
    let offset = heap.reuse(size, team.done);
    if (offset === undefined && heap.size - heap.used + size > SLACK) {
      team.settle();
      offset = heap.reuse(size, team.done);
    }
    return offset ?? heap.grow(size, team.done);
  }
}

/** 32-bit words of a row of a mask. */
export function maskWords(cols: number): number {
  return Math.ceil(cols / 32);
}

function elements(rows: number, cols: number): number {
  if (Number.isInteger(rows) && Number.isInteger(cols) && rows > 0 && cols > 0) return rows * cols;
  throw new RangeError(`expected whole numbers of rows and columns from 1 on, found ${rows} x ${cols}`);
}
