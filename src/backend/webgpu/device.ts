/**
 * A WebGPU device as Pare uses it: a queue of dispatches, a pool of buffers, a cache of pipelines, and one place where
 * anything waits. Commands are encoded as they come and submitted when enough have gathered or somebody reads. WebGPU
 * runs what it is given in order, so a buffer may be reused as soon as its last user is encoded.
 *
 * Errors of WebGPU arrive late and elsewhere. The first one is kept, and the next read throws it.
 */
import { PareError, toldElsewhere } from "../../errors.ts";
import { BufferPool } from "./pool.ts";
import { type ShaderName, SHADERS } from "./shaders.ts";
import { type Range, stage, unstage } from "./staging.ts";
import type { Tuning } from "./tuning.ts";

/** Work (multiply-adds, or numbers touched) after which commands are submitted: about a second of the slowest device. */
const WORK_PER_SUBMIT = 2 ** 32;

/** Dispatches after which commands are submitted; also the places of the parameter arena. */
const DISPATCHES_PER_SUBMIT = 256;

/** Bytes between the parameters of two dispatches: WebGPU's default alignment of a uniform binding. */
const PARAMETER_STRIDE = 256;

/** Milliseconds to wait for the cause of a failure: it is due at once, but by another way. */
const LATE = 100;

/** Work of one dispatch at most: half a second at 2 billion a second, since drivers end a dispatch of seconds. */
export const WORK_PER_DISPATCH = 2 ** 30;

/** Threads of a workgroup where each has one number. */
export const THREADS = 64;

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

/** How many rows one dispatch may have, with a workgroup for each and so much work in each. */
export function rowsWithin(workPerRow: number): number {
  return Math.max(1, Math.min(WORKGROUPS, Math.floor(WORK_PER_DISPATCH / workPerRow)));
}

/** The workgroups for `count` threads of `threads` a workgroup, as a line folded to stay within the limit. */
export function line(count: number, threads: number): [number, number] {
  const groups = Math.max(1, Math.ceil(count / threads));
  const folds = Math.ceil(groups / WORKGROUPS);
  return [Math.ceil(groups / folds), folds];
}

/** A compiled shader, and what it binds. */
interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** A device with its queue, its pool and its pipelines. */
export class Device {
  /** Tensors not yet disposed. */
  live = 0;
  #gpu: GPUDevice;
  #pipelines = new Map<string, Pipeline>();
  #pool: BufferPool;
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
    this.#pool = new BufferPool(gpu);
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
      this.#fail(new PareError(`the GPU was lost (${firstLine(message) || reason || "no reason given"})`));
      throw this.#failure;
    });
    toldElsewhere(this.#lost); // whoever reads races against it
  }

  #fail(error: Error): void {
    this.#failure ??= error;
  }

  /** A buffer of at least `bytes`, its content unknown. */
  take(bytes: number): GPUBuffer {
    return this.#pool.take(bytes);
  }

  /** Gives a buffer back: what is queued still sees it, what is queued later may reuse it. */
  give(buffer: GPUBuffer): void {
    this.#pool.give(buffer);
    if (this.#pool.full) {
      this.submit(); // queued commands may still name what is now destroyed
      this.#pool.clear();
    }
  }

  /** Queues a run of a shader. */
  dispatch({ shader, constants = {}, params, buffers, groups, work }: Dispatch): void {
    const { pipeline, layout } = this.#pipeline(shader, constants);
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
        layout,
        entries: resources.map((resource, binding) => ({ binding, resource })),
      }),
    );
    this.#pass.dispatchWorkgroups(...groups);
    this.#dispatches++;
    this.#work += work;
    if (this.#dispatches === DISPATCHES_PER_SUBMIT || this.#work >= WORK_PER_SUBMIT) this.submit();
  }

  #pipeline(shader: ShaderName, constants: Constants): Pipeline {
    const key = shader + JSON.stringify(constants);
    const cached = this.#pipelines.get(key);
    if (cached) return cached;
    const module = this.#gpu.createShaderModule({ label: shader, code: SHADERS[shader] });
    const pipeline = this.#gpu.createComputePipeline({
      label: key,
      layout: "auto",
      compute: { module, entryPoint: "main", constants: { ...constants } },
    });
    const made = { pipeline, layout: pipeline.getBindGroupLayout(0) };
    this.#pipelines.set(key, made);
    return made;
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
    const staged = stage(this.#gpu, this.#copies(), ranges);
    try {
      this.submit();
      await this.#settled(Promise.all(staged.map(({ buffer }) => buffer.mapAsync(GPUMapMode.READ))));
      unstage(staged);
    } finally {
      for (const { buffer } of staged) buffer.destroy();
    }
  }

  /** Waits, but not for ever; whatever goes wrong is thrown as what caused it. */
  async #settled(done: Promise<unknown>): Promise<void> {
    try {
      await Promise.race([done, this.#lost]);
    } catch (error) {
      // A lost device refuses first and says that it is lost later.
      if (!this.#failure) await Promise.race([this.#lost, delay(LATE)]).catch((_error) => {}); // the failure, noted
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

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function firstLine(text: string): string {
  return text.trim().split("\n")[0];
}
