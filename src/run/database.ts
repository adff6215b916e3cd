/**
 * The registry's file: opened, recognised, brought up to date, and SQLite's errors in the user's words. What stands in it is
 * for `registry.ts`.
 *
 * Write-ahead logging lets any number of processes read while one writes, and writers wait for each other. With it,
 * `synchronous = NORMAL` loses at most the last moments before a power cut and never a part of a transaction.
 */
import { DatabaseSync } from "node:sqlite";
import { dirname } from "node:path";
import { lstatSync, mkdirSync, realpathSync, statSync } from "node:fs";
import { isExpected, PareError, UNSEEN } from "../errors.ts";
import { APPLICATION_ID, MIGRATIONS } from "./schema.ts";

/**
 * Milliseconds that a writer waits for another one, as long as none comes to an end. A transaction takes well under a
 * millisecond; a stalled disk may take seconds.
 */
const PATIENCE_MS = 15_000;

/** Milliseconds between two tries where SQLite does not wait by itself: about as long as making the tables takes. */
const RETRY_INTERVAL_MS = 5;

/** What SQLite says when another process is at the file. */
const LOCKED = "database is locked";

/** That a registry is not there yet, or is only just being made: who reads it may wait for it. */
export class NoRegistry extends PareError {}

/** Whether a registry is only looked at. */
export type Mode = "read" | "write";

/** A registry holds results alone: nothing that it lost keeps Pare from work. */
const DAMAGED = "it is damaged; move it away, and a new one is begun";

/** What SQLite says (its `sqlite3_errstr` texts) about things that a user can mend. */
const MEANING: readonly (readonly [says: string, meaning: string])[] = [
  ["file is not a database", "it is not a registry of Pare (not a SQLite file)"],
  ["database disk image is malformed", DAMAGED],
  ["malformed database schema", DAMAGED],
  ["unsupported file format", DAMAGED],
  ["malformed JSON", DAMAGED],
  ["no such table", DAMAGED],
  ["no such column", DAMAGED],
  ["table runs already exists", DAMAGED],
  ["unable to open database file", "it cannot be opened: no such directory, not a file, or no permission"],
  ["attempt to write a readonly database", "it, or its directory, is read-only"],
  [LOCKED, `another process has been writing for more than ${PATIENCE_MS / 1000} s`],
  ["database or disk is full", "the disk is full"],
  ["disk I/O error", "it is a directory, or the disk reports an input/output error"],
];

/**
 * What `act` gives; an error that a user can mend becomes a PareError naming the registry: SQLite's own, and that of a row
 * which SQLite took for whole but which is no JSON or has no date.
 */
export function inWords<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const { message, code } = Object(error) as Partial<Error & { code: string }>;
    const meaning = error instanceof SyntaxError || error instanceof RangeError
      ? DAMAGED
      : code === "ERR_SQLITE_ERROR" && MEANING.find(([says]) => message?.startsWith(says))?.[1];
    throw meaning ? new PareError(`the registry of runs ${path}: ${meaning}`, { cause: error }) : error;
  }
}

/** What SQLite keeps beside a file, by the ends of their names. */
const BESIDE = ["-journal", "-wal", "-shm"];

/**
 * Refuses a registry with a link beside it: SQLite would write through it. The registry itself is where a person says, a link
 * too; those are beside what it leads to.
 * @throws PareError naming the link.
 */
export function refuseLinksBeside(path: string): void {
  const real = unlessRefused(() => realpathSync(path)) ?? path;
  for (const end of BESIDE) {
    if (unlessRefused(() => lstatSync(real + end))?.isSymbolicLink()) {
      throw new PareError(`the registry of runs ${path}: ${real + end} is a link: expected a file of SQLite's or none`);
    }
  }
}

