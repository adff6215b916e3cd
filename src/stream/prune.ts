/**
 * The pass of pruning: for each block observe (run it dense on the calibration sequences, collect the statistic of every
 * linear's input), prune, and propagate (run it pruned, to feed the next block). One block's weights are in memory at a
 * time; the next one's are being read and the last one's written while this one computes.
 *
 * Operations queue: the pruned weights of a block come back in one read.
 */
import type { Backend } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { release } from "../checkpoint/release.ts";
import { DEFAULT_SOLVE, type Method, type Solve } from "../method/method.ts";
import { Block, INPUTS } from "../model/block.ts";
import { linearName, readShape } from "../model/tensors.ts";
import type { Sequences } from "./batches.ts";
import type { SpoolOptions } from "./hidden.ts";
import { Observation, Stream, type StreamOptions } from "./observation.ts";
import type { OnProgress } from "./progress.ts";
import { checkStatistic, type Solved, solveLinears } from "./solve.ts";
import { chooseTargets, type Requests, type Targets } from "./target.ts";
import { countZeros } from "./zeros.ts";

/** What {@linkcode prune} takes. */
export interface PruneOptions {
  /** The model. */
  readonly checkpoint: Checkpoint;
  /** Where it is computed. */
  readonly backend: Backend;
  /** How a linear is pruned. */
  readonly method: Method;
  /** How much of it: of all linears, or of each by its full name. */
  readonly request: Requests;
  /** How the method uses a Hessian, where it does. */
  readonly solve?: Solve;
  /** Which linears; all by default. */
  readonly targets?: Targets;
  /** Calibration sequences; a method that asks for a statistic needs them. */
  readonly calibration?: Sequences;
  /**
   * Observes a block in four steps (q k v, then o, then gate and up, then down), each after the linears before it were
   * pruned (SparseGPT's `--true-sequential`); else all linears see the inputs that the unpruned block gives them.
   */
  readonly trueSequential?: boolean;
  /**
   * What {@linkcode observeFirst} has found on the same model and calibration: the first block is not observed again,
   * unless the method asks for more than was collected. It stays its owner's.
   */
  readonly first?: Observation;
  /** Takes each pruned weight: its tensor's full name, and bytes in the checkpoint's dtype, to keep or to {@linkcode release}. */
  readonly write: (name: string, bytes: Uint8Array<ArrayBuffer>) => Promise<void>;
  /** Told of every block whose pruned weights have all been written. */
  readonly onBlock?: (block: number, linears: readonly LinearReport[]) => void;
  /** What an earlier run of the same options has finished: it is only run through, to feed the blocks after it. */
  readonly finished?: Finished;
  /** How hidden states are held. */
  readonly spool?: SpoolOptions;
  /** Told of every batch that is done. */
  readonly onProgress?: OnProgress;
  /** Told of every statistic: the linear's full name, and F32 of its input width. */
  readonly onStatistic?: (linear: string, statistic: Float32Array) => void;
  /** Stops the pass between two batches. */
  readonly signal?: AbortSignal;
}

/** Blocks that are pruned already. */
export interface Finished {
  /** Their numbers. */
  readonly blocks: ReadonlySet<number>;
  /** The bytes of a pruned weight by its tensor's full name, as `write` was given them. */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>;
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
}

/**
 * Prunes the linears of a model, block after block, and hands each pruned weight to `write`.
 * @returns A report of every pruned linear, in the order of the forward pass.
 * @throws PareError for a checkpoint, calibration or request that does not fit, activations that overflow, or a Hessian
 * that cannot be inverted; then nothing more is written.
 */
