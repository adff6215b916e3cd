/**
 * Where the ranks of a run meet (`exchange.ts`): a directory that all of them see, or a prefix of a bucket. What is written comes
 * to its name whole, and whoever reads sees it from then on: file systems of clusters keep that after a rename, and S3 and what
 * speaks like it after a PUT.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { RangeClient, type RangeOptions } from "../checkpoint/remote/client.ts";
import { type Bucket, listObjects, objectUrl } from "../checkpoint/remote/s3.ts";
import { deleteObject, objectAt, putObject } from "../checkpoint/remote/s3_put.ts";
import { sha256 } from "../checkpoint/sha256.ts";
import { ABSENT, insteadOf, isExpected, PareError } from "../errors.ts";

/** Milliseconds between two signs of life of a rank. */
export const BEAT_MS = 5_000;

/** See the file's head. Names have slashes between their parts. */
export interface MeetingPlace {
  /** What a person calls it. */
  readonly path: string;
  /** What to call an item of it. */
  locate(name: string): string;
  /** An item; undefined if it is not there. */
  read(name: string): Promise<Uint8Array | undefined>;
  /** Whether an item is there. */
  has(name: string): Promise<boolean>;
  /** Writes an item. @param rank Who does. */
  write(name: string, bytes: Uint8Array<ArrayBuffer>, rank: number): Promise<void>;
  /** Removes an item, if it is there. */
  remove(name: string): Promise<void>;
  /** Removes all items whose names begin with a part. */
  removeAll(part: string): Promise<void>;
  /**
   * Takes a rank's seat.
   * @param sign The name of its sign of life.
   * @throws PareError if another process has it.
   */
  take(sign: string, rank: number): Promise<AsyncDisposable>;
}

/** A directory, which must be there. */
export function meetingFolder(directory: string): MeetingPlace {
  const locate = (name: string) => join(directory, name);
  const act = <T>(what: () => T): Promise<T> => new Promise((resolve) => resolve(inWords(directory, what)));
  return {
    path: directory,
    locate,
    read: (name) => act(() => read(locate(name))),
    has: (name) => act(() => statSync(locate(name), { throwIfNoEntry: false }) !== undefined),
    write: (name, bytes, rank) =>
      act(() => {
        const path = locate(name), passing = `${path}.rank-${rank}`;
        if (name.includes("/")) mkdirSync(dirname(path), { recursive: true });
        writeFileSync(passing, bytes);
        renameSync(passing, path);
      }),
    remove: (name) => act(() => rmSync(locate(name), { force: true })),
    removeAll: (part) => act(() => rmSync(locate(part), { force: true, recursive: true })),
    take: (_sign, rank) =>
      act(() => {
        const lock = Deno.openSync(locate(`rank-${rank}.lock`), { write: true, create: true });
        if (!lock.tryLockSync(true)) {
          lock.close();
          throw new PareError(`rank ${rank} is at work in ${directory} already`);
        }
        return { [Symbol.asyncDispose]: () => Promise.resolve(lock.close()) };
      }),
  };
}

/** Bytes of an item at most: more than any sum over inputs has. */
const LARGEST_ITEM = 2 ** 40;

/** A prefix of a bucket. */
export function meetingBucket(path: string, bucket: Bucket, options: RangeOptions = {}): MeetingPlace {
  const client = new RangeClient(bucket.credentials, options);
  const locate = (name: string) => objectUrl(bucket, bucket.prefix + name);
  const read = async (name: string) => (await client.read(locate(name), 0, LARGEST_ITEM))?.bytes;
  return {
    path,
    locate,
    read,
    has: async (name) => await objectAt(client, locate(name)) !== undefined,
    write: (name, body) =>
      putObject(client, locate(name), {
        bytes: body.length,
        sha256: sha256(body),
        read: (offset, length) => body.subarray(offset, offset + length),
      }),
    remove: (name) => deleteObject(client, locate(name)),
    async removeAll(part) {
      for await (const { key } of listObjects(client, path, bucket, `${bucket.prefix}${part}/`)) {
        await deleteObject(client, objectUrl(bucket, key));
      }
    },
    // Nothing is locked there: a process that lives gives another sign of it soon.
    async take(sign, rank) {
      const before = await read(sign);
      if (before) {
        await (options.wait ?? sleep)(1.5 * BEAT_MS);
        const after = await read(sign);
        if (after && sha256(after) !== sha256(before)) {
          throw new PareError(`rank ${rank} is at work in ${path} already`);
        }
      }
      return { [Symbol.asyncDispose]: () => Promise.resolve() };
    },
  };
}

const sleep = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

/** A file's bytes; undefined if it is not there. */
function read(path: string): Uint8Array | undefined {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (error) {
    return insteadOf<undefined>(ABSENT, undefined)(error);
  }
}

/** What the system says, as a user can mend it. */
function inWords<T>(directory: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof PareError) throw error;
    const { code } = Object(error) as { code?: string };
    if (code === undefined && !isExpected(error, [Deno.errors.PermissionDenied, Deno.errors.NotFound])) throw error;
    throw new PareError(`--exchange ${directory}: ${code ?? (error as Error).message}`, { cause: error });
  }
}
