/**
 * Where a new model directory is made, and how it comes to its name. It is written in a workshop beside the wanted place
 * and moved at the end, so that the output is absent or complete, never half. Whatever can be refused is refused before
 * the first byte is written: a pruning run takes minutes to hours.
 *
 * ```text
 *   .<name>.partial/model/     what will be the output
 *                  /journal    what of it is finished (journal.ts)
 *                  /lock       held by the process that writes; the system lets go of it when a process dies
 * ```
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import process from "node:process";
import { PareError } from "../errors.ts";
import { systemCode, systemError } from "./system_error.ts";

/** A reserved place for a directory. Exactly one of `commit` and `abort` ends it. */
export interface Place {
  /** The directory to write into. */
  readonly partial: string;
  /** The file of what is finished. */
  readonly journal: string;
  /** Whether both are an earlier process's, to go on with. */
  readonly resumed: boolean;
  /** Whether an earlier process had left something to go on with, and it was removed. */
  readonly dropped: boolean;
  /**
   * Gives the directory its name, in place of an old one if that was allowed.
   * @throws PareError if the system refuses; everything is then as it was before, and `abort` still to be called.
   */
  commit(): void;
  /** Removes all that was made, and the parents that were made for it. Twice does no harm. */
  abort(): void;
  /** Lets go of the place and leaves what was made for a later process to go on with. */
  keep(): void;
}

/**
 * Whether the directory `out` can be written.
 * @returns Its path without links.
 * @throws PareError if it is an input, lies in one or holds one, is occupied, or is where this process stands.
 */
function checkPlace(out: string, inputs: readonly string[], force: boolean): string {
  const target = realPath(resolve(out));
  for (const input of inputs) refuseOverlap(out, target, realPath(resolve(input)), input);
  refuseOccupied(out, target, force);
  if (within(realPath(process.cwd()), target)) {
    // Whoever stands in a directory that is replaced goes on standing in the old one, and sees nothing.
    throw new PareError(`the output ${out} is or holds the current directory; name another directory`);
  }
  return target;
}

/**
 * Whether the directory `out` can be made there: tried, and undone.
 * @throws PareError as {@linkcode checkPlace}, or if the system refuses.
 */
export function tryPlace(out: string, inputs: readonly string[], force: boolean): void {
  const target = checkPlace(out, inputs, force), workshop = workshopOf(target);
  try {
    const firstMade = makeWorkshop(workshop);
    try {
      rmdirSync(workshop);
    } catch (error) {
      if (systemCode(error) !== "ENOTEMPTY") throw error; // another run's, or one to go on with
    }
    removeMade(firstMade, dirname(target));
  } catch (error) {
    throw systemError("write", out, error);
  }
}

/** Where an output is made. */
export function workshopOf(target: string): string {
  return join(dirname(target), `.${basename(target)}.partial`);
}

/**
 * Reserves a place for the directory `out`.
 * @param inputs what is read meanwhile, directories and files: `out` must not be one, lie in one or hold one.
 * @param force whether a directory that is not empty may be replaced (at `commit`, not before).
 * @param resume whether what a process that ended early has left is gone on with; else it is removed.
 * @throws PareError if the place cannot be had, or another process writes there.
 */
export function reserve(out: string, inputs: readonly string[], force: boolean, resume: boolean): Place {
  const target = checkPlace(out, inputs, force), workshop = workshopOf(target);
  const partial = join(workshop, "model"), journal = join(workshop, "journal");
  let firstMade: string | undefined, lock: Deno.FsFile | undefined, resumed: boolean, left: boolean;
  try {
    firstMade = makeWorkshop(workshop);
    lock = lockWorkshop(workshop, out);
    left = existsSync(journal) && existsSync(partial);
    resumed = resume && left;
    if (!resumed) {
      for (const path of [partial, journal]) rmSync(path, { recursive: true, force: true });
      mkdirSync(partial);
    }
  } catch (error) {
    lock?.close();
    removeMade(firstMade, dirname(target));
    throw systemError("write", out, error);
  }
  /** Ends the workshop; whoever comes next finds none, or waits at the door of one that is gone (`lockWorkshop`). */
  const leave = (): void => {
    rmSync(partial, { recursive: true, force: true });
    rmSync(journal, { force: true });
    rmSync(join(workshop, "lock"), { force: true });
    lock!.close();
    lock = undefined;
    try {
      rmdirSync(workshop);
    } catch (error) {
      if (systemCode(error) !== "ENOTEMPTY" && systemCode(error) !== "ENOENT") throw error; // another's by now
    }
  };

  return {
    partial,
    journal,
    resumed,
    dropped: left && !resumed,
    commit() {
      const old = join(workshop, "replaced");
      try {
        const replaces = existsSync(target);
        if (replaces) {
          refuseOccupied(out, target, force); // it may have been filled since
          rmSync(old, { recursive: true, force: true });
          renameSync(target, old);
        }
        try {
          renameSync(partial, target);
        } catch (error) {
          if (replaces) renameSync(old, target);
          throw error;
        }
        if (replaces) rmSync(old, { recursive: true, force: true });
        leave();
      } catch (error) {
        throw systemError("write", out, error);
      }
    },
    abort() {
      if (!lock) return;
      leave();
      removeMade(firstMade, dirname(target));
    },
    keep() {
      lock?.close();
      lock = undefined;
    },
  };
}

