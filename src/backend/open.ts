/** Choosing the backend: the one place that knows both. */
import { PareError } from "../errors.ts";
import type { Backend } from "./backend.ts";
import { openWasm } from "./wasm/mod.ts";
import { describeAdapter, findAdapter, openWebgpu } from "./webgpu/mod.ts";

/** A backend by name; `auto` is a hardware GPU where there is one, else WASM. */
export type BackendChoice = "auto" | "webgpu" | "wasm";

/** What the backends can be told. */
export interface BackendOptions {
  /** Threads of the WASM backend; all cores if not given. */
  readonly workers?: number;
}

/**
 * Opens the backend of this choice.
 * @throws PareError if WebGPU is chosen and there is no adapter.
 */
export async function openBackend(choice: BackendChoice, { workers }: BackendOptions = {}): Promise<Backend> {
  switch (choice) {
    case "webgpu":
      return await openWebgpu();
    case "wasm":
      return await openWasm({ workers });
    case "auto": {
      const adapter = await findAdapter();
      if (adapter && describeAdapter(adapter).hardware) return await openWebgpu({ adapter });
      return await openWasm({ workers });
    }
    default:
      throw new PareError(`backend ${JSON.stringify(choice)} is not known; expected auto, webgpu or wasm`);
  }
}
