/**
 * Buffers for reuse. A block's temporaries have the same few sizes again and again, so a buffer is kept for the next
 * one of exactly its size; when too many bytes lie idle, all are let go.
 */

/** Buffers come in multiples of this, so that a shader may read whole vectors of four words up to the end. */
const GRAIN = 16;

/** Bytes of idle buffers that are kept: an eighth of the memory of a small GPU. */
const IDLE_LIMIT = 2 ** 29;

/** Idle buffers by size. */
export class BufferPool {
  #gpu: GPUDevice;
  #idle = new Map<number, GPUBuffer[]>();
  #idleBytes = 0;

  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
  }

  /** A buffer of at least `bytes`, its content unknown. */
  take(bytes: number): GPUBuffer {
    const size = Math.max(Math.ceil(bytes / GRAIN), 1) * GRAIN;
    const kept = this.#idle.get(size)?.pop();
    if (kept) {
      this.#idleBytes -= size;
      return kept;
    }
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    return this.#gpu.createBuffer({ size, usage });
  }

  /** Keeps a buffer for whoever takes one of its size next. */
  give(buffer: GPUBuffer): void {
    const kept = this.#idle.get(buffer.size);
    if (kept) kept.push(buffer);
    else this.#idle.set(buffer.size, [buffer]);
    this.#idleBytes += buffer.size;
  }

  /** Whether more lies idle than should. */
  get full(): boolean {
    return this.#idleBytes > IDLE_LIMIT;
  }

  /** Destroys what lies idle; no command that names it may be unsubmitted. */
  clear(): void {
    for (const buffers of this.#idle.values()) for (const buffer of buffers) buffer.destroy();
    this.#idle.clear();
    this.#idleBytes = 0;
  }
}