/** Makes a directory, unless it is there. */
function makeDirectory(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
  }
}

/** Makes a workshop and the parents that are missing; gives the first of these. */
function makeWorkshop(workshop: string): string | undefined {
  try {
    makeDirectory(workshop);
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    const firstMade = firstMissing(dirname(workshop));
    mkdirSync(dirname(workshop), { recursive: true });
    makeDirectory(workshop);
    return firstMade;
  }
}

/** The uppermost directory of a path that is not there; what this process may not look at is. */
export function firstMissing(directory: string): string | undefined {
  let missing: string | undefined;
  for (let path = directory; dirname(path) !== path; path = dirname(path)) {
    try {
      if (lstatSync(path, { throwIfNoEntry: false })) break;
    } catch {
      break;
    }
    missing = path;
  }
  return missing;
}

/**
 * Makes the workshop if there is none, and locks it.
 * @throws PareError if another process has it.
 */
function lockWorkshop(workshop: string, out: string): Deno.FsFile {
  const path = join(workshop, "lock");
  while (true) {
    makeDirectory(workshop);
    let file: Deno.FsFile;
    try {
      file = Deno.openSync(path, { write: true, create: true });
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) continue; // removed between the two lines
      throw error;
    }
    if (!file.tryLockSync(true)) {
      file.close();
      throw new PareError(`${out} is being written already, by another run`);
    }
    // Whoever held it may have ended the workshop before we had the lock: then it is the lock of nothing.
    const { ino, dev } = file.statSync(), there = statSync(path, { throwIfNoEntry: false });
    if (there && there.ino === ino && there.dev === dev) return file;
    file.close();
  }
}

/**
 * The path without links and dots; of one that is not there yet, as far as it is. Where this process may not look (in a
 * sandbox) it is what it is called: who made the sandbox has looked.
 */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return path;
    if (systemCode(error) !== "ENOENT" || dirname(path) === path) throw systemError("write", path, error);
    if (isLink(path)) throw new PareError(`cannot write ${path}: it is a link to nothing`);
    return join(realPath(dirname(path)), basename(path));
  }
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

/** Whether `path` is `directory` or lies in it; both without links. */
function within(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith(sep) ? directory : directory + sep);
}

function refuseOverlap(out: string, target: string, source: string, input: string): void {
  if (target === source) throw new PareError(`the output ${out} is the input; name another directory`);
  if (within(target, source)) throw new PareError(`the output ${out} lies inside the input ${input}`);
  if (within(source, target)) throw new PareError(`the output ${out} contains the input ${input}`);
}

function refuseOccupied(out: string, target: string, force: boolean): void {
  const found = statSync(target, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isDirectory()) throw new PareError(`the output ${out} exists and is not a directory`);
  if (found.dev !== deviceOf(dirname(target), found.dev)) {
    throw new PareError(`the output ${out} is a mount point and cannot be renamed; name a directory inside it`);
  }
  if (!force && readdirSync(target).length > 0) {
    throw new PareError(`the output ${out} exists and is not empty; --force replaces it`);
  }
}

/** The device of a directory, or `unknown` where this process may not look. */
function deviceOf(directory: string, unknown: number): number {
  try {
    return statSync(directory).dev;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return unknown;
    throw error;
  }
}

/** Removes the parents that were made, from `parent` up to `firstMade`, as long as they are empty. */
function removeMade(firstMade: string | undefined, parent: string): void {
  if (firstMade === undefined) return;
  for (let path = parent; within(path, firstMade); path = dirname(path)) {
    if (readdirSync(path).length > 0) return; // someone else's by now
    rmdirSync(path);
  }
}
