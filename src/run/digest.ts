/**
 * SHA-256 of what goes into a run and comes out of it: files, token ids, masks and weights, Pare's own kernels. Files are
 * read in pieces and are never whole in memory; hashing them twice is as fast as the disk.
 */
import { createHash } from "node:crypto";
import { open, readdir, readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { PareError } from "../errors.ts";
import type { InputFile } from "./record.ts";

/** Bytes that are read at once: enough that the system calls do not count, little enough to stay in a cache. */
const PIECE = 2 ** 20;

/** SHA-256 of bytes, in hexadecimal. */
export function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/**
 * SHA-256 and size of a regular file.
 * @param onProgress Told of the bytes that were read since it was told last.
 * @throws PareError if it cannot be read, or is no regular file: a pipe would wait, a device would never end.
 */
export async function digestFile(path: string, onProgress?: (bytes: number) => void): Promise<InputFile> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    const { size } = await statFile(path);
    await using file = await open(path);
    const piece = new Uint8Array(PIECE);
    while (true) {
      const { bytesRead } = await file.read(piece, 0, PIECE, null);
      if (!bytesRead) break;
      hash.update(piece.subarray(0, bytesRead));
      bytes += bytesRead;
      if (bytes > size) throw new PareError(`cannot read ${path}: it grows while it is read`);
      onProgress?.(bytesRead);
    }
  } catch (error) {
    throw inWords(path, error);
  }
  return { path, bytes, sha256: hash.digest("hex") };
}

/**
 * The size of a regular file, of which nothing is read.
 * @throws PareError if it may not be looked at, or is no regular file.
 */
export async function statFile(path: string): Promise<{ readonly size: number }> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new PareError(`cannot read ${path}: it is not a regular file`);
    return found;
  } catch (error) {
    throw inWords(path, error);
  }
}

/** The system's error as one that a user can mend, with its code (ENOENT, EACCES, …). */
function inWords(path: string, error: unknown): unknown {
  if (error instanceof Deno.errors.NotCapable) {
    return new PareError(`cannot read ${path}: it leads out of what may be read`, { cause: error });
  }
  const { code } = Object(error) as { code?: string };
  return code === undefined ? error : new PareError(`cannot read ${path}: ${code}`, { cause: error });
}

/**
 * One hash for a model of several files: the SHA-256 of the lines `<sha256>  <name>`, sorted by name. It is what `sha256sum * |
 * sort -k 2 | sha256sum` says in the model's folder, wherever that stands.
 */
export function digestModel(files: readonly InputFile[]): string {
  const lines = files.map(({ path, sha256 }) => ({ name: basename(path), sha256 }))
    // By code units, as no locale would.
    .sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
    .map(({ name, sha256 }) => `${sha256}  ${name}\n`);
  return createHash("sha256").update(lines.join("")).digest("hex");
}

/** Where Pare's kernels stand. */
const KERNELS = [
  { folder: new URL("../../kernels/pkg/", import.meta.url), ending: ".wasm" },
  { folder: new URL("../../wgsl/", import.meta.url), ending: ".wgsl" },
];

/** SHA-256 of every kernel that this Pare computes with, by file name, sorted. */
export async function digestKernels(): Promise<Record<string, string>> {
  const found: [string, string][] = [];
  for (const { folder, ending } of KERNELS) {
    for (const name of await readdir(fileURLToPath(folder))) {
      if (name.endsWith(ending)) found.push([name, digest(await readFile(new URL(name, folder)))]);
    }
  }
  return Object.fromEntries(found.sort(([a], [b]) => a < b ? -1 : 1));
}
