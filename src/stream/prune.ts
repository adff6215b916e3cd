/**
 * The pass of pruning: for each block observe (run it dense on the calibration sequences, collect the statistic of every
 * linear's input), prune, and propagate (run it pruned, to feed the next block). One block's weights are in memory at a
 * time; the next one's are being read and the last one's written while this one computes.
 *
 * Nothing waits in the middle of a block: its operations queue, and the pruned weights come back in one read.
 */
import type { Backend, Sums, Tensor } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { release } from "../checkpoint/release.ts";
import { PareError } from "../errors.ts";
import type { Method, Request } from "../method/method.ts";
import { Block, forwardBlock, observeBlock, uploadAngles } from "../model/block.ts";
import type { Shape } from "../model/config.ts";
import { type LinearName, linearName, readShape } from "../model/tensors.ts";
import { batches, Pace, type Sequences } from "./batches.ts";
import { embed } from "./ends.ts";
import { type HiddenStates, openHiddenStates, type SpoolOptions } from "./hidden.ts";
import { Meter, type OnProgress } from "./progress.ts";
import { chooseTargets, type Targets } from "./target.ts";
import { checkTokens } from "./tokens.ts";
import { countZeros } from "./zeros.ts";

/** What {@linkcode prune} takes. */
export interface PruneOptions {
  /** The model. */
  readonly checkpoint: Checkpoint;
  /** Where it is computed. */
  readonly backend: Backend;
  /** How a linear is pruned. */
  readonly method: Method;
  /** How much of it. */
  readonly request: Request;
  /** Which linears; all by default. */
  readonly targets?: Targets;
  /** Calibration sequences; a method that asks for a statistic needs them. */
  readonly calibration?: Sequences;
  /** Takes each pruned weight: its tensor's full name, and bytes in the checkpoint's dtype, to keep or to {@linkcode release}. */
  readonly write: (name: string, bytes: Uint8Array<ArrayBuffer>) => Promise<void>;
  /** How hidden states are held. */
  readonly spool?: SpoolOptions;
  /** Told of every batch that is done. */
  readonly onProgress?: OnProgress;
  /** Told of every statistic: the linear's full name, and F32 of its input width. */
  readonly onStatistic?: (linear: string, statistic: Float32Array) => void;
  /** Stops the pass between two batches. */
  readonly signal?: AbortSignal;
}

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
}

/** Statistics of one block's inputs, by the linears that share them. */
class Statistics implements Disposable {
  readonly #sums = new Map<LinearName, Sums>();
  /** What {@linkcode Statistics.finish} gave, in the order of its calls. */
  readonly finished: Tensor[] = [];
  constructor(readonly backend: Backend, readonly targets: readonly LinearName[]) {}

  /** An observer for {@linkcode observeBlock}: linears that share an input share its sums. */
  readonly observe = (linears: readonly LinearName[], input: Tensor): void => {
    const targets = linears.filter((linear) => this.targets.includes(linear));
    if (!targets.length) return;
    let sums = this.#sums.get(targets[0]);
    if (!sums) {
      sums = this.backend.allocate(2, input.cols);
      for (const linear of targets) this.#sums.set(linear, sums);
    }
    this.backend.addSquares(sums, input);
  };

