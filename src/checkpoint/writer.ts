/**
 * Writes a checkpoint that differs from another in some tensors: the same files, shards, names, dtypes and headers, and
 * every tensor that is not given stays as it is, byte for byte. Tensors are written where they belong as they come, in
 * any order; `finish` copies the rest in bounded pieces, forces all to the disk and gives the directory its name.
 */
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { PareError } from "../errors.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { allFinite } from "./finite.ts";
import { quote } from "./quote.ts";
import { release } from "./release.ts";
import { reserve } from "./place.ts";
import { systemError } from "./system_error.ts";

/** Most bytes given to the system at once: `write(2)` on Linux takes no more than 2 GiB - 4 KiB. */
const LARGEST_WRITE = 1 << 30;

/** Writes one checkpoint. Disposed of unfinished, it leaves nothing behind. */
export interface CheckpointWriter extends AsyncDisposable {
  /**
   * Writes a tensor's new bytes, in the dtype that it had. They may be reused when the promise settles; several may be
   * under way at once, and all must have settled before `finish`.
   * @throws PareError if the disk is full or fails.
   * @throws RangeError if there is no such tensor, or it has another number of bytes.
   */
  write(name: string, bytes: Uint8Array): Promise<void>;
  /**
   * Writes all that is still missing and makes the directory appear under its name.
   * @throws PareError if a tensor that is copied holds NaN or Inf, if the disk is full or fails, or if the name was taken
   * meanwhile; nothing is left behind.
   */
  finish(): Promise<void>;
  /** Gives up, at once (it waits for nothing: an interrupt handler may call it and exit), and leaves nothing behind. */
  abort(): void;
}

/** How to write. */
export interface WriterOptions {
  /** Whether an output directory that is not empty is replaced, at the very end. */
  readonly force?: boolean;
}

/**
 * Begins a copy of `checkpoint` in the directory `outDir`; parents are made if they are missing.
 * @throws PareError if `outDir` is taken, overlaps the input, or cannot be written.
 */
export async function createWriter(
  checkpoint: Checkpoint,
  outDir: string,
  { force = false }: WriterOptions = {},
): Promise<CheckpointWriter> {
  const place = reserve(outDir, [checkpoint.path, ...checkpoint.sources], force);
  const handles = new Map<string, FileHandle>();
  const written = new Set<string>();
  let state: "open" | "finished" | "aborted" = "open";

  const refuseUnlessOpen = (): void => {
    if (state !== "open") throw new DOMException(`the writer of ${outDir} is ${state}`, "AbortError");
  };
  const abort = (): void => {
    if (state !== "open") return;
    state = "aborted";
    place.abort();
  };
  const close = async (): Promise<void> => {
    const opened = [...handles.values()];
    handles.clear();
    for (const handle of opened) await handle.close();
  };
  /** Takes one step; the first that fails takes everything with it. */
  const attempt = async (step: () => Promise<void>): Promise<void> => {
    refuseUnlessOpen();
    try {
      await step();
    } catch (error) {
      refuseUnlessOpen(); // aborted meanwhile: that its files are gone is no error of the disk
      abort();
      await close();
      throw systemError("write", outDir, error);
    }
  };

  await attempt(async () => {
    for (const [shard, header] of checkpoint.headers) {
      const handle = await open(join(place.partial, shard), "w");
      handles.set(shard, handle);
      await writeAll(handle, header, 0);
    }
  });

  return {
    async write(name, bytes) {
      const info = checkpoint.tensors.get(name);
      if (!info) throw new RangeError(`${checkpoint.path} has no tensor ${name}`);
      if (bytes.length !== info.bytes) throw new RangeError(`${name} has ${info.bytes} bytes, not ${bytes.length}`);
      await attempt(() => writeAll(handles.get(info.shard)!, bytes, info.offset));
      written.add(name);
    },
    async finish() {
      await attempt(async () => {
        for (const info of checkpoint.tensors.values()) {
          if (written.has(info.name)) continue;
          let offset = info.offset;
          for await (const piece of checkpoint.stream(info.name)) {
            // Not only what was pruned must be a model: a NaN in its head is one that nobody has met yet.
            if (!allFinite(piece, info.dtype)) {
              throw new PareError(`${checkpoint.path}: tensor ${quote(info.name)} holds NaN or Inf`);
            }
            await writeAll(handles.get(info.shard)!, piece, offset);
            offset += piece.length;
            release(piece);
            refuseUnlessOpen();
          }
        }
        for (const file of checkpoint.files) {
          const bytes = await checkpoint.readFile(file);
          if (!bytes) continue;
          await using handle = await open(join(place.partial, file), "w");
          await writeAll(handle, bytes, 0);
          await handle.sync();
        }
        for (const handle of handles.values()) await handle.sync();
        await close();
        refuseUnlessOpen();
        place.commit();
        state = "finished";
      });
    },
    abort,
    async [Symbol.asyncDispose]() {
      abort();
      await close();
    },
  };
}

/** Writes all of `bytes` at `offset`; the system may take them in parts. */
async function writeAll(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(bytes.length - done, LARGEST_WRITE), offset + done);
    done += bytesWritten;
  }
}
