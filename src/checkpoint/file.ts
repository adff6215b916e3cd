/**
 * A file as a {@linkcode Source}. Reads are positioned (no seek, so that several may be under way at once) and
 * asynchronous: a block's bytes come while the block before it computes. It is not a cache; the system has one.
 */
import { type FileHandle, open, stat } from "node:fs/promises";
import { PareError } from "../errors.ts";
import type { Source } from "./source.ts";
import { systemError } from "./system_error.ts";

/** Most bytes asked of the system at once: `read(2)` on Linux moves no more than 2 GiB - 4 KiB. */
const LARGEST_READ = 1 << 30;

/**
 * Opens a file for reading.
 * @throws PareError if there is none, if it may not be read, or if it is no regular file (opening a pipe would wait).
 */
export async function openFile(path: string): Promise<Source> {
  let handle: FileHandle;
  let size: number;
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new PareError(`cannot read ${path}: it is not a regular file`);
    handle = await open(path, "r");
    size = found.size;
  } catch (error) {
    throw systemError("read", path, error);
  }

  return {
    name: path,
    size,
    async read(offset, length) {
      if (offset + length > size) {
        throw new PareError(`${path}: truncated: bytes ${offset} to ${offset + length} wanted, the file has ${size}`);
      }
      const bytes = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        const wanted = Math.min(length - filled, LARGEST_READ);
        const { bytesRead } = await handle.read(bytes, filled, wanted, offset + filled).catch((error) => {
          throw systemError("read", path, error);
        });
        if (bytesRead === 0) throw new PareError(`${path}: it became shorter while it was read`);
        filled += bytesRead;
      }
      return bytes;
    },
    async [Symbol.asyncDispose]() {
      await handle.close();
    },
  };
}