export async function prune(options: PruneOptions): Promise<LinearReport[]> {
  const { checkpoint, backend, method, request, calibration, write, onStatistic, finished, signal } = options;
  const shape = readShape(checkpoint), targets = options.targets ?? chooseTargets(shape, request);
  const observes = method.statistic !== "none";
  if (observes && !calibration) throw new TypeError(`prune: ${method.name} needs calibration sequences`);
  const task = { backend, method, requests: request, solve: options.solve ?? DEFAULT_SOLVE };

  // Blocks after the last target change nothing; without a statistic neither do those that are not pruned.
  const missing = [...targets.keys()].filter((block) => !finished?.blocks.has(block));
  if (!missing.length) return [];
  const last = Math.max(...missing);
  const path = observes ? Array.from({ length: last + 1 }, (_, block) => block) : missing;
  // The linears of a block that are observed together.
  const steps = (index: number) => {
    const linears = missing.includes(index) ? targets.get(index)! : [];
    const groups = options.trueSequential && observes ? INPUTS : [linears];
    return groups.map((group) => group.filter((linear) => linears.includes(linear))).filter(({ length }) => length);
  };
  const serves = options.first && (options.first.grams || method.statistic !== "gram");
  const known = serves && !options.trueSequential && missing.includes(0) ? options.first : undefined;
  const observed = path.reduce((sum, index) => sum + steps(index).length, 0) - Number(known !== undefined);
  await using stream = observes
    ? await Stream.open({ ...options, calibration: calibration! }, shape, observed + last)
    : undefined;

  const reports: LinearReport[] = [];
  let saving = Promise.resolve();
  // However this function is left, nothing is written after it.
  await using _ = { [Symbol.asyncDispose]: () => saving.catch(() => {}) };
  const read = (step: number) => unlessDropped(readBlock(path[step]));
  const readBlock = async (index: number) => {
    const bytes = await Block.read(checkpoint, shape, index);
    if (!finished?.blocks.has(index)) return bytes;
    for (const linear of targets.get(index)!) {
      const name = `${linearName(index, linear)}.weight`;
      bytes.set(name, await finished.read(name));
    }
    return bytes;
  };
  let next = read(0);
  for (const [step, index] of path.entries()) {
    signal?.throwIfAborted();
    const bytes = await next;
    using block = Block.upload(backend, checkpoint, shape, index, bytes);
    release(...bytes.values());
    if (step + 1 < path.length) next = read(step + 1);
    using held = new DisposableStack();
    const solved: Solved[] = [];
    for (const linears of steps(index)) {
      using own = stream && !(known && index === 0) ? new Observation(backend, method.statistic === "gram") : undefined;
      if (own) await stream!.observe(block, linears, own);
      const observation = own ?? (stream && known);
      solved.push(...await solveLinears(task, block, linears, observation, calibration?.sequences ?? 0, held));
    }
    const results = [
      ...solved.map(({ weight }) => weight),
      ...solved.flatMap(({ squares, error }) => squares ? [squares, error!] : []),
    ];
    const pruned = unlessDropped(backend.read(...results));
    if (index < last) await stream?.propagate(block);
    // The next block's operations queue behind this read while the bytes are on their way to the disk.
    await saving;
    saving = unlessDropped(pruned.then(async (results) => {
      const own: LinearReport[] = [];
      for (const [i, linear] of solved.entries()) {
        const { name, weight: { rows, cols, dtype } } = linear, bytes = results[i];
        const measured = linear.squares &&
          results.slice(solved.length + 2 * i, solved.length + 2 * i + 2).map(({ buffer }) => new Float32Array(buffer));
        if (measured) {
          checkStatistic(name, measured[0]);
          onStatistic?.(name, measured[0]);
        }
        const zeros = countZeros(bytes, dtype), sparsity = zeros / (rows * cols);
        own.push({
          name,
          rows,
          cols,
          zeros,
          sparsity,
          ...cost(linear, measured?.[1]),
          seconds: await linear.seconds,
        });
        await write(`${name}.weight`, bytes);
      }
      reports.push(...own);
      if (own.length) options.onBlock?.(index, own);
    }));
  }
  await saving;
  return reports;
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

/**
 * Observes the first block alone, dense: what several methods on the same calibration can share.
 * @param grams Whether one of them asks for `gram`.
 */
export async function observeFirst(
  options: StreamOptions,
  grams: boolean,
): Promise<Observation> {
  const { checkpoint, backend } = options, shape = readShape(checkpoint);
  await using stream = await Stream.open(options, shape, 1);
  using block = Block.upload(backend, checkpoint, shape, 0, await Block.read(checkpoint, shape, 0));
  using scope = new DisposableStack();
  const observation = scope.use(new Observation(backend, grams, true));
  await stream.observe(block, INPUTS.flat(), observation);
  scope.move();
  return observation;
}

/** The same promise; that it fails is no news if nobody waits for it any more. */
function unlessDropped<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
