/**
 * Where a new model directory is made, and how it comes to its name. It is written in a workshop beside the wanted place
 * and moved at the end, so that the output is absent or complete, never half. Whatever can be refused is refused before
 * the first byte is written: a pruning run takes minutes to hours.
 *
 * ```text
 *   .<name>.partial/model/     what will be the output
 *                  /journal    what of it is finished (journal.ts)
 *                  /lock       held by the process that writes; the system lets go of it when a process dies
 *                  /passing/   a model that stands there for a while (compare)
 *                  /replaced/  the old output, while the new one comes to its name
 * ```
 *
 * Nothing else is ever written there, so anything else that is found there (a link above all, which would be written
 * through) is somebody's, and is refused. The order in which all of it is forced to the disk is in `disk.ts`.
 */
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmdirSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import process from "node:process";
import { isExpected, PareError, UNSEEN } from "../errors.ts";
import { disk } from "./disk.ts";
import { foreignTo, owned } from "./owned.ts";
import { quote } from "./quote.ts";
import { systemCode, systemError } from "./system_error.ts";

/** A reserved place for a directory. Exactly one of `commit` and `abort` ends it. */
export interface Place {
  /** The directory to write into. */
  readonly partial: string;
  /** The file of what is finished. */
  readonly journal: string;
  /** Where a model may stand while the output is made; removed with the rest. */
  readonly passing: string;
  /** Whether both are an earlier process's, to go on with; all in them are plain files. */
  readonly resumed: boolean;
  /** Whether an earlier process had left something to go on with, and it was removed. */
  readonly dropped: boolean;
  /**
   * Forces all to the disk and gives the directory its name, in place of an old one if that was allowed.
   * @throws PareError if the system refuses; everything is then as it was before, and `abort` still to be called.
   */
  commit(): Promise<void>;
  /** Removes all that was made, and the parents that were made for it. Twice does no harm. */
  abort(): void;
  /** Lets go of the place and leaves what was made for a later process to go on with. */
  keep(): void;
}

/** What an output directory may hold: nothing, what Pare wrote and nothing else, or whatever it may be. */
export type Room = "empty" | "owned" | "any";

/**
 * Whether the directory `out` can be written. Nothing is made.
 * @returns Its path without links.
 * @throws PareError if it is an input, lies in one or holds one, is occupied, or is where this process stands, or if
 * something else than an unfinished run stands where it would be made.
 */
export function checkPlace(out: string, inputs: readonly string[], room: Room): string {
  const target = realPath(resolve(out));
  for (const input of inputs) refuseOverlap(out, target, realPath(resolve(input)), input);
  refuseOccupied(out, target, room);
  refuseOddWorkshop(workshopOf(target));
  if (within(realPath(process.cwd()), target)) {
    // Whoever stands in a directory that is replaced goes on standing in the old one, and sees nothing.
    throw new PareError(`the output ${out} is or holds the current directory; name another directory`);
  }
  return target;
}

/**
 * Whether the directory `out` can be made there: tried, and undone. Parents that are missing are tried under another name,
 * since several runs may begin in one folder at once, and none is to take what another undoes for what is there.
 * @throws PareError as {@linkcode checkPlace}, or if the system refuses.
 */
export function tryPlace(out: string, inputs: readonly string[], room: Room): void {
  const target = checkPlace(out, inputs, room),
    workshop = workshopOf(target),
    missing = firstMissing(dirname(workshop));
  try {
    if (missing !== undefined) {
      const there = dirname(missing), trial = mkdtempSync(join(there, ".pare-"));
      try {
        mkdirSync(join(trial, relative(there, workshop)), { recursive: true });
      } finally {
        disk.remove(trial);
      }
      return;
    }
    makeDirectory(workshop);
    rmdirSync(workshop);
  } catch (error) {
    if (systemCode(error) === "ENOTEMPTY") return; // another run's workshop, or one to go on with
    throw systemError("write", out, error);
  }
}

/** What is lost if `out` is replaced; undefined if there is nothing, or nothing that may be. */
export function replacedBy(out: string): { readonly files: number; readonly bytes: number } | undefined {
  const target = realPath(resolve(out));
  if (!statSync(target, { throwIfNoEntry: false })?.isDirectory() || foreignTo(target)) return undefined;
  return owned(target);
}

