/**
 * Writes a checkpoint that differs from another in some tensors: the same files, shards, names, dtypes and headers, and
 * every tensor that is not given stays as it is, byte for byte. Tensors are written where they belong as they come, in
 * any order; `finish` copies the rest in bounded pieces, forces all to the disk and gives the directory its name.
 */
import { readdirSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { PareError, toldElsewhere } from "../errors.ts";
import { isDtype } from "./assemble.ts";
import type { Checkpoint, StoredTensor } from "./checkpoint.ts";
import { disk, NEW_FILE, OWN_FILE } from "./disk.ts";
import { allFinite } from "./finite.ts";
import { digestAll, readAll, writeAll } from "./handle.ts";
import { Journal, type Step } from "./journal.ts";
import { quote } from "./quote.ts";
import { release } from "./release.ts";
import { reserve } from "./place.ts";
import type { Sink } from "./remote/sink.ts";
import { sha256 } from "./sha256.ts";
import { systemCode, systemError } from "./system_error.ts";

/** Writes one checkpoint. Disposed of unfinished, it leaves nothing behind, unless it may be resumed. */
export interface CheckpointWriter extends AsyncDisposable {
  /** The steps that a killed run of the same plan has finished, in their order. */
  readonly steps: readonly Step[];
  /** A folder beside the output for files that a run keeps until its end, which may be missing; it goes with all the rest. */
  readonly passing: string;
  /** Whether a run that ended early had left finished steps, and they were removed. */
  readonly dropped: boolean;
  /**
   * Writes a tensor's new bytes, in the dtype that it had. They may be reused when the promise settles; several may be
   * under way at once, and all must have settled before `finish`.
   * @returns SHA-256 of the bytes, 64 hexadecimal digits.
   * @throws PareError if the disk is full or fails.
   * @throws RangeError if there is no such tensor, or it has another number of bytes.
   */
  write(name: string, bytes: Uint8Array): Promise<string>;
  /** Notes that all tensors written since the last step are final, with what is to be known of them when it is resumed. */
  step(entry: unknown): void;
  /** The bytes of a tensor of a finished step. */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Writes all that is still missing and makes the directory appear under its name.
   * @param texts Files of the directory by their names, in place of the input's or beside them; made of all that was written
   * before if need be.
   * @throws PareError if a tensor of the model that is copied holds NaN or Inf, if the disk is full or fails, or if the name was taken
   * meanwhile; nothing is left behind.
   */
  finish(texts?: Texts | ((written: readonly WrittenFile[]) => Texts)): Promise<void>;
  /**
   * Gives up, at once (it waits for nothing: an interrupt handler may call it and exit), and leaves nothing behind but what
   * may be resumed.
   */
  abort(): void;
}

/** Files by their names. */
export type Texts = Readonly<Record<string, string>>;

/** A file of the new directory, read back. */
export interface WrittenFile {
  /** Its name. */
  readonly path: string;
  /** Its size. */
  readonly bytes: number;
  /** Of its content, 64 hexadecimal digits. */
  readonly sha256: string;
}

/** How to write. */
export interface WriterOptions {
  /** Whether an output directory is replaced that holds what Pare wrote and nothing else, at the very end. */
  readonly force?: boolean;
  /** What is being done, in a word that tells plans apart: a run goes on only with what a run of the same plan has left. */
  readonly plan?: string;
  /** Whether to go on with what a killed run has left, and to leave what is done when this one gives up. */
  readonly resume?: boolean;
  /**
   * The names of the tensors that the model is made of: others are copied whatever they hold (buffers that old files carry
   * have infinities). All that hold floats, if it is left out.
   */
  readonly model?: ReadonlySet<string>;
  /** Where the checkpoint goes instead: it is made beside `outDir`, which never appears, and gone once it is there. */
  readonly sink?: Sink;
  /** The tensors that will be given: a shard that waits for none of them any more is sent while others are computed. */
  readonly coming?: ReadonlySet<string>;
  /** Forces the directory that the output stands in to the disk: in a sandbox only its launcher can. */
  readonly syncParent?: (directory: string) => Promise<void>;
}

/**
 * Begins a copy of `checkpoint` in the directory `outDir`; parents are made if they are missing.
 * @throws PareError if `outDir` is taken, overlaps the input, or cannot be written.
 */
export async function createWriter(
  checkpoint: Checkpoint,
  outDir: string,
  { force = false, plan = "", resume = false, model, sink, coming, syncParent }: WriterOptions = {},
): Promise<CheckpointWriter> {
  const inputs = checkpoint.fingerprints ? [] : [checkpoint.path, ...checkpoint.sources];
  const place = reserve(outDir, inputs, force, resume, syncParent);
  const stored: readonly StoredTensor[] = [...checkpoint.tensors.values(), ...checkpoint.others.values()];
  const handles = new Map<string, FileHandle>();
  const written = new Set<string>();
  /** The tensors since the last step. */
  let fresh: Record<string, string> = {};
  let journal: Journal | undefined;
  let state: "open" | "finished" | "aborted" = "open";

  const refuseUnlessOpen = (): void => {
    if (state !== "open") throw new DOMException(`the writer of ${outDir} is ${state}`, "AbortError");
  };
  /** @returns Whether finished steps stay, to be gone on with: if that was asked for, or if the disk took no more. */
  const abort = (fault?: unknown): boolean => {
    if (state !== "open") return false;
    state = "aborted";
    // What a disk or a server did not take is not what is wrong with the work.
    const outside = systemCode(fault) !== undefined || sink !== undefined && fault instanceof PareError;
    const kept = plan !== "" && outside && journal !== undefined && journal.length > 0;
    if (resume || kept) place.keep();
    else place.abort();
    return kept;
  };
  /** Ends all for an error; it in the user's words. */
  const giveUp = (error: unknown): unknown => {
    const kept = abort(error), told = systemError("write", outDir, error);
    if (!kept) return told;
    const { message } = told as PareError,
      finished = `${journal!.length} finished step${journal!.length > 1 ? "s" : ""}`;
    return new PareError(`${message}; --resume goes on with ${finished}`, { cause: error });
  };
  const close = async (): Promise<void> => {
    const opened = [...handles.values()];
    handles.clear();
    for (const handle of opened) await handle.close();
  };
  /** Takes one step; the first that fails takes everything with it. */
  const attempt = async (step: () => Promise<void>): Promise<void> => {
    refuseUnlessOpen();
    try {
      await step();
    } catch (error) {
      refuseUnlessOpen(); // aborted meanwhile: that its files are gone is no error of the disk
      const told = giveUp(error);
      await close();
      throw told;
    }
  };

  const find = (name: string): StoredTensor => {
    const info = checkpoint.tensors.get(name) ?? checkpoint.others.get(name);
    if (!info) throw new RangeError(`${checkpoint.path} has no tensor ${name}`);
    return info;
  };
  const read = async (name: string): Promise<Uint8Array<ArrayBuffer>> => {
    const { shard, offset, bytes } = find(name);
    return await readAll(handles.get(shard)!, offset, bytes);
  };

  /** Copies what of a shard was not given. */
  const copyRest = async (shard: string): Promise<void> => {
    for (const info of stored) {
      if (info.shard !== shard || written.has(info.name)) continue;
      let offset = info.offset;
      for await (const piece of checkpoint.stream(info.name)) {
        // Not only what was pruned must be a model: a NaN in its head is one that nobody has met yet.
        const checked = isDtype(info.dtype) && (!model || model.has(info.name));
        if (checked && !allFinite(piece, info.dtype)) {
          throw new PareError(`${checkpoint.path}: tensor ${quote(info.name)} holds NaN or Inf`);
        }
        await writeAll(handles.get(shard)!, piece, offset);
        offset += piece.length;
        release(piece);
        refuseUnlessOpen();
      }
    }
  };

  const sealed = new Set<string>();
  /** What was sealed is on its way, one after the other; that it failed is told by `finish`. */
  let sending: Promise<void> = Promise.resolve();
  /** Nothing more comes to a shard. */
  const seal = (shard: string): Promise<void> => {
    sealed.add(shard);
    return sending = toldElsewhere(sending.then(async () => {
      refuseUnlessOpen();
      await copyRest(shard);
      await sink!.send(shard);
    }));
  };
  /** Seals the shards that wait for nothing any more. */
  const sealWhole = (): void => {
    if (!sink || !coming) return;
    const waited = new Set(stored.flatMap(({ name, shard }) => coming.has(name) && !written.has(name) ? [shard] : []));
    for (const shard of handles.keys()) if (!sealed.has(shard) && !waited.has(shard)) void seal(shard);
  };

  await attempt(async () => {
    for (const shard of checkpoint.headers.keys()) {
      handles.set(shard, await open(join(place.partial, shard), place.resumed ? OWN_FILE : NEW_FILE));
    }
    journal = place.resumed ? await Journal.resume(place.journal, plan, read) : Journal.begin(place.journal, plan);
    for (const { tensors } of journal.steps) for (const name of Object.keys(tensors)) written.add(name);
    // All but the shards is written at the end, anew: what else stands there would become a part of the model.
    for (const name of readdirSync(place.partial)) if (!handles.has(name)) disk.remove(join(place.partial, name));
    for (const [shard, header] of checkpoint.headers) {
      const ends = stored.filter((info) => info.shard === shard).map(endOf);
      const handle = handles.get(shard)!, end = ends.reduce((a, b) => Math.max(a, b), header.length);
      if ((await handle.stat()).size > end) await handle.truncate(end);
      await writeAll(handle, header, 0);
    }
    sealWhole();
  });

  return {
    steps: journal!.steps,
    passing: place.passing,
    dropped: place.dropped,
    read,
    async write(name, bytes) {
      const info = find(name);
      if (bytes.length !== info.bytes) throw new RangeError(`${name} has ${info.bytes} bytes, not ${bytes.length}`);
      if (sealed.has(info.shard)) throw new RangeError(`${info.shard} was sent already: ${name} was not to come`);
      const hash = fresh[name] = sha256(bytes);
      await attempt(() => writeAll(handles.get(info.shard)!, bytes, info.offset));
      written.add(name);
      return hash;
    },
    step(entry) {
      refuseUnlessOpen();
      try {
        journal!.append({ entry, tensors: fresh });
      } catch (error) {
        throw giveUp(error);
      }
      fresh = {};
      sealWhole();
    },
    async finish(texts = {}) {
      await attempt(async () => {
        for (const shard of handles.keys()) if (!sealed.has(shard)) await (sink ? seal(shard) : copyRest(shard));
        await sending;
        const writeFile = async (file: string, bytes: Uint8Array): Promise<void> => {
          await using handle = await open(join(place.partial, file), OWN_FILE);
          await handle.truncate(0);
          await writeAll(handle, bytes, 0);
        };
        const files: WrittenFile[] = [];
        for (const file of checkpoint.files) {
          const bytes = await checkpoint.readFile(file);
          if (!bytes) continue;
          await writeFile(file, bytes);
          files.push({ path: file, bytes: bytes.length, sha256: sha256(bytes) });
        }
        if (typeof texts === "function") {
          for (const [path, handle] of handles) files.push({ path, ...await digestAll(handle, refuseUnlessOpen) });
          texts = texts(files);
        }
        for (const [file, text] of Object.entries(texts)) await writeFile(file, new TextEncoder().encode(text));
        await close();
        refuseUnlessOpen();
        if (sink) {
          await sink.commit(readdirSync(place.partial));
          state = "finished";
          place.abort();
        } else {
          await place.commit();
          state = "finished";
        }
      });
    },
    abort: () => void abort(),
    async [Symbol.asyncDispose]() {
      abort();
      await close();
    },
  };
}

/** Where a tensor ends in its shard. */
const endOf = ({ offset, bytes }: StoredTensor): number => offset + bytes;
