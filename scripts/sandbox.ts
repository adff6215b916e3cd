/**
 * What the work of a command may touch: computed from its flags before it begins, by the process that still may look
 * everywhere and fetch. Paths are given as they are named and as they are without links.
 */
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { defaultRegistry } from "../src/run/place.ts";
import type { Permissions } from "../src/cli/sandbox.ts";
import {
  fetchCorpus,
  type FetchOptions,
  firstMissing,
  type LocalCorpus,
  locateCheckpoint,
  PareError,
  tryPlace,
  workshopOf,
} from "../src/mod.ts";
import { NO_RUNS } from "./record.ts";

/** Pare's own files: the modules, the kernels, the shaders, the sample. */
const PARE = fileURLToPath(new URL("..", import.meta.url));

/** Collects what a run may touch. */
export class Reach {
  readonly #read = new Set([PARE]);
  readonly #write = new Set<string>();

  /** The model as a path that needs no network. What its directory links to may be read as well (the Hub's cache). */
  async model(reference: string, options: FetchOptions): Promise<string> {
    const path = await locateCheckpoint(reference, options);
    this.read(path);
    if ((await Deno.stat(path)).isDirectory) {
      for await (const { name, isSymlink } of Deno.readDir(path)) if (isSymlink) this.read(join(path, name));
    }
    return path;
  }

  /** A corpus under a name that needs no network. */
  async corpus(name: string, split: "test" | "train", options: FetchOptions): Promise<LocalCorpus> {
    const local = await fetchCorpus(name, split, options);
    this.read(local.path);
    return local;
  }

  /** A file or directory to read. */
  read(path: string): void {
    for (const each of names(path)) this.#read.add(each);
  }

  /** A file or directory to read and write. */
  write(path: string): void {
    this.read(path);
    for (const each of names(path)) this.#write.add(each);
  }

  /**
   * The output: its directory, and the workshop beside it where it is made.
   * @throws PareError if the output cannot be there.
   */
  output(out: string, model: string, force: boolean): void {
    tryPlace(out, [model], force);
    for (const path of names(out)) {
      this.write(path);
      this.write(workshopOf(path));
      const missing = firstMissing(dirname(path));
      if (missing) this.write(missing);
    }
  }

  /** A directory beside the output where a model may stand while it is needed. */
  passing(out: string): string {
    const path = join(dirname(resolve(out)), `.${basename(resolve(out))}.passing`);
    this.write(path);
    this.write(workshopOf(path));
    return path;
  }

  /** The file that hidden states would be spooled to, in this directory or the system's own. */
  spool(directory = ""): string {
    const file = join(resolve(directory || systemTemporary()), `.pare-hidden-${crypto.randomUUID()}`);
    this.write(file);
    return file;
  }

  /**
   * The registry of runs, whose folder is made if it is missing; undefined for none.
   * @throws PareError if the folder cannot be made.
   */
  registry(runs: string | undefined): string | undefined {
    if (runs === NO_RUNS) return undefined;
    const path = resolve(runs ?? defaultRegistry());
    try {
      Deno.mkdirSync(dirname(path), { recursive: true });
    } catch (error) {
      throw new PareError(`--runs ${path}: its folder cannot be made: ${(error as Error).message}`);
    }
    for (const file of registryFiles(path)) this.write(file);
    return path;
  }

  /** The same, to look at. */
  readRegistry(runs: string): void {
    for (const file of registryFiles(resolve(runs))) this.read(file);
  }

  /** All of it. */
  get permissions(): Permissions {
    return { read: [...this.#read], write: [...this.#write] };
  }
}

/** A registry's file and those that SQLite keeps beside it. */
const registryFiles = (path: string): string[] => ["", "-wal", "-shm"].map((end) => path + end);

/** A path, absolute, as it is named and as it is without links; the end of it need not be there. */
function names(path: string): string[] {
  const absolute = resolve(path);
  let there = absolute, rest = "";
  while (true) {
    try {
      return [...new Set([absolute, join(Deno.realPathSync(there), rest)])];
    } catch {
      if (dirname(there) === there) return [absolute];
      rest = join(basename(there), rest);
      there = dirname(there);
    }
  }
}

/** The system's directory for temporary files. */
function systemTemporary(): string {
  return Deno.env.get("TMPDIR") ?? Deno.env.get("TEMP") ?? "/tmp";
}
