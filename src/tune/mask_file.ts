/** Masks in a safetensors file: `<linear>.weight`, U8, a bit for each weight, row-major, 1 = kept, in bytes from the lowest bit up. */
import type { Backend, Mask } from "../backend/backend.ts";
import { openFile } from "../checkpoint/file.ts";
import { readSafetensors } from "../checkpoint/safetensors.ts";
import type { MemoryTensor } from "../checkpoint/tensor_file.ts";
import { PareError } from "../errors.ts";
import type { Linear } from "../model/spec.ts";

/** The file's name beside adapters and models. */
export const MASK_FILE = "masks.safetensors";

/** What keeps which weights, of a backend's mask: packed, 1 = kept. */
export function packKept({ rows, cols }: Pick<Mask, "rows" | "cols">, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const stride = Math.ceil(cols / 32) * 4, kept = new Uint8Array(Math.ceil(rows * cols / 8));
  for (let row = 0, at = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++, at++) {
      if (!(bytes[row * stride + (col >> 3)] >> (col & 7) & 1)) kept[at >> 3] |= 1 << (at & 7);
    }
  }
  return kept;
}

/** A mask by what it keeps. */
export function unpackKept(backend: Backend, rows: number, cols: number, kept: Uint8Array): Mask {
  // 1 where a weight is kept; what is zero is removed.
  const numbers = Uint16Array.from({ length: rows * cols }, (_, at) => kept[at >> 3] >> (at & 7) & 1);
  using weight = backend.upload(new Uint8Array(numbers.buffer), rows, cols, "F16");
  return backend.zeros(weight);
}

/** Masks as tensors of a file. */
export async function maskTensors(
  backend: Backend,
  linears: readonly Linear[],
  maskOf: (linear: string) => Mask | undefined,
): Promise<MemoryTensor[]> {
  const tensors: MemoryTensor[] = [];
  for (const { name } of linears) {
    const mask = maskOf(name);
    if (!mask) continue;
    const bytes = packKept(mask, (await backend.read(mask))[0]);
    tensors.push({ name: `${name}.weight`, dtype: "U8", shape: [bytes.length], bytes });
  }
  return tensors;
}

/**
 * Reads the masks of linears.
 * @returns What each keeps, by the linear's name.
 * @throws PareError if a mask is missing or of another size.
 */
export async function readMaskFile(path: string, linears: readonly Linear[]): Promise<Map<string, Uint8Array>> {
  await using file = await openFile(path);
  const { entries, read } = await readSafetensors(file), kept = new Map<string, Uint8Array>();
  for (const { name, rows, cols } of linears) {
    const entry = entries.get(`${name}.weight`), bytes = Math.ceil(rows * cols / 8);
    if (!entry) throw new PareError(`${path}: has no mask of ${name}; expected one for each linear of the model`);
    if (entry.dtype !== "U8" || entry.bytes !== bytes) {
      throw new PareError(
        `${path}: the mask of ${name} does not fit: expected U8, ${bytes} bytes for ${rows} x ${cols} weights, found ` +
          `${entry.dtype}, ${entry.bytes} bytes`,
      );
    }
    kept.set(name, await read(`${name}.weight`));
  }
  return kept;
}
