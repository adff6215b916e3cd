/**
 * The pass of pruning: for each block observe (run it dense on the calibration sequences, collect the statistic of every
 * linear's input), prune, and propagate (run it pruned, to feed the next block). One block's weights are in memory at a
 * time; the next one's are being read and the last one's written while this one computes.
 *
 * Nothing waits in the middle of a block: its operations queue, and the pruned weights come back in one read.
 */
import type { Backend, Sums, Tensor } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { Method, Request } from "../method/method.ts";
import { Block, forwardBlock, observeBlock, uploadAngles } from "../model/block.ts";
import { parseConfig } from "../model/config.ts";
import { checkTensors, type LinearName, linearName } from "../model/tensors.ts";
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
  /** Takes each pruned weight: its tensor's full name and bytes in the checkpoint's dtype. */
  readonly write: (name: string, bytes: Uint8Array<ArrayBuffer>) => Promise<void>;
  /** How hidden states are held. */
  readonly spool?: SpoolOptions;
  /** Told of every batch that is done. */
  readonly onProgress?: OnProgress;
  /** Told of every statistic: the linear's full name, and F32 of its input width. Costs a read for each. */
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
    return this.backend.finish(this.#sums.get(linear)!, 1 / sequences);
  }

  [Symbol.dispose](): void {
    for (const sums of this.#sums.values()) sums[Symbol.dispose]();
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

async function openStream(options: PruneOptions, calibration: Sequences, passes: number): Promise<Stream> {
  const { checkpoint, backend, spool, signal } = options, shape = parseConfig(checkpoint.config, checkpoint.path);
  checkTokens(shape, calibration);
  const hidden = await openHiddenStates(backend, calibration.ids.length * shape.hidden * 4, spool);
  const meter = new Meter(passes, calibration.ids.length, options.onProgress, shape.blocks);
  const angles = uploadAngles(backend, shape, calibration.length);
  const parts = batches(calibration), pace = new Pace(() => backend.read(), signal);
  for (const [i, part] of parts.entries()) await hidden.store(i, await embed(backend, checkpoint, shape, part));
  return new Stream(backend, parts, hidden, angles, pace, meter);
}

/**
 * Prunes the linears of a model, block after block, and hands each pruned weight to `write`.
 * @returns A report of every pruned linear, in the order of the forward pass.
 * @throws PareError for a checkpoint, calibration or request that does not fit; then nothing more is written.
 */
export async function prune(options: PruneOptions): Promise<LinearReport[]> {
  const { checkpoint, backend, method, request, calibration, write, onStatistic, signal } = options;
  const shape = parseConfig(checkpoint.config, checkpoint.path);
  checkTensors(shape, checkpoint);
  const targets = options.targets ?? chooseTargets(shape, request);
  const observes = method.statistic !== "none";
  if (observes && !calibration) throw new TypeError(`prune: ${method.name} needs calibration sequences`);

  // Blocks after the last target change nothing; without a statistic neither do those that are not pruned.
  const last = Math.max(...targets.keys());
  const path = Array.from({ length: last + 1 }, (_, block) => block).filter((block) => observes || targets.has(block));
  // Every block of the path is observed if it is a target, and propagated if it is not the last.
  await using stream = observes ? await openStream(options, calibration!, targets.size + last) : undefined;

  const reports: LinearReport[] = [];
  let saving = Promise.resolve();
  let next = Block.read(checkpoint, shape, path[0]);
  for (const [step, index] of path.entries()) {
    signal?.throwIfAborted();
    using block = Block.upload(backend, checkpoint, shape, index, await next);
    if (step + 1 < path.length) {
      next = Block.read(checkpoint, shape, path[step + 1]);
      next.catch(() => {});
    }
    const linears = targets.get(index) ?? [];
    using statistics = new Statistics(backend, linears);
    if (linears.length) await stream?.observe(block, statistics);
    for (const linear of linears) {
      const name = linearName(index, linear), weight = block.get(`${linear}.weight`);
      using statistic = stream && statistics.finish(linear, calibration!.sequences);
      method.prune(backend, { name, weight }, statistic, request);
      if (statistic && onStatistic) onStatistic(name, new Float32Array((await backend.read(statistic))[0].buffer));
    }
    const weights = linears.map((linear) => block.get(`${linear}.weight`));
    const pruned = backend.read(...weights);
    pruned.catch(() => {});
    if (index < last) await stream?.propagate(block);
    // The next block's operations queue behind this read while the bytes are on their way to the disk.
    await saving;
    saving = pruned.then(async (results) => {
      for (const [i, bytes] of results.entries()) {
        const { rows, cols, dtype } = weights[i], name = linearName(index, linears[i]);
        reports.push({ name, rows, cols, zeros: countZeros(bytes, dtype) });
        await write(`${name}.weight`, bytes);
      }
    });
    saving.catch(() => {});
  }
  await saving;
  return reports;
}
