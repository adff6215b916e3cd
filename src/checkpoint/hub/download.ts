/**
 * One file from the Hub, whole and verified or not at all. Bytes go to `<blob>.incomplete`; when the connection is cut,
 * or a later run finds that file, the rest is asked for by a range request. The blob gets its name only once its
 * checksum was found right.
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { PareError } from "../../errors.ts";
import { systemError } from "../system_error.ts";
import { describe, type HubClient, isNetworkError, pause, TRIES } from "./client.ts";
import type { RemoteFile } from "./repository.ts";

/** Told how a download goes on; `received` counts what a former run had fetched already. */
export type HubProgress = (progress: { file: string; received: number; size: number }) => void;

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
  const incomplete = `${blob}.incomplete`;
  const name = `${client.repository.id}/${file.path}`;
  try {
    // "a+" makes the file if it is not there and keeps what it holds.
    await using handle = await open(incomplete, "a+");
    const arrival = await Arrival.resume(handle, incomplete, file);
    const report = () => onProgress({ file: file.path, received: arrival.received, size: file.size });
    report();
    for (let attempt = 1; arrival.received < file.size; attempt++) {
      const before = arrival.received;
      try {
        await transfer(client, client.resolveUrl(commit, file.path), arrival, report);
      } catch (error) {
        if (!isNetworkError(error)) throw error;
        if (arrival.received > before) attempt = 0; // it goes on, if slowly
        if (attempt === TRIES) {
          const came = `${arrival.received} of ${file.size} bytes`;
          throw new PareError(`${name}: the download broke off after ${came} (${describe(error)}); run again to go on`);
        }
        await pause(Math.max(1, attempt));
      }
    }
    const found = arrival.digest();
    if (arrival.received !== file.size || found !== file.digest) {
      await rm(incomplete, { force: true });
      throw new PareError(`${name}: wrong checksum: expected ${file.digest}, found ${found}; what came was removed`);
    }
    await rename(incomplete, blob);
  } catch (error) {
    throw systemError("write", incomplete, error);
  }
}

/** Asks for what is missing and adds it, until the answer ends. */
async function transfer(client: HubClient, url: string, arrival: Arrival, report: () => void): Promise<void> {
  const { received } = arrival;
  const stalled = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stalled.abort(new DOMException("no byte came in time", "TimeoutError")), client.timeout);
  };
  alive();
  try {
    const headers = { "Accept-Encoding": "identity", ...received > 0 && { Range: `bytes=${received}-` } };
    const response = await client.fetch(url, { headers, signal: stalled.signal });
    const continues = response.status === 206 &&
      response.headers.get("Content-Range")?.startsWith(`bytes ${received}-`);
    if (!continues) await arrival.restart();
    if (response.status === 416 || response.body === null) {
      await response.body?.cancel();
      throw new TypeError("the server has no such range"); // it is asked for all of it next
    }
    for await (const bytes of response.body) {
      clearTimeout(timer); // a slow disk is not a silent server
      await arrival.add(bytes);
      report();
      if (arrival.received === arrival.size) break;
      alive();
    }
    if (arrival.received < arrival.size) throw new TypeError("the connection ended early");
  } finally {
    clearTimeout(timer);
  }
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
