/**
 * The inverse factor of the WebGPU backend, which the CPU computes: a triangular factor is a chain of small steps, and the
 * device goes on with what is queued meanwhile. The WASM backend is opened when the first factor is asked for.
 */
import type { Backend, InverseFactor, Tensor } from "../backend.ts";
import { openWasm } from "../wasm/mod.ts";

/** The CPU's side of a device. */
export class Host implements AsyncDisposable {
  #opened: Promise<Backend> | undefined;

  /** See {@linkcode Backend.inverseFactor}; `device` is the backend that holds the Hessian and gets the factor. */
  async inverseFactor(device: Backend, hessian: Tensor, damping: number): Promise<InverseFactor | undefined> {
    const n = hessian.cols;
    const reading = device.read(hessian); // as it is now, whatever is queued while the host opens
    const [[bytes], host] = await Promise.all([reading, this.#opened ??= openWasm()]);
    using copy = host.upload(bytes, n, n, "F32");
    using factor = await host.inverseFactor(copy, damping);
    if (!factor) return undefined;
    const [upperBytes, deadBytes] = await host.read(factor.upper, factor.dead);
    using scope = new DisposableStack();
    const upper = scope.use(device.upload(upperBytes, n, n, "F32"));
    const dead = scope.use(device.upload(deadBytes, 1, n, "F32")), owned = scope.move();
    return { upper, dead, damping: factor.damping, [Symbol.dispose]: () => owned.dispose() };
  }

  /** Ends its workers. */
  async [Symbol.asyncDispose](): Promise<void> {
    // One that could not be opened has none; whoever asked for a factor was told why.
    const host = await this.#opened?.catch((_error) => undefined);
    await host?.[Symbol.asyncDispose]();
  }
}
