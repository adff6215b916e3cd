/**
 * Who must keep the contract: the reference, and every realisation of the backend in every way that it can be tuned.
 * A new one is one more line here.
 */
import type { Backend } from "../../src/backend/backend.ts";
import { openWasm } from "../../src/backend/wasm/mod.ts";
import { openWebgpu, TUNINGS, type WebgpuOptions } from "../../src/backend/webgpu/mod.ts";
import { ReferenceBackend } from "../reference/backend.ts";

/** A backend to be opened for one test. */
export interface Subject {
  /** Stands in the names of its tests. */
  readonly name: string;
  /** True where it cannot run here. */
  readonly ignore?: boolean;
  /** Columns of a long row (an odd number), where the subject cannot hold the usual one. */
  readonly long?: number;
  /** Numbers in a head of the program that calls every operation: few, where it is slow or a binding holds little. */
  readonly headDim?: number;
  /** Subjects with the same word here must give the same bytes for the same calls. */
  readonly agrees?: string;
  /** Opens it. */
  open(): Promise<Backend>;
}

/** Opens the WASM backend as on an engine that refuses relaxed SIMD. */
async function openPlainSimd(workers: number): Promise<Backend> {
  const { validate } = WebAssembly;
  WebAssembly.validate = () => false;
  try {
    return await openWasm({ workers });
  } finally {
    WebAssembly.validate = validate;
  }
}

/** Set by `deno task test` where no adapter could be had: the shaders are then skipped, and counted as such. */
const noWebgpu = Deno.env.get("PARE_NO_WEBGPU") === "1";

const webgpu = (name: string, options: WebgpuOptions, rest: Partial<Subject> = {}): Subject => ({
  name: `webgpu${name}`,
  ignore: noWebgpu,
  open: () => openWebgpu(options),
  ...rest,
});

/** Every backend under test. */
export const SUBJECTS: readonly Subject[] = [
  { name: "reference", headDim: 10, open: () => Promise.resolve(new ReferenceBackend()) },
  { name: "wasm, 1 worker", agrees: "wasm", open: () => openWasm({ workers: 1 }) },
  { name: "wasm, 2 workers", agrees: "wasm", open: () => openWasm({ workers: 2 }) },
  { name: "wasm, plain SIMD", open: () => openPlainSimd(2) },
  ...Object.entries(TUNINGS).map(([device, tuning]) => webgpu(`, tuned for ${device}`, { tuning }, { headDim: 20 })),
  webgpu(", bindings of 4096 bytes", { bindingLimit: 4096 }, { long: 1021, headDim: 10 }),
];
