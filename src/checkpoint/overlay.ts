/** A checkpoint with other bytes in the places of some tensors: what has been made of a model, before it is written. */
import type { Checkpoint } from "./checkpoint.ts";

/**
 * See the file's head. The checkpoint stays its owner's.
 * @param read The bytes of a tensor in its own dtype and layout, the caller's own; undefined where the checkpoint's count.
 */
export function overlay(
  checkpoint: Checkpoint,
  read: (name: string) => Promise<Uint8Array<ArrayBuffer>> | undefined,
): Checkpoint {
  return {
    ...checkpoint,
    readText: (file) => checkpoint.readText(file),
    async read(names) {
      const own = new Map<string, Uint8Array<ArrayBuffer>>();
      for (const name of names) {
        const bytes = await read(name);
        if (bytes) own.set(name, bytes);
      }
      const others = names.filter((name) => !own.has(name));
      const found = others.length ? await checkpoint.read(others) : new Map<string, Uint8Array<ArrayBuffer>>();
      for (const [name, bytes] of own) found.set(name, bytes);
      return found;
    },
    async readRows(name, firstRow, rows) {
      const own = await read(name);
      if (!own) return await checkpoint.readRows(name, firstRow, rows);
      const rowBytes = own.length / checkpoint.tensors.get(name)!.shape[0];
      return own.slice(firstRow * rowBytes, (firstRow + rows) * rowBytes);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
