/**
 * A WebGPU device as Pare uses it: a queue of dispatches, a pool of buffers, a cache of pipelines, and one place where
 * anything waits. Commands are encoded as they come and submitted when enough have gathered or somebody reads. WebGPU
 * runs what it is given in order, so a buffer may be reused as soon as its last user is encoded.
 *
 * Errors of WebGPU arrive late and elsewhere. The first one is kept, and the next read throws it.
 */
import { PareError } from "../../errors.ts";
import { type ShaderName, SHADERS } from "./shaders.ts";
import type { Tuning } from "./tuning.ts";

/** Work (multiply-adds, or numbers touched) after which commands are submitted: about a second of the slowest device. */
const WORK_PER_SUBMIT = 2 ** 32;

/** Dispatches after which commands are submitted; also the places of the parameter arena. */
const DISPATCHES_PER_SUBMIT = 256;

/** Bytes between the parameters of two dispatches: WebGPU's default alignment of a uniform binding. */
const PARAMETER_STRIDE = 256;

/** Bytes of free buffers that are kept for reuse. */
const POOL_LIMIT = 2 ** 30;

/** Bytes of one buffer that results are copied back through; a larger read takes several. */
const STAGING_LIMIT = 2 ** 28;

/** Buffers come in multiples of this, so that a shader may read whole vectors of four words up to the end. */
const GRAIN = 16;

/** The limit of WebGPU on the workgroups of one dimension. */
export const WORKGROUPS = 65535;

/** Values for a shader's overrides. */
export type Constants = Readonly<Record<string, number>>;

/** One run of a shader. */
export interface Dispatch {
  readonly shader: ShaderName;
  readonly constants?: Constants;
  /** The parameters, in the order of the shader's struct. */
  readonly params: readonly Parameter[];
  /** For bindings 1, 2, … */
  readonly buffers: readonly GPUBuffer[];
  readonly groups: readonly [number, number?, number?];
  /** Multiply-adds, or numbers touched. */
  readonly work: number;
}

/** A u32, or an f32 where the shader's struct has one. */
export type Parameter = number | { readonly f32: number };

/** The workgroups for `count` threads of `threads` a workgroup, as a line folded to stay within the limit. */
export function line(count: number, threads: number): [number, number] {
  const groups = Math.max(1, Math.ceil(count / threads));
  const folds = Math.ceil(groups / WORKGROUPS);
  return [Math.ceil(groups / folds), folds];
}

/** Bytes to copy back: as many as `into` has, from the beginning of the buffer. */
export interface Range {
  readonly buffer: GPUBuffer;
  readonly into: Uint8Array;
}

/** A part of a range, from `from` on, that stands at `at` in a staging buffer. */
interface Part {
  readonly buffer: GPUBuffer;
  readonly from: number;
  readonly at: number;
  readonly into: Uint8Array;
}

/** A staging buffer, and what is copied through it. */
interface Staged {
  readonly staging: GPUBuffer;
  readonly parts: readonly Part[];
}

/** A device with its queue, its pool and its pipelines. */
export class Device {
  /** Tensors not yet disposed. */
  live = 0;
  #gpu: GPUDevice;
  #pipelines = new Map<string, GPUComputePipeline>();
  #free = new Map<number, GPUBuffer[]>();
  #freeBytes = 0;
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #arena: GPUBuffer;
  #parameters = new ArrayBuffer(PARAMETER_STRIDE * DISPATCHES_PER_SUBMIT);
  #dispatches = 0;
  #work = 0;
  #failure: Error | undefined;
  #lost: Promise<never>;

