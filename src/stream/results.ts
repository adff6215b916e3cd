/**
 * What becomes of pruned linears: their bytes are read from the backend and handed on one after the other, in order, while
 * later blocks compute; and each is reported.
 */
import { type Backend, BYTES } from "../backend/backend.ts";
import { maskBits } from "../checkpoint/mask.ts";
import { release } from "../checkpoint/release.ts";
import { transpose } from "../checkpoint/transpose.ts";
import { toldElsewhere } from "../errors.ts";
import { keptBits, type LinearDistribution, type Measured } from "./distribution.ts";
import type { Linear } from "../model/spec.ts";
import { checkStatistic, type Solved } from "./solve.ts";

/** What became of one linear. */
export interface LinearReport {
  /** Its full name. */
  readonly name: string;
  /** Outputs. */
  readonly rows: number;
  /** Inputs. */
  readonly cols: number;
  /** Weights that are zero now, whether the method chose them or they were zero before. */
  readonly zeros: number;
  /** zeros / (rows * cols). */
  readonly sparsity: number;
  /** `‖(W - Ŵ) X‖² / ‖W X‖²` on the calibration data, where there is any. */
  readonly outputError?: number;
  /** How that is known: from the Hessian, or estimated from its diagonal, as if no two inputs were alike. */
  readonly outputErrorFrom?: "hessian" | "diagonal";
  /** Seconds of its pruning; the factor of an input that several linears share counts for the first. */
  readonly seconds: number;
  /** The damping that its Hessian needed: what was asked, or ten, a hundred, a thousand times that. */
  readonly damping?: number;
  /** The same error on the sequences that were held out, where some were. */
  readonly heldOutError?: number;
  /** Whether the update of the weights was not made, since it raised that. */
  readonly updateLeft?: boolean;
  /** Of an expert's linear: the calibration tokens that were routed to it. With none it was pruned by magnitude. */
  readonly tokens?: number;
}

/** What became of a linear, as ranks give it to each other. */
export interface LinearResult {
  readonly report: LinearReport;
  readonly distribution?: LinearDistribution;
  /** The weight, as the checkpoint holds it. */
  readonly stored: Uint8Array<ArrayBuffer>;
  /** Its mask; see `PruneOptions.write`. */
  readonly kept: Uint8Array<ArrayBuffer>;
}

/** What results are for. */
export interface ResultOptions {
  readonly backend: Backend;
  /**
   * Takes each pruned weight: its tensor's full name, bytes in the checkpoint's dtype and layout, and a bit for each of its
   * numbers, 1 = not zero, in bytes from the lowest bit up.
   */
  readonly write: (name: string, bytes: Uint8Array<ArrayBuffer>, kept: Uint8Array<ArrayBuffer>) => Promise<unknown>;
  /** Reads a written weight again. */
  readonly readBack?: (name: string) => Promise<Uint8Array<ArrayBuffer>>;
  /** Told of every statistic: the linear's full name, and F32 of its input width. */
  readonly onStatistic?: (linear: string, statistic: Float32Array) => void;
  /**
   * Told how every pruned linear's weights and scores are distributed, before its weight is written. The arrays are for the
   * time of the call.
   */
  readonly onDistribution?: (linear: string, distribution: LinearDistribution) => void;
  /** Told of every linear that this pass has pruned itself, before its weight is written. */
  readonly onResult?: (result: LinearResult) => Promise<void>;
  /** Told when a result cannot be handed on, and of every one after it. */
  readonly onFailure?: (error: unknown) => void;
  /** Told of every block whose pruned weights have all been written. */
  readonly onBlock?: (block: number, linears: readonly LinearReport[]) => void;
}

/**
 * Bytes of weights that are on their way from the backend to the disk at most (one weight, if it alone is larger), since what
 * is on its way is held twice: two blocks of a small model, which is enough to hide a slow write. On a busy machine all of it
 * is used: with 128 MiB SmolLM2-135M (64 tokens) took 278 MiB, with 16 MiB 181.
 */
export const WRITE_BEHIND_BYTES = 16 << 20;

