/**
 * What lies in a model's directory, and which of it may be read. A model comes from anywhere, and a link in it may lead
 * anywhere: to a key, to the root of the disk. A link is followed only to where it can give away nothing, a file in the same
 * directory or a blob of the Hub's cache (whose snapshots are made of links); files count, never directories.
 */
import { lstat, readdir, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { PareError } from "../errors.ts";
import { quote } from "./quote.ts";
import { systemCode, systemError } from "./system_error.ts";

/** A blob of the Hub's cache, wherever that is: its name is a hash of its content, so whoever can name it has it. */
const BLOB = /[/\\](?:models|datasets|spaces)--[^/\\]+[/\\]blobs[/\\](?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** A directory's entries by what they are. */
export interface Listing {
  /** The directory. */
  readonly path: string;
  /** Regular files and links that are followed, sorted by name: bytes, and where a link leads. */
  readonly files: ReadonlyMap<string, { readonly bytes: number; readonly target?: string }>;
  /** Links to files that are not followed, with where they lead. */
  readonly foreign: ReadonlyMap<string, string>;
  /** The rest: directories, links to directories or to nothing, pipes, devices. */
  readonly others: readonly string[];
}

/**
 * Lists a directory.
 * @throws PareError if it is none, or may not be read.
 */
export async function listDirectory(path: string): Promise<Listing> {
  const files = new Map<string, { bytes: number; target?: string }>(), foreign = new Map<string, string>();
  const others: string[] = [];
  try {
    const directory = await realpath(path);
    for (const name of (await readdir(path)).sort()) {
      const found = await follow(directory, join(path, name));
      if (found === undefined) others.push(name);
      else if ("foreign" in found) foreign.set(name, found.foreign);
      else files.set(name, found);
    }
  } catch (error) {
    throw systemError("read", path, error);
  }
  return { path, files, foreign, others };
}

/**
 * Refuses a model of whose directory a file that would be read leads elsewhere.
 * @throws PareError naming the first.
 */
export function refuseForeign({ path, foreign }: Pick<Listing, "path" | "foreign">, wanted: (name: string) => boolean) {
  for (const [name, target] of foreign) {
    if (!wanted(name)) continue;
    throw new PareError(
      `${join(path, name)} is a link to ${
        quote(target)
      }, which lies neither in the model's directory nor in the Hub's ` +
        "cache; put the file itself there if it belongs to the model",
    );
  }
}

/** What an entry is as a file; undefined if it is none. */
async function follow(
  directory: string,
  path: string,
): Promise<{ bytes: number; target?: string } | { foreign: string } | undefined> {
  try {
    const found = await lstat(path);
    if (found.isFile()) return { bytes: found.size };
    if (!found.isSymbolicLink()) return undefined;
    const target = await realpath(path), led = await stat(path);
    if (!led.isFile()) return undefined;
    return target.startsWith(directory + sep) || BLOB.test(target) ? { bytes: led.size, target } : { foreign: target };
  } catch (error) {
    // A link to nothing, or round in circles; or what who made the sandbox has left out of it.
    if (["ENOENT", "ELOOP", "EACCES", "ENOTDIR"].includes(systemCode(error) ?? "")) return undefined;
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}
