/**
 * Any checkpoint, by whatever the user calls it: a directory, a GGUF file, the id of a repository on the Hub, which is
 * fetched first, or the address of one that is read where it lies. What lies here goes before what the Hub has under the same name.
 */
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { PareError } from "../errors.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { adapterBase, openDirectory, openFolder } from "./directory.ts";
import { localFolder } from "./folder.ts";
import { openGguf } from "./gguf.ts";
import { isGguf } from "./gguf/header.ts";
import { fetchFromHub, type HubOptions, isHubId } from "./hub.ts";
import { LONGEST_POINTER, refusePointer, withoutWeights } from "./kinds.ts";
import { listDirectory, refuseForeign } from "./listing.ts";
import { openRemoteFolder } from "./remote/folder.ts";
import { isRemote, locateRemote } from "./remote/locate.ts";
import type { RemoteModel } from "./remote/model.ts";
import { INDEX } from "./side_files.ts";
import { systemCode, systemError } from "./system_error.ts";

/** How to open a checkpoint; most of it concerns one from the Hub. */
export interface OpenOptions extends HubOptions {
  /** One that is read where it lies, as {@linkcode locateRemote} has found it. */
  readonly remote?: RemoteModel;
  /** Of such a one: the temporary file for what is read again and again, which must not be there. */
  readonly keepFile?: string;
}

/**
 * Where the checkpoint that `reference` names lies on this machine; one of the Hub is fetched first. Nothing of it is read
 * but what kind of thing it is.
 * @throws PareError if there is nothing of that name, or it is no model.
 */
export async function locateCheckpoint(reference: string, options: OpenOptions = {}): Promise<string> {
  const found = await stat(reference).catch((error) => {
    if (systemCode(error) !== "ENOENT") throw systemError("read", reference, error);
  });
  if (found?.isDirectory()) return await locateIn(reference);
  if (found) {
    const bytes = found.isFile() ? await firstBytes(reference) : new Uint8Array();
    if (isGguf(bytes)) return reference;
    refusePointer(bytes, reference);
    if (/\.safetensors$/i.test(reference)) {
      throw new PareError(`${reference} is one file of a model: give its directory, which has config.json as well`);
    }
    throw new PareError(
      `${reference} is no model: a directory with config.json and safetensors, or a GGUF file, was expected`,
    );
  }
  const nothing = `cannot read ${reference}: no such file or directory`;
  if (!isHubId(reference)) throw new PareError(nothing);
  return await fetchFromHub(reference, options).catch((error) => {
    // It may have been meant for a path.
    throw error instanceof PareError ? new PareError(`${nothing}; as a Hub id: ${error.message}`) : error;
  });
}

/**
 * Opens the checkpoint that `reference` names.
 * @throws PareError if there is nothing of that name, it is no model, or it is damaged.
 */
export async function openCheckpoint(reference: string, options: OpenOptions = {}): Promise<Checkpoint> {
  const { remote = isRemote(reference) ? await locateRemote(reference, options) : undefined } = options;
  if (remote) return await openRemote(remote, options);
  const path = await locateCheckpoint(reference, options);
  return (await stat(path)).isDirectory() ? await openDirectory(path) : await openGguf(path);
}

/** Opens a model that is read where it lies. */
async function openRemote(remote: RemoteModel, options: OpenOptions): Promise<Checkpoint> {
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(openRemoteFolder(remote, options)), checkpoint = await openFolder(folder);
  const held = opened.move();
  return {
    ...checkpoint,
    fingerprints: () => folder.fingerprints(),
    async [Symbol.asyncDispose]() {
      await checkpoint[Symbol.asyncDispose]();
      await held.disposeAsync();
    },
  };
}

/**
 * What of a directory is the model: itself, or a GGUF file that is its only weights.
 * @throws PareError saying what it is instead.
 */
async function locateIn(directory: string): Promise<string> {
  const listing = await listDirectory(directory), names = [...listing.files.keys(), ...listing.foreign.keys()];
  const ggufs = names.filter((name) => /\.gguf$/i.test(name));
  if (ggufs.length === 1 && !names.some((name) => name.endsWith(".safetensors") || name === INDEX)) {
    refuseForeign(listing, (name) => name === ggufs[0]);
    return await locateCheckpoint(join(directory, ggufs[0]));
  }
  if (names.includes("config.json")) return directory;
  const why = withoutWeights(
    directory,
    names,
    await adapterBase(localFolder(directory), new Set(listing.files.keys())),
  );
  throw new PareError(why ?? `${directory} is not a model directory: it has no config.json`);
}

/** Enough of a file to know its kind. */
async function firstBytes(path: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(LONGEST_POINTER);
  try {
    await using file = await open(path, "r");
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    return bytes.subarray(0, bytesRead);
  } catch (error) {
    throw systemError("read", path, error);
  }
}
