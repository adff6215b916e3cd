/**
 * The files of a model, wherever they lie: a directory of this machine (`local` here), or a place that answers range requests
 * (`remote/`). What is a model's and what is not is for `directory.ts`.
 */
import { join } from "node:path";
import { openFile } from "./file.ts";
import { listDirectory, refuseForeign } from "./listing.ts";
import { isReadOrCopied } from "./side_files.ts";
import type { Source } from "./source.ts";

/** See the file's head. */
export interface Folder {
  /** What to call it: a path or an address. */
  readonly path: string;
  /**
   * Bytes of every file in it that a model could be read from, by its name.
   * @throws PareError if it cannot be listed, or one of them leads elsewhere.
   */
  list(): Promise<ReadonlyMap<string, number>>;
  /** What to call a file of it. */
  locate(name: string): string;
  /**
   * Opens a file of it.
   * @throws PareError if it cannot be read.
   */
  open(name: string): Promise<Source>;
}

/** A directory of this machine. */
export function localFolder(path: string): Folder {
  const locate = (name: string) => join(path, name);
  return {
    path,
    locate,
    async list() {
      const listing = await listDirectory(path);
      refuseForeign(listing, isReadOrCopied);
      return new Map([...listing.files].map(([name, { bytes }]) => [name, bytes]));
    },
    open: (name) => openFile(locate(name)),
  };
}