  constructor(gpu: GPUDevice, readonly bindingLimit: number, readonly tuning: Tuning) {
    this.#gpu = gpu;
    this.#arena = gpu.createBuffer({
      size: this.#parameters.byteLength,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    gpu.addEventListener("uncapturederror", (event) => {
      event.preventDefault();
      const { error } = event as GPUUncapturedErrorEvent;
      this.#fail(
        error instanceof GPUOutOfMemoryError
          ? new PareError(`the GPU is out of memory (${firstLine(error.message)})`)
          : new Error(`WebGPU: ${error.message}`),
      );
    });
    this.#lost = gpu.lost.then(({ reason, message }) => {
      const error = new PareError(`the GPU was lost (${firstLine(message) || reason || "no reason given"})`);
      this.#fail(error);
      throw error;
    });
    this.#lost.catch(() => {}); // whoever reads races against it
  }

  #fail(error: Error): void {
    this.#failure ??= error;
  }

  /** A buffer of at least `bytes`, its content unknown. */
  take(bytes: number): GPUBuffer {
    const size = Math.max(Math.ceil(bytes / GRAIN), 1) * GRAIN;
    const kept = this.#free.get(size)?.pop();
    if (kept) {
      this.#freeBytes -= size;
      return kept;
    }
    return this.#gpu.createBuffer({
      size,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
  }

  /** Gives a buffer back. */
  give(buffer: GPUBuffer): void {
    const kept = this.#free.get(buffer.size);
    if (kept) kept.push(buffer);
    else this.#free.set(buffer.size, [buffer]);
    this.#freeBytes += buffer.size;
    if (this.#freeBytes > POOL_LIMIT) {
      this.submit(); // queued commands may still name them
      for (const buffers of this.#free.values()) for (const each of buffers) each.destroy();
      this.#free.clear();
      this.#freeBytes = 0;
    }
  }

  /** Queues a run of a shader. */
  dispatch({ shader, constants = {}, params, buffers, groups, work }: Dispatch): void {
    const pipeline = this.#pipeline(shader, constants);
    const offset = this.#dispatches * PARAMETER_STRIDE;
    const view = new DataView(this.#parameters, offset, PARAMETER_STRIDE);
    params.forEach((value, i) => {
      if (typeof value === "number") view.setUint32(4 * i, value, true);
      else view.setFloat32(4 * i, value.f32, true);
    });
    const resources: GPUBindingResource[] = [
      { buffer: this.#arena, offset, size: PARAMETER_STRIDE },
      ...buffers.map((buffer) => ({ buffer })),
    ];
    this.#encoder ??= this.#gpu.createCommandEncoder();
    this.#pass ??= this.#encoder.beginComputePass();
    this.#pass.setPipeline(pipeline);
    this.#pass.setBindGroup(
      0,
      this.#gpu.createBindGroup({
        layout: pipeline.getBindGroupLayout(0),
        entries: resources.map((resource, binding) => ({ binding, resource })),
      }),
    );
    this.#pass.dispatchWorkgroups(...groups);
    this.#dispatches++;
    this.#work += work;
    if (this.#dispatches === DISPATCHES_PER_SUBMIT || this.#work >= WORK_PER_SUBMIT) this.submit();
  }

  #pipeline(shader: ShaderName, constants: Constants): GPUComputePipeline {
    const key = shader + JSON.stringify(constants);
    let pipeline = this.#pipelines.get(key);
    if (!pipeline) {
      const module = this.#gpu.createShaderModule({ label: shader, code: SHADERS[shader] });
      pipeline = this.#gpu.createComputePipeline({
        label: key,
        layout: "auto",
        compute: { module, entryPoint: "main", constants: { ...constants } },
      });
      this.#pipelines.set(key, pipeline);
    }
    return pipeline;
  }

  #copies(): GPUCommandEncoder {
    this.#encoder ??= this.#gpu.createCommandEncoder();
    this.#pass?.end();
    this.#pass = undefined;
    return this.#encoder;
  }

  /** Queues zeros for a whole buffer. */
  clear(buffer: GPUBuffer): void {
    this.#copies().clearBuffer(buffer);
  }

  /** Queues a copy; offsets and bytes are multiples of 4. */
  copy(from: GPUBuffer, fromOffset: number, to: GPUBuffer, toOffset: number, bytes: number): void {
    this.#copies().copyBufferToBuffer(from, fromOffset, to, toOffset, bytes);
  }

  /** Queues bytes for the beginning of a buffer; they may be reused at once. */
  write(buffer: GPUBuffer, bytes: Uint8Array): void {
    this.submit(); // what is encoded before comes before, and may still read the buffer
    const whole = bytes.byteLength & ~3;
    if (whole > 0) this.#gpu.queue.writeBuffer(buffer, 0, bytes as Uint8Array<ArrayBuffer>, 0, whole);
    if (whole < bytes.byteLength) {
      const rest = new Uint8Array(4);
      rest.set(bytes.subarray(whole));
      this.#gpu.queue.writeBuffer(buffer, whole, rest);
    }
  }

  /** Hands what is encoded to the device. */
  submit(): void {
    if (!this.#encoder) return;
    this.#pass?.end();
    const used = this.#dispatches * PARAMETER_STRIDE;
    if (used > 0) this.#gpu.queue.writeBuffer(this.#arena, 0, this.#parameters, 0, used);
    this.#gpu.queue.submit([this.#encoder.finish()]);
    this.#encoder = this.#pass = undefined;
    this.#dispatches = this.#work = 0;
  }

  /**
   * Queues copies of the ranges as they are now, waits for everything queued, and fills them.
   * @throws PareError if the device was lost or ran out of memory; Error if WebGPU found a mistake.
   */
  async read(ranges: readonly Range[]): Promise<void> {
    const copies = this.#stage(ranges);
    try {
      this.submit();
      await this.#settled(Promise.all(copies.map(({ staging }) => staging.mapAsync(GPUMapMode.READ))));
      for (const { staging, parts } of copies) {
        const mapped = new Uint8Array(staging.getMappedRange());
        for (const { into, at } of parts) into.set(mapped.subarray(at, at + into.length));
      }
    } finally {
      for (const { staging } of copies) staging.destroy();
    }
  }

  /** Encodes the copies into staging buffers, at least one, so that there is something to wait for. */
  #stage(ranges: readonly Range[]): Staged[] {
    const staged: { size: number; parts: Part[] }[] = [{ size: 0, parts: [] }];
    for (const { buffer, into } of ranges) {
      for (let from = 0; from < into.length;) {
        let last = staged[staged.length - 1];
        if (last.size === STAGING_LIMIT) staged.push(last = { size: 0, parts: [] });
        const bytes = Math.min(into.length - from, STAGING_LIMIT - last.size);
        last.parts.push({ buffer, from, at: last.size, into: into.subarray(from, from + bytes) });
        last.size += words(bytes);
        from += bytes;
      }
    }
    return staged.map(({ size, parts }) => {
      const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
      const staging = this.#gpu.createBuffer({ size: Math.max(size, 4), usage });
      for (const { buffer, from, at, into } of parts) this.copy(buffer, from, staging, at, words(into.length));
      return { staging, parts };
    });
  }

  async #settled(done: Promise<unknown>): Promise<void> {
    try {
      await Promise.race([done, this.#lost]);
    } catch (error) {
      throw this.#failure ?? error;
    }
    if (this.#failure) throw this.#failure;
  }

  /** Ends the device. */
  destroy(): void {
    this.#failure ??= new Error("the backend was disposed");
    this.#gpu.destroy();
  }
}

/** Bytes of the whole 32-bit words that hold so many bytes. */
function words(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}

function firstLine(text: string): string {
  return text.trim().split("\n")[0];
}