/** The results of a pass. */
export class Results implements AsyncDisposable {
  readonly reports: LinearReport[] = [];
  #saving: Promise<void> = Promise.resolve();
  /** What has been handed on and may not be written yet, in its order. */
  readonly #behind: { readonly bytes: number; readonly saved: Promise<void> }[] = [];
  /** Weights of the block that the pass itself reads again; their bytes where the caller cannot read them back. */
  readonly #again = new Map<string, Uint8Array<ArrayBuffer> | undefined>();
  /** Whether whoever reads a weight now is to see it pruned. */
  #visible = false;

  constructor(readonly options: ResultOptions) {}

  /** Resolves when so many bytes more may be on their way. */
  async room(bytes: number): Promise<void> {
    const behind = this.#behind;
    while (behind.length && behind.reduce((sum, { bytes }) => sum + bytes, bytes) > WRITE_BEHIND_BYTES) {
      await behind[0].saved;
      behind.shift();
    }
  }

  /** Hands results of so many bytes on once what was before them is written. */
  enqueue(bytes: number, save: () => Promise<void>): void {
    const saved = this.#saving = this.#saving.then(save);
    saved.catch((error) => this.options.onFailure?.(error)); // who waits for room or for all of them is told as well
    this.#behind.push({ bytes, saved });
  }

  /** The pass will read a weight again that is about to be handed on, however long it takes until it is written. */
  expect(name: string): void {
    this.#again.set(name, undefined);
  }

  /** Hands one weight on. */
  async write(name: string, bytes: Uint8Array<ArrayBuffer>, kept: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.#again.has(name) && !this.options.readBack) this.#again.set(name, bytes.slice());
    await this.options.write(name, bytes, kept);
  }

  /** From now on who reads a weight that was expected sees it pruned, until the block is done. */
  show(): void {
    this.#visible = true;
  }

  /** Whether a weight was expected and is to be seen pruned. */
  has(name: string): boolean {
    return this.#visible && this.#again.has(name);
  }

  /** Its bytes, the caller's own. */
  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    await this.#saving;
    return this.#again.get(name)?.slice() ?? await this.options.readBack!(name);
  }

  /** No weight of before will be read again. */
  forget(): void {
    this.#again.clear();
    this.#visible = false;
  }

  /** All reports, when everything is written. */
  async all(): Promise<LinearReport[]> {
    await this.#saving;
    return this.reports;
  }

  /** However the pass is left, nothing is written after it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#saving.catch((_error) => {}); // who waits for the results is told
  }
}

/** The results of one block. */
export class BlockResults {
  readonly #reports: LinearReport[] = [];
  readonly #held: { readonly solved: Solved; readonly measured: Promise<Uint8Array<ArrayBuffer>[]> }[] = [];

  constructor(readonly results: Results, readonly block: number) {}

  /**
   * Hands on a linear that has been pruned, as far as the backend has come, once there is room for it: then the reading of it
   * is queued, and its tensors may go.
   */
  async take(solved: Solved): Promise<void> {
    const { results } = this, { weight } = solved, size = bytesOf(weight);
    await results.room(size);
    this.#enqueue(solved, results.options.backend.read(weight, ...measuredOf(solved)), size);
  }

  /** Keeps what is known of a linear whose weight will change before it is handed on: {@linkcode BlockResults.takeHeld}. */
  hold(solved: Solved): void {
    const measured = toldElsewhere(this.results.options.backend.read(...measuredOf(solved)));
    this.#held.push({ solved, measured });
  }

  /** Hands on what is held, its weights as they are now. */
  async takeHeld(): Promise<void> {
    const { results } = this;
    for (const { solved, measured } of this.#held.splice(0)) {
      const { weight } = solved, size = bytesOf(weight);
      await results.room(size);
      const reading = results.options.backend.read(weight);
      this.#enqueue(solved, Promise.all([reading, measured]).then(([own, rest]) => [...own, ...rest]), size, true);
    }
  }

