/**
 * Which build of the kernels this engine can run: asked with the smallest module that holds a relaxed instruction,
 * never by the engine's name or version. What a relaxed
 * instruction gives is the processor's choice, so the module is asked for that, too: it is part of what results depend on.
 */

/** An instruction set, and how it rounds. Where it multiplies and adds in two steps it is none of the usual machines. */
export type Level = "relaxed SIMD" | "relaxed SIMD, not fused" | "SIMD";

/** A compiled build of the kernels, and what to call its instruction set. */
export interface KernelModule {
  /** The build. */
  readonly module: WebAssembly.Module;
  /** Its instruction set. */
  readonly level: Level;
}

/** `f32.const` of 1 + 2^-12 and of -(1 + 2^-11), each in all lanes. */
// deno-fmt-ignore
const A = [0x43, 0x00, 0x08, 0x80, 0x3f, 0xfd, 0x13], C = [0x43, 0x00, 0x10, 0x80, 0xbf, 0xfd, 0x13];

/**
 * A module with one function `f: () -> f32`: a lane of `relaxed_madd(a, a, c)`. Rounded once, the result is 2^-24; the
 * product alone is rounded to -c.
 */
// deno-fmt-ignore
const RELAXED = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0, // magic, version
  1, 5, 1, 0x60, 0, 1, 0x7d, // types: () -> f32
  3, 2, 1, 0, // functions: one of type 0
  7, 5, 1, 1, 0x66, 0, 0, // exports: "f"
  10, 31, 1, 29, 0, // code: one body of 29 bytes, no locals
  ...A, ...A, ...C,
  0xfd, 0x85, 0x02, // f32x4.relaxed_madd
  0xfd, 0x1f, 0, // f32x4.extract_lane 0
  0x0b,
]);

/** The best instruction set that this engine accepts. */
export function findLevel(): Level {
  if (!WebAssembly.validate(RELAXED)) return "SIMD";
  const { f } = new WebAssembly.Instance(new WebAssembly.Module(RELAXED)).exports as { f: () => number };
  return f() === 2 ** -24 ? "relaxed SIMD" : "relaxed SIMD, not fused";
}

/** The build for it. */
export async function loadModule(): Promise<KernelModule> {
  const level = findLevel();
  return { level, module: (await (level === "SIMD" ? import("./simd.js") : import("./relaxed.js"))).default };
}