/** Where an output is made. */
export function workshopOf(target: string): string {
  return join(dirname(target), `.${basename(target)}.partial`);
}

/** Where a model may stand while the output in this workshop is made. */
function passingIn(workshop: string): string {
  return join(workshop, "passing");
}

/**
 * Reserves a place for the directory `out`.
 * @param inputs what is read meanwhile, directories and files: `out` must not be one, lie in one or hold one.
 * @param force whether a directory that holds what Pare wrote and nothing else is replaced (at `commit`, not before).
 * @param resume whether what a process that ended early has left is gone on with; else it is removed.
 * @param syncParent forces the directory that `out` stands in to the disk; in a sandbox only its launcher can open it.
 * @throws PareError if the place cannot be had, or another process writes there.
 */
export function reserve(
  out: string,
  inputs: readonly string[],
  force: boolean,
  resume: boolean,
  syncParent: (directory: string) => Promise<void> = disk.sync,
): Place {
  const room = force ? "owned" : "empty", target = checkPlace(out, inputs, room), workshop = workshopOf(target);
  const [partial, journal, old] = ["model", "journal", "replaced"].map((name) => join(workshop, name));
  let firstMade: string | undefined, lock: Deno.FsFile | undefined, resumed: boolean, left: boolean, committed = false;
  try {
    firstMade = makeWorkshop(workshop);
    lock = lockWorkshop(workshop, out);
    // The power went between the two renames of a commit: the old output is the output still.
    if (existsSync(old) && (!existsSync(target) || readdirSync(target).length === 0)) {
      disk.rename(old, target);
      refuseOccupied(out, target, room);
    }
    disk.remove(old);
    left = existsSync(journal) && existsSync(partial);
    resumed = resume && left;
    if (!resumed) {
      for (const path of [partial, journal]) disk.remove(path);
      mkdirSync(partial);
    }
  } catch (error) {
    lock?.close();
    removeMade(firstMade, dirname(target));
    if (error instanceof Deno.errors.NotCapable) {
      throw new PareError(`the folder of ${out} was there when the run began, and is gone; begin again`, {
        cause: error,
      });
    }
    throw systemError("write", out, error);
  }
  /** Ends the workshop; whoever comes next finds none, or waits at the door of one that is gone (`lockWorkshop`). */
  const leave = (): void => {
    for (const name of MADE) {
      // The old output, should neither it nor the new one have come to the name.
      if (name !== "replaced" || existsSync(target)) disk.remove(join(workshop, name));
    }
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
    passing: passingIn(workshop),
    resumed,
    dropped: left && !resumed,
    async commit() {
      try {
        for (const name of readdirSync(partial)) await disk.sync(join(partial, name));
        await disk.sync(partial);
        if (!lock) throw new DOMException(`the place of ${out} was given up`, "AbortError");
        const replaces = existsSync(target);
        if (replaces) {
          refuseOccupied(out, target, room); // it may have been filled since
          disk.rename(target, old);
        }
        try {
          disk.rename(partial, target);
        } catch (error) {
          if (replaces) disk.rename(old, target);
          throw error;
        }
        committed = true;
        await disk.sync(workshop);
        for (const directory of parents(target, firstMade)) await syncParent(directory);
        leave();
      } catch (error) {
        throw systemError("write", out, error);
      }
    },
    abort() {
      if (!lock || committed) return;
      leave();
      removeMade(firstMade, dirname(target));
    },
    keep() {
      if (committed) return;
      lock?.close();
      lock = undefined;
    },
  };
}

/**
 * Removes what is left beside an output by a process that ended between giving it its name and clearing up. What another
 * process holds, or what could be gone on with, stays.
 * @throws PareError if the system refuses, or something else stands there.
 */
export function sweep(out: string): void {
  const workshop = workshopOf(realPath(resolve(out)));
  refuseOddWorkshop(workshop);
  if (!existsSync(workshop) || existsSync(join(workshop, "model"))) return;
  try {
    using _lock = lockWorkshop(workshop, out);
    for (const name of MADE) disk.remove(join(workshop, name));
    rmdirSync(workshop);
  } catch (error) {
    if (error instanceof PareError) return; // another process is at work there
    throw systemError("write", out, error);
  }
}

