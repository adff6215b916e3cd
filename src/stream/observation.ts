/**
 * Calibration sequences on their way through a model's blocks, and what is learned of each linear's input on the way: the
 * part of a pass that comes before any method.
 */
import type { Backend, Sums, Tensor } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { type Block, forwardBlock, observeBlock, type Rotary, uploadAngles } from "../model/block.ts";
import type { Shape } from "../model/config.ts";
import type { LinearName } from "../model/tensors.ts";
import { batches, Pace, type Sequences } from "./batches.ts";
import { embed } from "./ends.ts";
import { type HiddenStates, openHiddenStates, type SpoolOptions } from "./hidden.ts";
import { Meter, type OnProgress } from "./progress.ts";
import { checkTokens } from "./tokens.ts";

/** Running sums over the inputs of some linears of a block; those that share an input share its sums. */
export class Observation implements Disposable {
  readonly #squares = new Map<LinearName, Sums>();
  readonly #grams = new Map<LinearName, Sums>();

  /**
   * Begins with nothing seen.
   * @param grams Whether to collect `xᵀ x` besides the squares.
   * @param kept Whether a Hessian may be asked for more than once.
   */
  constructor(private readonly backend: Backend, readonly grams: boolean, private readonly kept = false) {}

  /** Adds a batch of the input that these linears share. */
  add(linears: readonly LinearName[], input: Tensor): void {
    this.backend.addSquares(this.#sums(this.#squares, linears, 2, input.cols), input);
    if (this.grams) this.backend.addGram(this.#sums(this.#grams, linears, 2 * input.cols, input.cols), input);
  }

  #sums(all: Map<LinearName, Sums>, linears: readonly LinearName[], rows: number, cols: number): Sums {
    const sums = all.get(linears[0]) ?? this.backend.allocate(rows, cols);
    for (const linear of linears) all.set(linear, sums);
    return sums;
  }

  /** The mean over sequences of the column sums of squares: F32 1 x in. */
  squares(linear: LinearName, sequences: number): Tensor {
    return this.backend.finish(known(this.#squares, linear), 1 / sequences);
  }

  /** SparseGPT's Hessian, `(2/S) Σ_sequences Xᵀ X`: F32 in x in. Its sums, twice as large, go unless they are kept. */
  hessian(linear: LinearName, sequences: number): Tensor {
    const sums = known(this.#grams, linear);
    using _ = this.kept ? undefined : sums;
    return this.backend.finish(sums, 2 / sequences);
  }

  /** Frees all sums. */
  [Symbol.dispose](): void {
    for (const sums of [...this.#squares.values(), ...this.#grams.values()]) sums[Symbol.dispose]();
  }
}

/** The sums of a linear. @throws TypeError if none were collected. */
function known(sums: ReadonlyMap<LinearName, Sums>, linear: LinearName): Sums {
  const found = sums.get(linear);
  if (!found) throw new TypeError(`${linear}: expected sums over its inputs, found none collected`);
  return found;
}

/** What a stream takes. */
export interface StreamOptions {
  /** The model. */
  readonly checkpoint: Checkpoint;
  /** Where it is computed. */
  readonly backend: Backend;
  /** The sequences. */
  readonly calibration: Sequences;
  /** How hidden states are held. */
  readonly spool?: SpoolOptions;
  /** Told of every batch that is done. */
  readonly onProgress?: OnProgress;
  /** Stops it between two batches. */
  readonly signal?: AbortSignal;
}

/** The sequences' hidden states before some block, and what moves them on. */
export class Stream implements AsyncDisposable {
  private constructor(
    readonly backend: Backend,
    readonly parts: readonly Sequences[],
    readonly hidden: HiddenStates,
    readonly angles: Rotary,
    readonly pace: Pace,
    readonly meter: Meter,
  ) {}

  /**
   * Embeds the sequences.
   * @param passes Tokens will go through a block this many times in all.
   * @throws PareError for tokens that do not suit the model.
   */
  static async open(options: StreamOptions, shape: Shape, passes: number): Promise<Stream> {
    const { checkpoint, backend, calibration, spool, signal } = options, parts = batches(calibration);
    checkTokens(shape, calibration);
    await using opened = new AsyncDisposableStack();
    const hidden = opened.use(await openHiddenStates(backend, calibration.ids.length * shape.hidden * 4, spool));
    for (const [i, part] of parts.entries()) await hidden.store(i, await embed(backend, checkpoint, shape, part));
    const angles = uploadAngles(backend, shape, calibration.length, parts[0].sequences);
    opened.move(); // the stream disposes of them, and of the angles
    const pace = new Pace(() => backend.read(), signal);
    const meter = new Meter(passes, calibration.ids.length, options.onProgress, shape.blocks);
    return new Stream(backend, parts, hidden, angles, pace, meter);
  }

  /** Runs the block on every batch as far as the inputs of these linears go, and adds them up. */
  async observe(block: Block, linears: readonly LinearName[], observation: Observation): Promise<void> {
    for (const [i, part] of this.parts.entries()) {
      using lent = await this.hidden.load(i);
      let missing = linears.length;
      observeBlock(this.backend, block, lent.tensor, this.angles, (shared, input) => {
        const wanted = shared.filter((linear) => linears.includes(linear));
        if (wanted.length) observation.add(wanted, input);
        return (missing -= wanted.length) === 0;
      });
      await this.pace.step();
      this.meter.step("observe", block.index, part.ids.length);
    }
  }

  /** Runs the block on every batch: the hidden states are those before the next block then. */
  async propagate(block: Block): Promise<void> {
    for (const [i, part] of this.parts.entries()) {
      using lent = await this.hidden.load(i);
      await this.hidden.store(i, forwardBlock(this.backend, block, lent.tensor, this.angles));
      await this.pace.step();
      this.meter.step("propagate", block.index, part.ids.length);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.angles[Symbol.dispose]();
    await this.hidden[Symbol.asyncDispose]();
  }
}