  /** @param changed Whether the weight has changed since it was measured: its zeros are counted again. */
  #enqueue(solved: Solved, reading: Promise<Uint8Array<ArrayBuffer>[]>, size: number, changed = false): void {
    const { squares, measuring, linear } = solved;
    toldElsewhere(reading);
    this.#expect(linear);
    this.results.enqueue(size, async () => {
      const [bytes, ...rest] = await reading;
      const known = squares && rest.splice(0, 2).map(({ buffer }) => new Float32Array(buffer));
      const measured = measuring.finish(rest);
      await this.#saveLinear(solved, bytes, known, measured, changed);
      release(...rest);
    });
  }

  /** The block's experts are loaded again to be run. */
  #expect({ name, role }: Linear): void {
    if (role.includes("*")) this.results.expect(`${name}.weight`);
  }

  /** Hands on what another rank has made of a linear. */
  async adopt(linear: Linear, { report, distribution, stored, kept }: LinearResult): Promise<void> {
    const { results } = this;
    await results.room(stored.length);
    this.#expect(linear);
    results.enqueue(stored.length, async () => {
      if (distribution) results.options.onDistribution?.(report.name, distribution);
      this.#reports.push(report);
      await results.write(`${report.name}.weight`, stored, kept);
    });
  }

  /**
   * The block is done.
   * @param order Of its linears, where they did not come in it.
   */
  async save(order?: readonly Linear[]): Promise<void> {
    const { results } = this;
    await results.room(0);
    results.forget();
    results.enqueue(0, () => {
      const place = new Map(order?.map(({ name }, at) => [name, at]));
      if (order) this.#reports.sort((a, b) => place.get(a.name)! - place.get(b.name)!);
      results.reports.push(...this.#reports);
      results.options.onBlock?.(this.block, this.#reports);
      return Promise.resolve();
    });
  }

  async #saveLinear(
    solved: Solved,
    bytes: Uint8Array<ArrayBuffer>,
    known: readonly Float32Array[] | undefined,
    { zeros: counted, mask, distribution }: Measured,
    changed: boolean,
  ): Promise<void> {
    const { linear: { name, rows, cols, transposed }, weight: { dtype }, tokens, heldOut } = solved;
    const stored = transposed ? transpose(bytes, rows, cols, dtype) : bytes;
    const kept = transposed || changed ? maskBits(stored, dtype) : keptBits(mask, rows, cols);
    // What is kept may have been rounded to zero since.
    const zeros = changed ? rows * cols - countBits(kept) : counted;
    if (known) {
      checkStatistic(name, known[0]);
      this.results.options.onStatistic?.(name, known[0]);
    }
    if (distribution) this.results.options.onDistribution?.(name, distribution);
    const report: LinearReport = {
      name,
      rows,
      cols,
      zeros,
      sparsity: zeros / (rows * cols),
      ...cost(solved, known?.[1]),
      ...heldOut && { heldOutError: heldOut.error, ...heldOut.left && { updateLeft: true } },
      seconds: await solved.seconds,
      ...tokens !== undefined && { tokens },
    };
    this.#reports.push(report);
    await this.results.options.onResult?.({ report, distribution, stored, kept });
    await this.results.write(`${name}.weight`, stored, kept);
  }
}

const bytesOf = ({ rows, cols, dtype }: Solved["weight"]): number => rows * cols * BYTES[dtype];

/** What is read of a linear besides its weight. */
const measuredOf = ({ squares, error, measuring }: Solved) => [...squares ? [squares, error!] : [], ...measuring.held];

/** Bits that are 1. */
function countBits(bytes: Uint8Array): number {
  let count = 0;
  for (let byte of bytes) for (; byte; byte &= byte - 1) count++;
  return count;
}

/** What the pruning of a linear did to its output. */
function cost(
  { exact, damping }: Solved,
  error?: Float32Array,
): Pick<LinearReport, "outputError" | "outputErrorFrom" | "damping"> {
  if (!error) return {};
  // Where nothing comes in nothing is lost.
  const outputError = error[1] === 0 ? 0 : error[0] / error[1];
  return { outputError, outputErrorFrom: exact ? "hessian" : "diagonal", ...damping !== undefined && { damping } };
}
