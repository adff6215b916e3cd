/**
 * The Hub's cache on this disk, in the layout that every Hugging Face tool shares, so that what one has fetched the
 * others find:
 * ```
 * models--owner--name/blobs/<digest>              the bytes, once
 *                     snapshots/<commit>/<path>   links to blobs
 *                     refs/<branch>               the commit that a branch was at
 *                     .no_exist/<commit>/<path>   files that are known not to be there
 * .locks/models--owner--name/<digest>.lock        held while a blob is written
 * ```
 * What is in a snapshot was verified when it came; it is not read again.
 */
import { copyFile, mkdir, readFile, realpath, rm, stat, statfs, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { insteadOf, PareError, UNSEEN } from "../../errors.ts";
import { removeLink } from "../disk.ts";
import { systemCode, systemError } from "../system_error.ts";
import { api } from "./api.ts";
import { incompleteOf } from "./download.ts";
import { COMMIT, type RemoteFile, type Repository } from "./repository.ts";

/** One repository's part of the cache. */
export class RepositoryCache {
  readonly #root: string;
  readonly #folder: string;
  readonly #locks: string;

  private constructor(root: string, name: string) {
    this.#root = root;
    this.#folder = join(root, name);
    this.#locks = join(root, ".locks", name);
  }

  /** Makes nothing yet. `HF_HUB_CACHE` and `HF_HOME` are read now. */
  static async open({ type, id }: Repository): Promise<RepositoryCache> {
    const { getHFHubCachePath, getRepoFolderName } = await api();
    return new RepositoryCache(getHFHubCachePath(), getRepoFolderName({ type, name: id }));
  }

  /** The directory of a commit's files. */
  snapshot(commit: string): string {
    return join(this.#folder, "snapshots", commit);
  }

  /** Where a blob lies, or will. */
  blob(digest: string): string {
    return join(this.#folder, "blobs", digest);
  }

  /**
   * Makes sure, before the first byte is written, that the disk can take what is missing of files.
   * @throws PareError if it cannot.
   */
  async expectRoom(files: readonly RemoteFile[]): Promise<void> {
    let missing = 0;
    for (const { digest, size } of new Map(files.map((file) => [file.digest, file])).values()) {
      if (await exists(this.blob(digest))) continue;
      missing += size -
        await stat(incompleteOf(this.blob(digest))).then((found) => Math.min(found.size, size), insteadOf(UNSEEN, 0));
    }
    const room = await freeBytes(this.#root);
    if (missing <= room) return;
    const [wanted, free] = [missing, room].map((bytes) => `${Math.ceil(bytes / 2 ** 20)} MiB`);
    throw new PareError(`${wanted} are to be fetched into ${this.#root}: the disk has ${free} free`);
  }

  /** The commit that a revision was at when it was last fetched whole; undefined if it never was. */
  async commit(revision: string): Promise<string | undefined> {
    if (COMMIT.test(revision)) return revision;
    const commit = (await readFile(join(this.#folder, "refs", revision), "utf8").catch(insteadOf(UNSEEN, ""))).trim();
    return COMMIT.test(commit) ? commit : undefined;
  }

  /** Whether a file of a commit is here. */
  has(commit: string, path: string): Promise<boolean> {
    return this.#holds(join(this.snapshot(commit), path));
  }

  /** Whether a blob is here. */
  hasBlob(digest: string): Promise<boolean> {
    return this.#holds(this.blob(digest));
  }

  /** Whether there is such a file, and in the repository's own folder: a link that leads out of it is no file of the Hub's. */
  async #holds(path: string): Promise<boolean> {
    try {
      return (await realpath(path)).startsWith(await realpath(this.#folder) + sep);
    } catch (error) {
      if (systemCode(error) !== undefined) return false; // not there, or not to be reached
      throw error;
    }
  }

  /** Whether a file is known not to belong to a commit. */
  lacks(commit: string, path: string): Promise<boolean> {
    return exists(join(this.#folder, ".no_exist", commit, path));
  }

  /** Notes that a file does not belong to a commit. */
  async noteAbsent(commit: string, path: string): Promise<void> {
    await this.#write(join(this.#folder, ".no_exist", commit, path), "");
  }

  /** Notes which commit a revision is at. Done last: until then the one before counts. */
  async noteCommit(revision: string, commit: string): Promise<void> {
    if (revision !== commit) await this.#write(join(this.#folder, "refs", revision), commit);
  }

  /** Puts a blob into a snapshot that lacks it: as a link, or as a copy where the file system has none. */
  async link(commit: string, path: string, digest: string): Promise<void> {
    const [blob, target] = [this.blob(digest), join(this.snapshot(commit), path)];
    await writing(target, async () => {
      await rm(target, { force: true }); // a link to nothing
      await symlink(relative(dirname(target), blob), target).catch(async (error) => {
        if (systemCode(error) !== "EEXIST") await copyFile(blob, target); // else another process was faster
      });
    });
  }

  /**
   * Runs `work` while no other process (nor another Hugging Face tool) writes the same blob.
   * @throws PareError if the cache cannot be written.
   */
  async locked<T>(digest: string, work: () => Promise<T>): Promise<T> {
    const path = join(this.#locks, `${digest}.lock`);
    await this.#write(path, "");
    using file = await Deno.open(path, { write: true });
    await file.lock(true);
    return await writing(this.blob(digest), work); // closing the file unlocks it
  }

  async #write(path: string, text: string): Promise<void> {
    await writing(path, async () => {
      await removeLink(path); // whose file it leads to, nobody knows
      await writeFile(path, text);
    });
  }
}

/** Runs what writes `path`, its folder made. */
async function writing<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    await mkdir(dirname(path), { recursive: true });
    return await work();
  } catch (error) {
    throw systemError("write", path, error);
  }
}

/** Whether a file is there; a link to nothing is not. */
export function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, insteadOf(UNSEEN, false));
}

/** Bytes that are free where a path is, or will be; infinitely many if the file system does not tell. */
async function freeBytes(path: string): Promise<number> {
  if (!await exists(path) && dirname(path) !== path) return await freeBytes(dirname(path));
  // A library's host may not have allowed to ask; what does not fit is then found while it is written.
  const { bavail, bsize, blocks } = await statfs(path).catch(
    insteadOf([...UNSEEN, "ENOSYS"], { bavail: 0, bsize: 0, blocks: 0 }),
  );
  return blocks > 0 ? bavail * bsize : Infinity;
}
