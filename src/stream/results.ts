/**
 * What becomes of pruned linears: their bytes are read from the backend and handed on one after the other, in order, while
 * later blocks compute; and each is reported.
 */
import type { Backend } from "../backend/backend.ts";
import { maskBits } from "../checkpoint/mask.ts";
import { release } from "../checkpoint/release.ts";
import { transpose } from "../checkpoint/transpose.ts";
import { toldElsewhere } from "../errors.ts";
import { keptBits, type LinearDistribution, type Measured } from "./distribution.ts";
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
  /** Of an expert's linear: the calibration tokens that were routed to it. With none it was pruned by magnitude. */
  readonly tokens?: number;
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
  /** Told of every block whose pruned weights have all been written. */
  readonly onBlock?: (block: number, linears: readonly LinearReport[]) => void;
}

/** The results of a pass. */
export class Results implements AsyncDisposable {
  readonly reports: LinearReport[] = [];
  #saving: Promise<void> = Promise.resolve();
  /** Weights that the pass itself reads again; their bytes where the caller cannot read them back. */
  readonly #again = new Map<string, Uint8Array<ArrayBuffer> | undefined>();
  /** Whether whoever reads a weight now is to see it pruned. */
  #visible = false;

  constructor(readonly options: ResultOptions) {}

  /** Hands results on once what was before them is written. Resolves when they are next. */
  async enqueue(save: () => Promise<void>): Promise<void> {
    await this.#saving;
    this.#saving = toldElsewhere(save());
  }

  /** Hands one weight on. */
  async write(
    name: string,
    bytes: Uint8Array<ArrayBuffer>,
    kept: Uint8Array<ArrayBuffer>,
    again: boolean,
  ): Promise<void> {
    if (again) this.#again.set(name, this.options.readBack ? undefined : bytes.slice());
    await this.options.write(name, bytes, kept);
  }

  /** From now on who reads a weight that was handed on sees it pruned, until the block is done. */
  show(): void {
    this.#visible = true;
  }

  /** Whether a weight was handed on and is to be seen pruned. */
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

/** Linears whose results are on their way from the backend. */
interface Reading {
  readonly solved: readonly Solved[];
  readonly results: Promise<Uint8Array<ArrayBuffer>[]>;
}

/** The results of one block. */
export class BlockResults implements Disposable {
  /** What must live until the results are read. */
  held = new DisposableStack();
  #solved: Solved[] = [];
  #reading: Reading[] = [];
  readonly #reports: LinearReport[] = [];

  constructor(readonly results: Results, readonly block: number) {}

  /** Takes linears that have been pruned, as far as the backend has come. */
  add(solved: readonly Solved[]): void {
    this.#solved.push(...solved);
  }

  /** Queues the reading of what has been pruned. */
  collect(): void {
    const solved = this.#solved;
    this.#solved = [];
    const results = this.results.options.backend.read(
      ...solved.map(({ weight }) => weight),
      ...solved.flatMap(({ squares, error, measuring }) => [...squares ? [squares, error!] : [], ...measuring.held]),
    );
    this.#reading.push({ solved, results: toldElsewhere(results) });
    this.held.dispose();
    this.held = new DisposableStack();
  }

  /** Hands on what has been pruned so far, and waits until it is read: its weights may go. They will be read again. */
  async flush(): Promise<void> {
    this.collect();
    await this.#reading.at(-1)!.results;
    const reading = this.#reading.splice(0);
    await this.results.enqueue(() => this.#save(reading, true));
  }

  /** Hands on the rest: the block is done. */
  async save(): Promise<void> {
    const reading = this.#reading.splice(0);
    await this.results.enqueue(async () => {
      await this.#save(reading, false);
      this.results.forget();
      this.results.reports.push(...this.#reports);
      this.results.options.onBlock?.(this.block, this.#reports);
    });
  }

  /** Lets go of what was pruned and will not be collected. */
  [Symbol.dispose](): void {
    this.held.dispose();
  }

  async #save(reading: readonly Reading[], again: boolean): Promise<void> {
    for (const { solved, results } of reading) {
      const bytes = await results, rest = bytes.slice(solved.length);
      for (const [i, one] of solved.entries()) {
        const known = one.squares && rest.splice(0, 2).map(({ buffer }) => new Float32Array(buffer));
        const measured = rest.splice(0, one.measuring.held.length);
        await this.#saveLinear(one, bytes[i], known, one.measuring.finish(measured), again);
        release(...measured);
      }
    }
  }

  async #saveLinear(
    solved: Solved,
    bytes: Uint8Array<ArrayBuffer>,
    known: readonly Float32Array[] | undefined,
    { zeros, mask, distribution }: Measured,
    again: boolean,
  ): Promise<void> {
    const { linear: { name, rows, cols, transposed }, weight: { dtype }, tokens } = solved;
    if (known) {
      checkStatistic(name, known[0]);
      this.results.options.onStatistic?.(name, known[0]);
    }
    if (distribution) this.results.options.onDistribution?.(name, distribution);
    this.#reports.push({
      name,
      rows,
      cols,
      zeros,
      sparsity: zeros / (rows * cols),
      ...cost(solved, known?.[1]),
      seconds: await solved.seconds,
      ...tokens !== undefined && { tokens },
    });
    const stored = transposed ? transpose(bytes, rows, cols, dtype) : bytes;
    const kept = transposed ? maskBits(stored, dtype) : keptBits(mask, rows, cols);
    await this.results.write(`${name}.weight`, stored, kept, again);
  }
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
