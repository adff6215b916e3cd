/** All of a range of an open file, read, written or hashed: the system may take and give it in parts. */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";

/** Most bytes given to the system at once: `write(2)` on Linux takes no more than 2 GiB - 4 KiB. */
const LARGEST = 1 << 30;

/** Bytes that are read at once to be hashed: enough that the system calls do not count, little enough to stay in a cache. */
const PIECE = 2 ** 20;

/** Reads `bytes` bytes at `offset`. @throws RangeError if the file is too short. */
export async function readAll(file: FileHandle, offset: number, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const all = new Uint8Array(bytes);
  for (let done = 0; done < bytes;) {
    const { bytesRead } = await file.read(all, done, Math.min(bytes - done, LARGEST), offset + done);
    if (bytesRead === 0) throw new RangeError(`expected ${bytes} bytes at ${offset}, found ${done}`);
    done += bytesRead;
  }
  return all;
}

/** Writes all of `bytes` at `offset`. */
export async function writeAll(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(bytes.length - done, LARGEST), offset + done);
    done += bytesWritten;
  }
}

/**
 * The size of a file and the SHA-256 of what it holds, read in bounded pieces.
 * @param onPiece Called before each; it may throw.
 */
export async function digestAll(
  file: FileHandle,
  onPiece: () => void = () => {},
): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const hash = createHash("sha256"), piece = new Uint8Array(PIECE);
  for (let bytes = 0;;) {
    onPiece();
    const { bytesRead } = await file.read(piece, 0, PIECE, bytes);
    if (bytesRead === 0) return { bytes, sha256: hash.digest("hex") };
    hash.update(piece.subarray(0, bytesRead));
    bytes += bytesRead;
  }
}
