/** The WebGPU backend's door: finding an adapter, and opening a backend on it. */
import type { Backend } from "../backend.ts";
import { PareError } from "../../errors.ts";
import { findLevel } from "../wasm/module.ts";
import { describeAdapter, findAdapter } from "./adapter.ts";
import { bindDevice } from "./backend.ts";
import { Device } from "./device.ts";
import { type Tuning, TUNINGS } from "./tuning.ts";

export { type Tuning, TUNINGS } from "./tuning.ts";
export { type AdapterDescription, describeAdapter, findAdapter } from "./adapter.ts";

/** How to open the backend. */
export interface WebgpuOptions {
  /** Bytes of one buffer at most, if less than the adapter allows: larger matrices lie in several. For tests. */
  readonly bindingLimit?: number;
  /** Sizes of tiles and workgroups; those for the adapter's kind if not given. */
  readonly tuning?: Tuning;
  /** The adapter, if it has been found already. */
  readonly adapter?: GPUAdapter;
}

/** The adapter's limits that are asked for, as high as it has them; all others stay at WebGPU's defaults. */
const LIMITS = ["maxBufferSize", "maxStorageBufferBindingSize"] as const;

/**
 * Opens the backend on the adapter that WebGPU prefers.
 * @throws PareError if there is none, saying what to install.
 */
export async function openWebgpu(options: WebgpuOptions = {}): Promise<Backend> {
  const adapter = options.adapter ?? await findAdapter();
  if (!adapter) {
    throw new PareError(
      "no WebGPU adapter was found; expected a GPU with its Vulkan, Metal or DirectX 12 driver, " +
        "or a software one (Debian and Ubuntu: apt-get install mesa-vulkan-drivers libvulkan1)",
    );
  }
  const requiredLimits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]]));
  const gpu = await adapter.requestDevice({ requiredLimits });
  // Whole vectors of four words, whatever the limit.
  const limit = Math.floor(
    Math.min(options.bindingLimit ?? Infinity, gpu.limits.maxStorageBufferBindingSize, gpu.limits.maxBufferSize) / 16,
  ) * 16;
  const { description, hardware } = describeAdapter(adapter);
  const tuning = options.tuning ?? (hardware ? TUNINGS.hardware : TUNINGS.software);
  // A Hessian's factor is the CPU's, and tiles decide the order of sums.
  const arithmetic = `${description}, ${hardware ? "hardware" : "software"}; ${findLevel()}`;
  return bindDevice(new Device(gpu, limit, tuning), description, arithmetic);
}
