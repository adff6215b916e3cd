/**
 * The hidden states of all batches between two blocks: on the backend while they fit a limit, else in one temporary
 * file ("spooled") of which a batch at a time is on the backend. The pass above does not see which.
 */
import { dirname } from "node:path";
import type { Backend, Tensor } from "../backend/backend.ts";
import { release } from "../checkpoint/release.ts";
import { ABSENT, insteadOf, PareError, toldElsewhere } from "../errors.ts";

/** A batch's hidden states, leased for one step; disposing gives them back. */
export interface Lease extends Disposable {
  /** tokens x hidden; not to be disposed by the borrower. */
  readonly tensor: Tensor;
}

/** See the file's head. */
export interface HiddenStates extends AsyncDisposable {
  /** Lends the states of a batch. */
  load(batch: number): Promise<Lease>;
  /** Takes new states for a batch, and with them the ownership of the tensor. */
  store(batch: number, tensor: Tensor): Promise<void>;
  /** Lets go of a batch's states; what is queued on them is still done. */
  drop(batch: number): void;
}

class Resident implements HiddenStates {
  readonly #tensors: Tensor[] = [];

  load(batch: number): Promise<Lease> {
    return Promise.resolve({ tensor: this.#tensors[batch], [Symbol.dispose]: () => {} });
  }

  store(batch: number, tensor: Tensor): Promise<void> {
    this.#tensors[batch]?.[Symbol.dispose]();
    this.#tensors[batch] = tensor;
    return Promise.resolve();
  }

  drop(batch: number): void {
    this.#tensors[batch][Symbol.dispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const tensor of this.#tensors) tensor?.[Symbol.dispose]();
    return Promise.resolve();
  }
}

/** Where one batch stands in the spool. */
interface Place {
  readonly offset: number;
  readonly rows: number;
  readonly cols: number;
}

/**
 * See the file's head. Batches come in their order, pass after pass, so the next one is read while this one computes, and the
 * last one written meanwhile; what is done to the file is done in the order in which it was asked for.
 */
class Spooled implements HiddenStates {
  readonly #places: Place[] = [];
  #end = 0;
  /** All that has been asked of the file. */
  #work: Promise<unknown> = Promise.resolve();
  /** The writing of the batch that was stored last. */
  #storing: Promise<void> = Promise.resolve();
  /** The batch that was asked for last. */
  #last = -1;
  /** The batch that is likely to be asked for next. */
  #ahead?: { readonly batch: number; readonly bytes: Promise<Uint8Array<ArrayBuffer>> };

  constructor(readonly backend: Backend, readonly path: string, readonly file: Deno.FsFile) {}

  async load(batch: number): Promise<Lease> {
    const ahead = this.#ahead?.batch === batch ? this.#ahead.bytes : undefined;
    if (ahead) this.#ahead = undefined;
    else this.#forgetAhead();
    const bytes = await (ahead ?? this.#read(batch)), { rows, cols } = this.#places[batch];
    // One follows the other, block after block; the way back asks for what is before, down to the first.
    const follows = batch === this.#last + 1 || batch === 0 && this.#last > 1;
    if (follows && this.#places[batch + 1]) this.#ahead = { batch: batch + 1, bytes: this.#read(batch + 1) };
    this.#last = batch;
    const tensor = this.backend.upload(bytes, rows, cols, "F32");
    release(bytes);
    return { tensor, [Symbol.dispose]: () => tensor[Symbol.dispose]() };
  }

  async store(batch: number, tensor: Tensor): Promise<void> {
    using owned = tensor;
    const reading = this.backend.read(owned), { rows, cols } = owned;
    if (!this.#places[batch]) {
      this.#places[batch] = { offset: this.#end, rows, cols };
      this.#end += rows * cols * Float32Array.BYTES_PER_ELEMENT;
    }
    if (this.#ahead?.batch === batch) this.#forgetAhead();
    const before = this.#storing;
    this.#storing = this.#ask(async () => this.#write((await reading)[0], this.#places[batch].offset));
    await before;
  }

  /** Lets go of what was read ahead and is not asked for. */
  #forgetAhead(): void {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead) void toldElsewhere(ahead.bytes.then((bytes) => release(bytes)));
  }

  /** Does something to the file after all that was asked before; what fails fails all that comes after, too. */
  #ask<T>(work: () => Promise<T>): Promise<T> {
    const done = toldElsewhere(this.#work.then(work)); // whoever asks next is told, too
    this.#work = done;
    return done;
  }

  #read(batch: number): Promise<Uint8Array<ArrayBuffer>> {
    const { offset, rows, cols } = this.#places[batch];
    return this.#ask(async () => {
      const bytes = new Uint8Array(rows * cols * Float32Array.BYTES_PER_ELEMENT);
      await this.file.seek(offset, Deno.SeekMode.Start);
      for (let filled = 0; filled < bytes.length;) {
        const count = await this.file.read(bytes.subarray(filled));
        if (count === null) {
          throw new PareError(`${this.path}: the spooled hidden states were cut short by another program`);
        }
        filled += count;
      }
      return bytes;
    });
  }

  async #write(bytes: Uint8Array<ArrayBuffer>, offset: number): Promise<void> {
    try {
      await this.file.seek(offset, Deno.SeekMode.Start);
      for (let written = 0; written < bytes.length;) written += await this.file.write(bytes.subarray(written));
      release(bytes);
    } catch (error) {
      throw new PareError(`${this.path}: cannot spool the hidden states: ${(error as Error).message}`);
    }
  }

  /** Its place in the file is no loss to anybody. */
  drop(): void {}

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([this.#work]); // who waited for it is told
    this.file.close();
    await Deno.remove(this.path).catch(insteadOf(ABSENT, undefined)); // it has been, but for Windows
  }
}

/** How hidden states are held. */
export interface SpoolOptions {
  /** Spool even what would fit in memory. */
  readonly always?: boolean;
  /** The folder of the temporary file; the system's own by default. */
  readonly directory?: string;
  /** The temporary file itself, which must not exist. */
  readonly file?: string;
}

/** Whether hidden states of `bytes` bytes in all are kept in a file. */
export function goesToFile(
  { limits }: Pick<Backend, "limits">,
  bytes: number,
  { always = false }: SpoolOptions = {},
): boolean {
  return bytes > 0 && (bytes > limits.spoolAbove || always);
}

/**
 * Opens room for hidden states of `bytes` bytes in all.
 * @throws PareError if the spool file cannot be made.
 */
export async function openHiddenStates(
  backend: Backend,
  bytes: number,
  spool: SpoolOptions = {},
): Promise<HiddenStates> {
  if (!goesToFile(backend, bytes, spool)) return new Resident();
  try {
    const path = spool.file ?? await Deno.makeTempFile({ dir: spool.directory, prefix: ".pare-hidden-" });
    const opening = Deno.open(path, { read: true, write: true, createNew: spool.file !== undefined });
    const file = await opening.catch(async (error) => {
      // One that was made and cannot be opened (too many files are open) stays on no disk; what is wrong is said below.
      if (!spool.file) await Deno.remove(path).catch(insteadOf(["EBUSY", "EACCES", "EPERM"], undefined));
      throw error;
    });
    // The open file outlives its name, and no end of the process can leave it behind. Windows keeps it until it is closed.
    await Deno.remove(path).catch(insteadOf(["EBUSY", "EACCES", "EPERM"], undefined));
    return new Spooled(backend, path, file);
  } catch (error) {
    throw new PareError(
      `cannot make a spool file in ${spool.file ? dirname(spool.file) : spool.directory ?? "the temporary folder"}: ${
        (error as Error).message
      }`,
    );
  }
}
