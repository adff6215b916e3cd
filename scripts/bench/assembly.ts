/**
 * WebAssembly written instruction by instruction, the little that measures the machine: loops of vectors over one memory. It
 * owes nothing to a compiler, nor to the Rust kernels that are held against it.
 */

/** The types of locals. */
export const I32 = 0x7f, V128 = 0x7b;

/** An unsigned number as WebAssembly writes it. */
export function leb(value: number): number[] {
  return value < 128 ? [value] : [value % 128 + 128, ...leb(Math.floor(value / 128))];
}

/** A signed one: `i32.const` takes no other. */
function signedLeb(value: number): number[] {
  return value >= -64 && value < 64 ? [value & 127] : [value & 127 | 128, ...signedLeb(value >> 7)];
}

/** A number on the stack. */
export const i32Const = (value: number) => [0x41, ...signedLeb(value)];
/** A local's value on the stack, and back. */
export const get = (local: number) => [0x20, local], set = (local: number) => [0x21, local];
/** A vector from so many bytes behind an address. */
export const load = (address: number, offset: number) => [...get(address), 0xfd, 0, 4, ...leb(offset)];
/** A vector to there. */
export const store = (address: number, vector: number, offset: number) => [
  ...[...get(address), ...get(vector), 0xfd, 11, 4, ...leb(offset)],
];
/** The body again as long as the condition holds. */
export const loop = (body: number[], condition: number[]) => [0x03, 0x40, ...body, ...condition, 0x0d, 0, 0x0b];
/** An address further on. */
export const advance = (address: number, bytes: number) => [...get(address), ...i32Const(bytes), 0x6a, ...set(address)];

/**
 * A module of one function, `run`, and its `memory`.
 * @param parameters Of the function, all i32; it gives nothing back.
 * @param pages Of memory, 64 KiB each.
 * @param code Its groups of locals, its instructions, and `end`.
 */
export function assembleModule(parameters: number, pages: number, code: number[]): WebAssembly.Module {
  const section = (id: number, content: number[]) => [id, ...leb(content.length), ...content];
  const name = (text: string) => [text.length, ...new TextEncoder().encode(text)];
  return new WebAssembly.Module(
    new Uint8Array([
      ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...section(1, [1, 0x60, parameters, ...Array(parameters).fill(I32), 0]),
      ...section(3, [1, 0]),
      ...section(5, [1, 0, ...leb(pages)]),
      ...section(7, [2, ...name("run"), 0, 0, ...name("memory"), 2, 0]),
      ...section(10, [1, ...leb(code.length), ...code]),
    ]),
  );
}
