/**
 * One file from the Hub, whole and verified or not at all. Bytes go to `<blob>.incomplete`; when the connection is cut,
 * or a later run finds that file, the rest is asked for by a range request. The blob gets its name only once its
 * checksum was found right.
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { PareError } from "../../errors.ts";
import { disk, GROWING_FILE, removeLink } from "../disk.ts";
import { systemError } from "../system_error.ts";
import { describe, type HubClient } from "./client.ts";
import type { RemoteFile } from "./repository.ts";

/** Told how a download goes on; `received` counts what a former run had fetched already. */
export type HubProgress = (progress: { file: string; received: number; size: number }) => void;

/** Where a blob's bytes gather until it is whole. */
export function incompleteOf(blob: string): string {
  return `${blob}.incomplete`;
}

/**
 * Fetches a file to `blob`. No other process may be doing so (see `RepositoryCache.locked`).
 * @throws PareError if the Hub cannot be reached or refuses, if the bytes are not those that were promised (they are
 * removed), or if the disk cannot take them.
 */
export async function download(
  client: HubClient,
  commit: string,
  file: RemoteFile,
  blob: string,
  onProgress: HubProgress = () => {},
): Promise<void> {
  const incomplete = incompleteOf(blob);
  const name = `${client.repository.id}/${file.path}`;
  try {
    await removeLink(incomplete);
    await using handle = await open(incomplete, GROWING_FILE);
    const arrival = await Arrival.resume(handle, incomplete, file);
    const report = () => onProgress({ file: file.path, received: arrival.received, size: file.size });
    report();
    if (arrival.received < file.size) {
      await transfer(client, client.resolveUrl(commit, file.path), name, arrival, report);
    }
    const found = arrival.digest();
    if (arrival.received !== file.size || found !== file.digest) {
      await rm(incomplete, { force: true });
      throw new PareError(`${name}: wrong checksum: expected ${file.digest}, found ${found}; what came was removed`);
    }
    // What has the name of its hash is never read again to see whether it has it: the bytes first, then the name.
    await handle.sync();
    await rename(incomplete, blob);
    await disk.sync(dirname(blob));
  } catch (error) {
    throw systemError("write", incomplete, error);
  }
}

/** Asks for what is missing and adds it, over as many connections as it takes. */
async function transfer(
  client: HubClient,
  url: string,
  name: string,
  arrival: Arrival,
  report: () => void,
): Promise<void> {
  const missing = () => ({
    headers: { "Accept-Encoding": "identity", ...arrival.received > 0 && { Range: `bytes=${arrival.received}-` } },
  });
  const lost = (cause: unknown) => {
    const came = `${arrival.received} of ${arrival.size} bytes`;
    return new PareError(`${name}: the download broke off after ${came} (${describe(cause)}); run again to go on`);
  };
  await client.request(url, missing, async (response, watch) => {
    const continues = response.status === 206 &&
      response.headers.get("Content-Range")?.startsWith(`bytes ${arrival.received}-`);
    if (!continues) await arrival.restart();
    if (response.status === 416 || response.body === null) {
      await response.body?.cancel();
      throw new TypeError("the server has no such range"); // it is asked for all of it next
    }
    for await (const bytes of response.body) {
      watch.progress(bytes.length);
      await watch.apart(() => arrival.add(bytes));
      report();
      if (arrival.received === arrival.size) break;
    }
    if (arrival.received < arrival.size) throw new TypeError("the connection ended early");
  }, { reached: () => arrival.received, lost });
}

/** A file that is coming in: its bytes on disk, and their hash. */
class Arrival {
  #hash: Hash;

  private constructor(
    readonly handle: FileHandle,
    readonly size: number,
    readonly algorithm: RemoteFile["algorithm"],
    public received: number,
  ) {
    this.#hash = begin(algorithm, size);
  }

  /** Takes up what a former run left. More bytes than the file has cannot be its beginning. */
  static async resume(handle: FileHandle, path: string, { size, algorithm }: RemoteFile): Promise<Arrival> {
    const arrival = new Arrival(handle, size, algorithm, (await handle.stat()).size);
    if (arrival.received > size) await arrival.restart();
    else if (arrival.received > 0) { for await (const bytes of createReadStream(path)) arrival.#hash.update(bytes); }
    return arrival;
  }

  /** Drops what has come. */
  async restart(): Promise<void> {
    await this.handle.truncate(0);
    this.#hash = begin(this.algorithm, this.size);
    this.received = 0;
  }

  /** Appends bytes, as far as they belong to the file. */
  async add(more: Uint8Array): Promise<void> {
    const bytes = more.subarray(0, this.size - this.received);
    this.#hash.update(bytes);
    for (let written = 0; written < bytes.length;) {
      written += (await this.handle.write(bytes, written, bytes.length - written)).bytesWritten;
    }
    this.received += bytes.length;
  }

  /** The hash of all bytes, in hexadecimal. */
  digest(): string {
    return this.#hash.digest("hex");
  }
}

/** Git hashes a blob behind a header of its length. */
function begin(algorithm: RemoteFile["algorithm"], size: number): Hash {
  return algorithm === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
}
