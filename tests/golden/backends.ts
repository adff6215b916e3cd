/** The backends that golden results are compared on. */
import type { Backend } from "../../src/backend/backend.ts";
import { openWasm } from "../../src/backend/wasm/mod.ts";
import { openWebgpu } from "../../src/backend/webgpu/mod.ts";

/** A backend to compare on. */
export interface GoldenBackend {
  readonly name: string;
  readonly ignore: boolean;
  readonly open: () => Promise<Backend>;
}

/** The one that runs everywhere, and the faster one where WebGPU is run by a software driver. */
export const WASM: GoldenBackend = { name: "wasm", ignore: false, open: () => openWasm() };

let device: Promise<Backend> | undefined;

/**
 * WebGPU's backend, the same for all tests of a process: to make a shader's pipeline takes a software driver 40 ms, whatever it
 * has on the disk, and most tests here need the same ones. It ends with the process; that nothing on it is left alive is claimed
 * of each test.
 */
async function openOnce(): Promise<Backend> {
  const backend = await (device ??= openWebgpu());
  return Object.create(backend, { [Symbol.asyncDispose]: { value: () => Promise.resolve() } });
}

/** WebGPU is left out, and counted as skipped, where `deno task test` could find no adapter. */
export const BACKENDS: readonly GoldenBackend[] = [
  WASM,
  { name: "webgpu", ignore: Deno.env.get("PARE_NO_WEBGPU") === "1", open: openOnce },
];
