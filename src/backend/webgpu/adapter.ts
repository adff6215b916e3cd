/**
 * Finding a GPU, and telling one from a program that plays one on the CPU. Pare computes on either, but `auto` takes
 * only the former: on a CPU the WASM backend is several times faster than WebGPU.
 */

/** Names under which Vulkan and GL drivers that run on the CPU present themselves (Mesa, SwiftShader, Windows). */
const SOFTWARE = /llvmpipe|lavapipe|softpipe|swiftshader|basic render driver/i;

/** What {@linkcode describeAdapter} tells. */
export interface AdapterDescription {
  /** The device's own name, or what there is of it. */
  readonly description: string;
  /** False for one that computes on the CPU. */
  readonly hardware: boolean;
}

/** The adapter that WebGPU prefers, or null where there is none. */
export async function findAdapter(): Promise<GPUAdapter | null> {
  return await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" }) ?? null;
}

/** Names an adapter and says whether there is hardware behind it. */
export function describeAdapter(adapter: GPUAdapter): AdapterDescription {
  const { description, device, vendor, isFallbackAdapter } = adapter.info;
  const name = description || device || vendor || "an unnamed GPU";
  return { description: name, hardware: !isFallbackAdapter && !SOFTWARE.test(name) };
}
