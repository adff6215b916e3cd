/**
 * What the work of a command may touch: computed from its flags before it begins, by the process that still may look
 * everywhere and fetch. Paths are given as they are named and as they are without links.
 */
import { statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { refuseLinksBeside } from "../../src/run/database.ts";
import { isRecordBucket, sendRecords, tryRecords } from "../../src/run/record_bucket.ts";
import { isRecordFolder } from "../../src/run/record_file.ts";
import { defaultRegistry } from "../../src/run/place.ts";
import type { Context } from "../../src/cli/run.ts";
import type { Permissions } from "../../src/cli/sandbox.ts";
import type { Sink } from "../../src/checkpoint/remote/sink.ts";
import { showBytes } from "../../src/cli/units.ts";
import { listDirectory, refuseForeign } from "../../src/checkpoint/listing.ts";
import { isReadOrCopied } from "../../src/checkpoint/side_files.ts";
import { findBucket, listBucket } from "../../src/checkpoint/remote/s3.ts";
import {
  type Bucket,
  checkPlace,
  fetchCorpus,
  type FetchOptions,
  firstMissing,
  isRemote,
  type LocalCorpus,
  locateCheckpoint,
  locateRemote,
  type OpenOptions,
  openTarget,
  PareError,
  replacedBy,
  type Room,
  type Split,
  stagingOf,
  type Target,
  tryPlace,
  workshopOf,
} from "../../src/mod.ts";
import { NO_RUNS } from "../../src/run/recorder.ts";
import { isExpected, UNSEEN } from "../../src/errors.ts";

/** Pare's own files: the modules, the kernels, the shaders, the sample. */
const PARE = fileURLToPath(new URL("../..", import.meta.url));

/** A model that is read where it lies, and the file for what is read again and again. */
interface Remote {
  readonly model: NonNullable<OpenOptions["remote"]>;
  readonly keepFile: string;
}

/** An output that goes elsewhere, as the work knows it: the directory that it is made in, and what lies at its place. */
export type Staged = { readonly staging: string } & Pick<Target, "files" | "manifest">;

/** Where an output goes. */
interface Destination {
  /** What is lost by it, for a person. */
  readonly replaces?: string;
  /** Of one that goes elsewhere, with what takes it there. */
  readonly staged?: Staged;
  readonly sink?: Sink;
}

/** Collects what a run may touch. */
export class PermissionSet {
  readonly #read = new Set([PARE]);
  readonly #write = new Set<string>();
  readonly #deny = new Set<string>();
  readonly #net = new Set<string>();
  #leave?: () => Promise<void>;
  /** The model, if it is read where it lies. */
  #remote?: Remote;

  /**
   * The model as a path that needs no network. Its directory may be read, and the files that links in it are followed to (the
   * Hub's cache), but neither where other links lead nor what lies in directories within it. One that is read where it lies
   * opens the servers that it lies on, and no others.
   * @param stream Whether one on the Hub is read there; undefined: the command reads none but on this machine.
   * @throws PareError if it is no model, or a file of it leads elsewhere.
   */
  async model(reference: string, options: FetchOptions, stream?: boolean): Promise<string> {
    if (isRemote(reference) || stream) {
      if (stream === undefined) {
        throw new PareError(`${reference}: prune and eval read a model where it lies; fetch it for this command`);
      }
      const model = await locateRemote(reference, options);
      this.#remote = { model, keepFile: this.spool() };
      for (const host of model.hosts) this.#net.add(host);
      return model.path;
    }
    const path = await locateCheckpoint(reference, options);
    this.read(path);
    if ((await Deno.stat(path)).isDirectory) {
      const listing = await listDirectory(path), { files, foreign, others } = listing;
      refuseForeign(listing, isReadOrCopied);
      for (const { target } of files.values()) if (target !== undefined) this.#read.add(target);
      for (const name of [...foreign.keys(), ...others]) this.#denyIn(path, name);
    }
    return path;
  }

  /** What {@linkcode openCheckpoint} is told of a model that is read where it lies; nothing of another. It may hold secrets. */
  get remote(): OpenOptions {
    return this.#remote ? { remote: this.#remote.model, keepFile: this.#remote.keepFile } : {};
  }

  /** An entry of a directory that may be read otherwise; where the entry is a link, what it leads to is not meant. */
  #denyIn(directory: string, name: string): void {
    for (const each of names(directory)) this.#deny.add(join(each, name));
  }

  /** A corpus under a name that needs no network. @param split The part of a data set, where the name says none. */
  async corpus(name: string, split: Split, options: FetchOptions): Promise<LocalCorpus> {
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

  /** A file of a directory, to be written anew: nothing that stands there under its name is followed. */
  replace(path: string): void {
    for (const directory of names(dirname(path))) {
      for (const set of [this.#read, this.#write]) set.add(join(directory, basename(path)));
    }
  }

  /**
   * The output: its directory, and the workshop beside it where it is made.
   * @param force Whether what Pare wrote there is replaced.
   * @param there Whether what is there may be what the run would write: that is seen once it is known what it would be.
   * @param made Whether the output is made; of one that is only thought of nothing may be touched.
   * @returns What is lost by it, for a person; undefined for nothing.
   * @throws PareError if the output cannot be there.
   */
  output(out: string, model: string, force: boolean, there = false, made = true): string | undefined {
    if (isRemote(out)) {
      throw new PareError(`--out ${out}: this command writes to a directory of this machine alone`);
    }
    const room = force ? "owned" : there ? "any" : "empty";
    const inputs = this.#remote ? [] : [model];
    if (made) this.#make(out, inputs, room);
    else checkPlace(out, inputs, room);
    const lost = force ? replacedBy(out) : undefined;
    return lost && `replaces: ${out}, which Pare wrote: ${lost.files} files, ${showBytes(lost.bytes)}`;
  }

  /**
   * The output: a directory as {@linkcode output}, or elsewhere, with the directory that it is made in meanwhile.
   * @throws PareError if it cannot go there.
   */
  async outputAnywhere(
    { out, model, force, there, made, spool }: {
      readonly out: string;
      readonly model: string;
      readonly force: boolean;
      readonly there?: boolean;
      readonly made: boolean;
      /** Where the directory stands that it is made in, if not in the user's cache. */
      readonly spool?: string;
    },
    options: FetchOptions,
    { terminal, signal }: Pick<Context, "terminal" | "signal">,
  ): Promise<Destination> {
    if (!isRemote(out)) return { replaces: this.output(out, model, force, there, made) };
    const staging = stagingOf(out, spool), directory = join(workshopOf(staging), "model");
    const onSent = (name: string, was: "sent" | "there") =>
      terminal.note(was === "sent" ? `sent: ${name}` : `there already: ${name}`);
    const { sink, files, manifest } = await openTarget(out, { ...options, directory, force, signal, onSent });
    if (made) {
      makeFolder(dirname(staging), "--out");
      this.#make(staging, [], "empty");
    }
    return { staged: { staging, files, manifest }, sink };
  }

  #make(out: string, inputs: readonly string[], room: Room): void {
    tryPlace(out, inputs, room);
    for (const path of names(out)) {
      this.write(path);
      // A link has its workshop beside what it leads to.
      if (!isLink(path)) this.replace(workshopOf(path));
      const missing = firstMissing(dirname(path));
      if (missing) this.write(missing);
    }
  }

  /** The file that hidden states would be spooled to, in this directory or the system's own. */
  spool(directory = ""): string {
    const file = join(resolve(directory || systemTemporary()), `.pare-hidden-${crypto.randomUUID()}`);
    this.write(file);
    return file;
  }

  /**
   * The registry of runs, whose folder is made if it is missing, or the folder for records of runs; undefined for none.
   * @throws PareError if the folder cannot be made.
   */
  registry(runs: string | undefined): string | undefined {
    if (runs === NO_RUNS) return undefined;
    if (runs !== undefined && isRecordBucket(runs)) {
      throw new PareError(`--runs ${runs}: prune, eval and bench alone record there; expected a file or folder`);
    }
    const path = resolve(runs ?? defaultRegistry());
    const records = runs !== undefined && (isRecordFolder(runs) || isDirectory(path));
    if (records) return `${this.folder(path, "--runs")}/`;
    makeFolder(dirname(path), "--runs");
    for (const file of registryFiles(path)) this.write(file);
    return path;
  }

  /**
   * The same, or the folder for records that go to a bucket when all is done: `leave` sees to that.
   * @throws PareError also if the bucket does not take them.
   */
  async registryAnywhere(runs: string | undefined, options: FetchOptions): Promise<string | undefined> {
    if (runs === undefined || !isRecordBucket(runs)) return this.registry(runs);
    await tryRecords(runs, options);
    const folder = this.folder(stagingOf(runs, undefined), "--runs");
    this.#leave = async () => {
      try {
        await sendRecords(folder, runs, options);
      } catch (error) {
        if (!(error instanceof PareError)) throw error;
        throw new PareError(`${error.message}; the record stays in ${folder} until the next run that records there`);
      }
    };
    return `${folder}/`;
  }

  /** What is to be done when the work has ended. */
  get leave(): (() => Promise<void>) | undefined {
    return this.#leave;
  }

  /**
   * Where the ranks of a run meet: a folder, made if it is missing, or a place in a bucket, whose server is opened.
   * @throws PareError if it cannot be made, or not be looked at.
   */
  async exchange(reference: string | undefined): Promise<{ readonly exchange?: string; readonly bucket?: Bucket }> {
    if (reference === undefined) return {};
    if (!isRemote(reference)) return { exchange: this.folder(reference, "--exchange") };
    if (!/^s3:/i.test(reference)) {
      throw new PareError(`--exchange ${reference}: expected a directory or s3://bucket/prefix`);
    }
    const path = reference.replace(/\/+$/, ""), bucket = await findBucket(path);
    for (const host of (await listBucket(path, bucket)).hosts) this.#net.add(host);
    return { exchange: path, bucket };
  }

  /** A folder to read and write, made if it is missing. @throws PareError if it cannot be. */
  folder(path: string, flag: string): string {
    makeFolder(path, flag);
    this.write(path);
    return resolve(path);
  }

  /** The same, to look at. */
  readRegistry(runs: string): void {
    for (const file of registryFiles(resolve(runs))) this.read(file);
  }

  /** All of it. */
  get permissions(): Permissions {
    // What is in the way of something that may be touched stays open: who named that has named the way.
    const open = [...this.#read, ...this.#write];
    const deny = [...this.#deny].filter((path) => !open.some((each) => each === path || each.startsWith(`${path}/`)));
    return {
      read: [...this.#read],
      write: [...this.#write],
      ...this.#net.size && { net: [...this.#net] },
      ...deny.length && { deny },
    };
  }
}

/**
 * A registry's file and those that SQLite keeps beside it while it is open.
 * @throws PareError if one of these is a link.
 */
function registryFiles(path: string): string[] {
  refuseLinksBeside(path);
  return names(path).flatMap((each) => ["", "-wal", "-shm"].map((end) => each + end));
}

function makeFolder(path: string, flag: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new PareError(`${flag} ${path}: its folder cannot be made: ${(error as Error).message}`);
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function isLink(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSymlink;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A path, absolute, as it is named and as it is without links; the end of it need not be there. */
function names(path: string): string[] {
  const absolute = resolve(path);
  let there = absolute, rest = "";
  while (true) {
    try {
      return [...new Set([absolute, join(Deno.realPathSync(there), rest)])];
    } catch (error) {
      if (!isExpected(error, UNSEEN)) throw error;
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