  /** The mean over sequences of the column sums of squares. */
  finish(linear: LinearName, sequences: number): Tensor {
    const statistic = this.backend.finish(this.#sums.get(linear)!, 1 / sequences);
    this.finished.push(statistic);
    return statistic;
  }

  [Symbol.dispose](): void {
    for (const tensor of [...this.#sums.values(), ...this.finished]) tensor[Symbol.dispose]();
  }
}

/** A model's calibration sequences on their way through its blocks. */
class Stream implements AsyncDisposable {
  constructor(
    readonly backend: Backend,
    readonly parts: readonly Sequences[],
    readonly hidden: HiddenStates,
    readonly angles: Tensor,
    readonly pace: Pace,
    readonly meter: Meter,
  ) {}

  /** @param passes Tokens will go through a block this many times in all. */
  static async open(options: PruneOptions, shape: Shape, calibration: Sequences, passes: number): Promise<Stream> {
    const { checkpoint, backend, spool, signal } = options, parts = batches(calibration);
    checkTokens(shape, calibration);
    await using opened = new AsyncDisposableStack();
    const hidden = opened.use(await openHiddenStates(backend, calibration.ids.length * shape.hidden * 4, spool));
    for (const [i, part] of parts.entries()) await hidden.store(i, await embed(backend, checkpoint, shape, part));
    opened.move(); // the stream disposes of them
    const angles = uploadAngles(backend, shape, calibration.length);
    const pace = new Pace(() => backend.read(), signal);
    const meter = new Meter(passes, calibration.ids.length, options.onProgress, shape.blocks);
    return new Stream(backend, parts, hidden, angles, pace, meter);
  }

  async observe(block: Block, statistics: Statistics): Promise<void> {
    for (const [i, part] of this.parts.entries()) {
      using lent = await this.hidden.load(i);
      observeBlock(this.backend, block, lent.tensor, this.angles, statistics.observe);
      await this.pace.step();
      this.meter.step("observe", block.index, part.ids.length);
    }
  }

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

/**
 * Prunes the linears of a model, block after block, and hands each pruned weight to `write`.
 * @returns A report of every pruned linear, in the order of the forward pass.
 * @throws PareError for a checkpoint, calibration or request that does not fit, or activations that overflow; then
 * nothing more is written.
 */
export async function prune(options: PruneOptions): Promise<LinearReport[]> {
  const { checkpoint, backend, method, request, calibration, write, onStatistic, signal } = options;
  const shape = readShape(checkpoint), targets = options.targets ?? chooseTargets(shape, request);
  const observes = method.statistic !== "none";
  if (observes && !calibration) throw new TypeError(`prune: ${method.name} needs calibration sequences`);

  // Blocks after the last target change nothing; without a statistic neither do those that are not pruned.
  const last = Math.max(...targets.keys());
  const path = Array.from({ length: last + 1 }, (_, block) => block).filter((block) => observes || targets.has(block));
  // Every block of the path is observed if it is a target, and propagated if it is not the last.
  await using stream = observes ? await Stream.open(options, shape, calibration!, targets.size + last) : undefined;

  const reports: LinearReport[] = [];
  let saving = Promise.resolve();
  // However this function is left, nothing is written after it.
  await using _ = { [Symbol.asyncDispose]: () => saving.catch(() => {}) };
  const read = (step: number) => unlessDropped(Block.read(checkpoint, shape, path[step]));
  let next = read(0);
  for (const [step, index] of path.entries()) {
    signal?.throwIfAborted();
    const bytes = await next;
    using block = Block.upload(backend, checkpoint, shape, index, bytes);
    release(...bytes.values());
    if (step + 1 < path.length) next = read(step + 1);
    const linears = targets.get(index) ?? [];
    using statistics = new Statistics(backend, linears);
    if (linears.length) await stream?.observe(block, statistics);
    for (const linear of linears) {
      const weight = block.get(`${linear}.weight`);
      const statistic = stream && statistics.finish(linear, calibration!.sequences);
      method.prune(backend, { name: linearName(index, linear), weight }, statistic, request);
    }
    const weights = linears.map((linear) => block.get(`${linear}.weight`));
    const pruned = unlessDropped(backend.read(...weights, ...statistics.finished));
    if (index < last) await stream?.propagate(block);
    // The next block's operations queue behind this read while the bytes are on their way to the disk.
    await saving;
    saving = unlessDropped(pruned.then(async (results) => {
      for (const [i, { rows, cols, dtype }] of weights.entries()) {
        const name = linearName(index, linears[i]), bytes = results[i], statistic = results[weights.length + i];
        if (statistic) checkStatistic(name, new Float32Array(statistic.buffer), onStatistic);
        reports.push({ name, rows, cols, zeros: countZeros(bytes, dtype) });
        await write(`${name}.weight`, bytes);
      }
    }));
  }
  await saving;
  return reports;
}

/** A statistic that is no number would end as a mask that means nothing. */
function checkStatistic(linear: string, statistic: Float32Array, tell: PruneOptions["onStatistic"]): void {
  if (!statistic.every(Number.isFinite)) {
    throw new PareError(`${linear}: the model's activations overflow: its inputs' squares sum to NaN or Inf`);
  }
  tell?.(linear, statistic);
}

/** The same promise; that it fails is no news if nobody waits for it any more. */
function unlessDropped<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
