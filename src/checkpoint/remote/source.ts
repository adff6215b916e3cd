/**
 * A file far away as a {@linkcode Source}: large reads go in pieces, several at once, and a range that will be asked for row
 * by row is fetched once and kept in a temporary file. It is one version of the file, from the first byte to the last.
 */
import { type FileHandle, open, rm } from "node:fs/promises";
import { PareError } from "../../errors.ts";
import { PIECE, pieces } from "../ranges.ts";
import type { Source } from "../source.ts";
import { systemError } from "../system_error.ts";
import type { RangeClient } from "./client.ts";
import type { RemoteFile } from "./model.ts";

/** A temporary file for what is kept of all files of a model. */
export class Kept implements AsyncDisposable {
  #file?: Promise<FileHandle>;
  #end = 0;

  /** @param path It must not be there; the system's folder for such files takes it unless it is named. */
  constructor(private readonly path?: string) {}

  /** Room for so many bytes: where they begin. */
  reserve(bytes: number): number {
    const begin = this.#end;
    this.#end += bytes;
    return begin;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    const file = await (this.#file ??= this.#open());
    for (let done = 0; done < bytes.length;) {
      done += (await file.write(bytes, done, bytes.length - done, offset + done).catch((error) => {
        throw systemError("write", this.path ?? "a temporary file", error);
      })).bytesWritten;
    }
  }

  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length), file = await this.#file!;
    for (let done = 0; done < length;) {
      const { bytesRead } = await file.read(bytes, done, Math.min(length - done, 1 << 30), offset + done);
      if (!bytesRead) throw new PareError(`${this.path ?? "a temporary file"}: it was cut short by another program`);
      done += bytesRead;
    }
    return bytes;
  }

  async #open(): Promise<FileHandle> {
    const path = this.path ?? `${await Deno.makeTempDir({ prefix: "pare-kept-" })}/rows`;
    try {
      const file = await open(path, "wx+");
      // The open file outlives its name; Windows keeps both until it is closed.
      await rm(this.path === undefined ? path.replace(/\/rows$/, "") : path, { recursive: true }).catch((_error) => {});
      return file;
    } catch (error) {
      throw systemError("write", path, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const file = await this.#file?.catch((_error) => undefined);
    await file?.close();
  }
}

/** A range that is kept. */
interface KeptRange {
  readonly offset: number;
  readonly bytes: number;
  /** Where it begins among what is kept, once it is there. */
  readonly place: Promise<number>;
}

/** Opens a file; nothing is asked of the network yet. */
export function openRemoteFile(client: RangeClient, { url, ...version }: RemoteFile, kept: Kept): Source {
  const ranges: KeptRange[] = [], { bytes: size } = version;
  const ask = async (offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> => {
    if (!length) return new Uint8Array(0);
    const found = await client.read(url, offset, length, version);
    if (!found) throw new PareError(`${url} is gone: it was there when the run began`);
    return found.bytes;
  };
  return {
    name: url,
    size,
    async read(offset, length) {
      if (offset + length > size) {
        throw new PareError(`${url}: truncated: bytes ${offset} to ${offset + length} wanted, the file has ${size}`);
      }
      const known = ranges.find((range) => offset >= range.offset && offset + length <= range.offset + range.bytes);
      if (known) return await kept.read(await known.place + offset - known.offset, length);
      if (length <= PIECE) return await ask(offset, length);
      const all = new Uint8Array(length);
      await Promise.all([...pieces(length)].map(async ([at, bytes]) => all.set(await ask(offset + at, bytes), at)));
      return all;
    },
    async keep(offset, bytes) {
      let range = ranges.find((each) => each.offset === offset && each.bytes === bytes);
      if (!range) {
        const place = (async () => {
          const begin = kept.reserve(bytes), todo = [...pieces(bytes)].reverse();
          const work = async () => {
            for (let next = todo.pop(); next; next = todo.pop()) {
              await kept.write(begin + next[0], await ask(offset + next[0], next[1]));
            }
          };
          await Promise.all([work(), work(), work(), work()]);
          return begin;
        })();
        ranges.push(range = { offset, bytes, place });
      }
      await range.place;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
