/** A safetensors file of tensors that are in memory: small ones, such as adapters and what training is to be gone on with. */
import { closeSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { NEW_FILE } from "./disk.ts";
import { safetensorsHeader } from "./safetensors.ts";
import { systemError } from "./system_error.ts";

/** A tensor in memory. */
export interface MemoryTensor {
  /** In the file. */
  readonly name: string;
  /** As safetensors spells it. */
  readonly dtype: string;
  /** The last dimension lies together. */
  readonly shape: readonly number[];
  /** Its numbers, little-endian. */
  readonly bytes: Uint8Array;
}

/** Writes a file of tensors in place of an old one: the new one is whole or not there. @throws PareError if the disk refuses. */
export function writeTensors(path: string, tensors: readonly MemoryTensor[]): void {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor])), fresh = `${path}.new`;
  const { header, entries } = safetensorsHeader(
    tensors.map(({ name, dtype, shape, bytes }) => ({ name, dtype, shape, bytes: bytes.byteLength })),
  );
  try {
    rmSync(fresh, { force: true });
    const file = openSync(fresh, NEW_FILE);
    try {
      for (const bytes of [header, ...entries.map(({ name }) => byName.get(name)!.bytes)]) {
        for (let done = 0; done < bytes.length;) {
          done += writeSync(file, bytes, done, Math.min(bytes.length - done, 1 << 30));
        }
      }
    } finally {
      closeSync(file);
    }
    renameSync(fresh, path);
  } catch (error) {
    throw systemError("write", path, error);
  }
}