/** What a look at the disk gives; nothing where it refuses (SQLite then says why), or where who made the sandbox has looked. */
function unlessRefused<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    const { code } = Object(error) as { code?: unknown };
    if (typeof code === "string" || error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

/**
 * Opens a registry. For writing, it is created if it does not exist, and brought up to date.
 * @throws NoRegistry if it does not exist or is empty (to read).
 * @throws PareError if it is none, is damaged, comes from a newer Pare, or cannot be written.
 */
export function openDatabase(path: string, mode: Mode): DatabaseSync {
  refuseLinksBeside(path);
  if (mode === "write") {
    try {
      mkdirSync(dirname(path), { recursive: true });
    } catch (error) {
      if (Object(error).code === undefined && !isExpected(error, UNSEEN)) throw error;
      // Then the file cannot be opened either, unless the directory is there and only may not be looked at.
    }
  }
  return inWords(path, () => {
    if (mode === "read") expectThere(path);
    const database = new DatabaseSync(path, { readOnly: mode === "read", timeout: PATIENCE_MS });
    try {
      // In one transaction: another process may be making the tables right now.
      const steps = transact(database, () => countSteps(database, path), "DEFERRED");
      if (mode === "read" && !steps) throw new NoRegistry(`the registry of runs ${path} is empty`);
      if (mode === "read" && steps < MIGRATIONS.length) {
        database.close();
        bringUpToDate(path);
        return openDatabase(path, mode);
      }
      if (steps < MIGRATIONS.length) migrate(database, path);
      if (mode === "write") {
        database.exec("PRAGMA synchronous = NORMAL");
        // SQLite opens a read-only file all the same, and would refuse only the first result.
        database.exec(`BEGIN IMMEDIATE; PRAGMA application_id = ${APPLICATION_ID}; ROLLBACK`);
      }
      return database;
    } catch (error) {
      if (database.isOpen) database.close();
      throw error;
    }
  });
}

/** A registry of an older Pare, for somebody who only reads. @throws PareError if they may not write. */
function bringUpToDate(path: string): void {
  try {
    openDatabase(path, "write").close();
  } catch (error) {
    // A sandbox, a read-only disk, another user's file: whatever keeps it from being written, this is how it is mended.
    throw new PareError(
      `the registry of runs ${path} comes from an older Pare, and may not be written here; pare runs list brings it up to date`,
      { cause: error },
    );
  }
}

/** @throws PareError if there is nothing at a path where something could be. */
function expectThere(path: string): void {
  try {
    statSync(path);
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOENT") return; // SQLite says what is wrong
    throw new NoRegistry(`the registry of runs ${path} does not exist; the first run that is recorded there makes it`);
  }
}

/**
 * How many of the migrations the file has.
 * @throws PareError if it belongs to another program, or has some that this Pare does not know.
 */
function countSteps(database: DatabaseSync, path: string): number {
  const { owner } = database.prepare("SELECT application_id AS owner FROM pragma_application_id").get() as Row;
  const { steps } = database.prepare("SELECT user_version AS steps FROM pragma_user_version").get() as Row;
  const { tables } = database.prepare("SELECT count(*) AS tables FROM sqlite_schema").get() as Row;
  if (owner !== APPLICATION_ID && (owner !== 0 || tables !== 0)) {
    throw new PareError(`the registry of runs ${path}: it is another program's SQLite file`);
  }
  if (steps > MIGRATIONS.length) {
    throw new PareError(
      `the registry of runs ${path} comes from a newer Pare: its version is ${steps}, expected ${MIGRATIONS.length} or less`,
    );
  }
  return steps;
}

type Row = Record<string, number>;

/** Takes the missing steps, unless another process is faster. */
function migrate(database: DatabaseSync, path: string): void {
  keepLog(database);
  transact(database, () => {
    for (const step of MIGRATIONS.slice(countSteps(database, path))) database.exec(step);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${MIGRATIONS.length}`);
  });
}

/** Sets write-ahead logging, for good. SQLite waits for nobody here, so this does: several processes may begin one file. */
function keepLog(database: DatabaseSync): void {
  const deadline = Date.now() + PATIENCE_MS;
  while (true) {
    try {
      return database.exec("PRAGMA journal_mode = WAL");
    } catch (error) {
      if (!(error as Error).message.startsWith(LOCKED) || Date.now() > deadline) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_INTERVAL_MS);
    }
  }
}

/**
 * Does what may find the file locked. Many writers on a busy machine may keep one out for longer than it waits; as long as
 * they come to ends it waits on, and gives up on one that hangs.
 */
export function patiently<T>(database: DatabaseSync, act: () => T): T {
  if (database.isTransaction) return act(); // the file is this one's already
  while (true) {
    const before = countOthers(database);
    try {
      return act();
    } catch (error) {
      if (!(error as Error).message?.startsWith(LOCKED) || countOthers(database) === before) throw error;
    }
  }
}

/** A number that changes with every transaction that another connection has committed. */
function countOthers(database: DatabaseSync): number {
  return (database.prepare("PRAGMA data_version").get() as Row).data_version;
}

/**
 * Does everything or nothing, and sees one state of the file; within another transaction, as a part of that.
 * @param kind Begun as a writer (immediate), no other one comes between what is read and what is written.
 */
export function transact<T>(database: DatabaseSync, act: () => T, kind: "IMMEDIATE" | "DEFERRED" = "IMMEDIATE"): T {
  if (database.isTransaction) return act();
  patiently(database, () => database.exec(`BEGIN ${kind}`));
  try {
    const result = act();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}
