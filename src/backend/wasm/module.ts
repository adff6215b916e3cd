/**
 * Which build of the kernels this engine can run: asked with the smallest module that holds a relaxed instruction,
 * never by the engine's name or version.
 */

/** A compiled build of the kernels, and what to call its instruction set. */
export interface KernelModule {
  /** The build. */
  readonly module: WebAssembly.Module;
  /** Its instruction set. */
  readonly level: "relaxed SIMD" | "SIMD";
}

/** A module of one function `() -> v128` whose body is `relaxed_madd` of three zero vectors. */
// deno-fmt-ignore
const RELAXED = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0, // magic, version
  1, 5, 1, 0x60, 0, 1, 0x7b, // types: () -> v128
  3, 2, 1, 0, // functions: one of type 0
  10, 19, 1, 17, 0, // code: one body of 17 bytes, no locals
  0x41, 0, 0xfd, 0x0f, 0x41, 0, 0xfd, 0x0f, 0x41, 0, 0xfd, 0x0f, // three times: i32.const 0, i8x16.splat
  0xfd, 0x85, 0x02, // f32x4.relaxed_madd
  0x0b,
]);

/** The best build that this engine accepts. */
export async function loadModule(): Promise<KernelModule> {
  return WebAssembly.validate(RELAXED)
    ? { module: (await import("./relaxed.js")).default, level: "relaxed SIMD" }
    : { module: (await import("./simd.js")).default, level: "SIMD" };
}