/** All that is ever made in a workshop, in the order in which it is removed: the lock last. */
const MADE = ["model", "passing", ".passing.partial", "replaced", "journal", "lock"];

/** Those of them that are files. */
const FILES = ["journal", "lock"];

/**
 * Refuses a workshop that is none: a link, or a directory with something in it that no run makes there. What is written to a
 * link goes where it leads, and what is removed may be somebody's.
 */
function refuseOddWorkshop(workshop: string): void {
  const refuse = (path: string, what: string) => {
    throw new PareError(`${path} is ${what}: expected what an unfinished run has left there, or nothing; move it away`);
  };
  const look = (path: string, file: boolean) => {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (!found) return false;
    if (found.isSymbolicLink()) refuse(path, "a link");
    if (file ? !found.isFile() : !found.isDirectory()) refuse(path, file ? "not a file" : "not a directory");
    // A second name would be written through as a link is.
    if (file && found.nlink > 1) refuse(path, "a file of several names (hard links)");
    return true;
  };
  try {
    if (!look(workshop, false)) return;
    for (const name of readdirSync(workshop)) {
      const path = join(workshop, name);
      if (!MADE.includes(name)) refuse(path, "not Pare's");
      if (!look(path, FILES.includes(name))) continue;
      if (path === workshopOf(passingIn(workshop))) refuseOddWorkshop(path);
      else if (name === "model" || name === "passing") {
        for (const inner of readdirSync(path)) look(join(path, inner), true);
      }
    }
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw systemError("read", workshop, error); // else another run has just ended
  }
}

/** The directory that an output stands in, and those above it that were made for it and the one that these stand in. */
function parents(target: string, firstMade: string | undefined): string[] {
  const found = [dirname(target)];
  while (firstMade !== undefined && within(found.at(-1)!, firstMade)) found.push(dirname(found.at(-1)!));
  return found;
}

/** Makes a directory, unless it is there. */
function makeDirectory(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
  }
}

/** How often parents are made that another run removes. */
const TRIES = 5;

/** Makes a workshop and the parents that are missing, which another run may remove again; gives the first of these. */
function makeWorkshop(workshop: string): string | undefined {
  let firstMade: string | undefined;
  for (let tries = 1;; tries++) {
    try {
      makeDirectory(workshop);
      return firstMade;
    } catch (error) {
      // Below a link that leads nowhere nothing can be made, however often.
      if (systemCode(error) !== "ENOENT" || tries > TRIES) throw error;
      firstMade = firstMissing(dirname(workshop));
      mkdirSync(dirname(workshop), { recursive: true });
    }
  }
}

/** The uppermost directory of a path that is not there; what this process may not look at is. */
export function firstMissing(directory: string): string | undefined {
  let missing: string | undefined;
  for (let path = directory; dirname(path) !== path; path = dirname(path)) {
    try {
      if (lstatSync(path, { throwIfNoEntry: false })) break;
    } catch (error) {
      if (!isExpected(error, UNSEEN)) throw error;
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
    const { ino, dev } = file.statSync(), there = lstatSync(path, { throwIfNoEntry: false });
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

function refuseOccupied(out: string, target: string, room: Room): void {
  const found = statSync(target, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isDirectory()) throw new PareError(`the output ${out} exists and is not a directory`);
  if (found.dev !== deviceOf(dirname(target), found.dev)) {
    throw new PareError(`the output ${out} is a mount point and cannot be renamed; name a directory inside it`);
  }
  const names = readdirSync(target), link = names.find((name) => isLink(join(target, name)));
  if (link !== undefined) throw new PareError(`the output ${out} holds ${quote(link)}, a link, which is not Pare's`);
  if (room === "any" || names.length === 0) return;
  const foreign = foreignTo(target);
  if (room === "empty") {
    const cure = foreign ? "name another directory" : "--force replaces it";
    throw new PareError(`the output ${out} exists and is not empty; ${cure}`);
  }
  if (foreign) {
    throw new PareError(
      `the output ${out} ${foreign}; --force replaces only what Pare wrote and nothing beside it: name another directory`,
    );
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
    try {
      rmdirSync(path);
    } catch (error) {
      if (["ENOTEMPTY", "ENOENT"].includes(systemCode(error) ?? "")) return; // someone else's by now
      throw error;
    }
  }
}
