/**
 * What is done to a disk where more than the bytes counts: the order in which things are forced to it, and that nothing is
 * written through a link that somebody has put where a file was to be.
 *
 * A power loss keeps what was forced and any part of the rest. The order in which an output comes to its name is therefore
 * (`Place.commit`):
 *
 * 1. every file's data, so that no name ever leads to a file that is not whole;
 * 2. the directory's own entries, so that it is not half empty under its new name;
 * 3. the renames, the old output's out of the way and the new one's to its place;
 * 4. the directories that the names stand in: only now is the new output there for good;
 * 5. and only then the old one is removed.
 */
import { closeSync, constants, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { lstat, open, rm } from "node:fs/promises";
import { systemCode } from "./system_error.ts";

/** On a system that knows no such flag, links need a privilege to be made. */
const NO_LINK = constants.O_NOFOLLOW ?? 0;

/** Opens a file that is not there yet: neither an old one nor a link is taken for it. */
export const NEW_FILE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | NO_LINK;

/** Opens a file to read and write that may be there, but is no link. */
export const OWN_FILE = constants.O_RDWR | constants.O_CREAT | NO_LINK;

/** Opens a file to add to, there or not, but no link. */
export const GROWING_FILE = OWN_FILE | constants.O_APPEND;

/** How often a directory is removed that is no more empty when it should go: more than a process has threads. */
const REMOVALS = 1000;

/** The calls whose order counts. They are an object's so that a test can write them down. */
export const disk = {
  /** Forces a file's data, or a directory's entries, to the disk. */
  async sync(path: string): Promise<void> {
    // Windows opens no directory; its file systems keep their entries by a journal of their own.
    if (Deno.build.os === "windows" && (await Deno.lstat(path)).isDirectory) return;
    await using handle = await open(path, Deno.build.os === "windows" ? "r+" : "r");
    await handle.sync();
  },
  /** Gives a file or directory another name. */
  rename(from: string, to: string): void {
    renameSync(from, to);
  },
  /**
   * Removes a file or a directory with all that is in it; links are removed, not followed. A file that another thread of
   * this process was about to make there (an interrupt waits for none of them) comes between the last look and the
   * removal of the directory: it is looked at again.
   */
  remove(path: string): void {
    for (let left = REMOVALS;; left--) {
      try {
        return rmSync(path, { recursive: true, force: true });
      } catch (error) {
        if (systemCode(error) !== "ENOTEMPTY" || left === 0) throw error;
      }
    }
  },
};

/** Removes what stands there if it is a link, and not where it leads. */
export async function removeLink(path: string): Promise<void> {
  try {
    if ((await lstat(path)).isSymbolicLink()) await rm(path);
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
  }
}

/** Writes a new file, in place of an old one or of a link. */
export function replaceFile(path: string, text: string): void {
  rmSync(path, { force: true });
  write(path, NEW_FILE, text);
}

/** Adds to a file that is no link. (`appendFileSync` makes one that everybody may write to.) */
export function appendToFile(path: string, text: string): void {
  write(path, constants.O_WRONLY | constants.O_APPEND | NO_LINK, text);
}

function write(path: string, flags: number, text: string): void {
  const file = openSync(path, flags);
  try {
    writeFileSync(file, text);
  } finally {
    closeSync(file);
  }
}
