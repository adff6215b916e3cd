/**
 * What a pruning run will take, told before it starts: bytes to read, room for hidden states, peak memory, time. The
 * time is work divided by the rate of a short trial on the backend itself, and the writing of the new model.
 */
import { type Backend, BYTES } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { PIECE } from "../checkpoint/ranges.ts";
import type { Effort, Method } from "../method/method.ts";
import { ELIMINATION } from "../method/sparsegpt.ts";
import { READ_AHEAD_BYTES } from "../model/block.ts";
import { tokenFlops } from "../model/cost.ts";
import {
  blockTensors,
  expertsOf,
  expertTensors,
  inputGroups,
  residentTensors,
  type TensorSpec,
} from "../model/layers.ts";
import type { BlockSpec, ModelSpec } from "../model/spec.ts";
import { type Batch, lengthsOf } from "../text/batch.ts";
import { goesToFile, type SpoolOptions } from "./hidden.ts";
import {
  activationBytes,
  blockBytes,
  checkMemory,
  hessianBytes,
  observationSets,
  reconstructionBytes,
  roomBeside,
  scoringBytes,
} from "./memory.ts";
import { permutingBytes } from "./permute.ts";
import type { ReconstructOptions } from "./reconstruct.ts";
import { WRITE_BEHIND_BYTES } from "./results.ts";
import { chooseGroups } from "./solve.ts";
import { goesStepwise } from "./stream.ts";
import type { Targets } from "./target.ts";

/** See the file's head. */
export interface Plan {
  /** Linears to prune. */
  readonly linears: number;
  /** Weights of these linears. */
  readonly weights: number;
  /** Bytes of the blocks that are read. */
  readonly readBytes: number;
  /** Bytes of all hidden states; 0 without calibration. */
  readonly hiddenBytes: number;
  /** Whether the hidden states go to a file. */
  readonly spooled: boolean;
  /** Estimate of the process's peak memory, bytes. */
  readonly peakBytes: number;
  /** Floating-point operations of the linears and of attention. */
  readonly flops: number;
  /** Estimate of the time, seconds. */
  readonly seconds: number;
}

/**
 * What a pass takes besides its tensors: code that is compiled on the way, the workers' scratch, what is drawn of each linear.
 * The peak of runs on two models with 2 and 8 workers was 9 to 22 MiB above the sum of the rest.
 */
const OVERHEAD_BYTES = 24 * 2 ** 20;

/** What Deno with its loaded modules and one worker each core holds before any model, measured: 110 to 130 MB. */
const PROCESS_BYTES = 130e6;

/** Bytes written per second to a disk of a virtual machine: 0.44 GB/s were measured, to be forced there at the end. */
const WRITE_RATE = 0.4e9;

/** The side of a trial's square matrices: a quarter of a second on the slowest backend measured. */
const TRIAL_SIDE = 768;

/** Floating-point operations per second of a backend in a linear of moderate size. */
async function measureRate(backend: Backend): Promise<number> {
  using x = backend.allocate(TRIAL_SIDE, TRIAL_SIDE);
  using weight = backend.allocate(TRIAL_SIDE, TRIAL_SIDE);
  const trial = async () => {
    using _result = backend.linear(x, weight);
    await backend.read();
  };
  await trial(); // the first call compiles or warms up
  const start = performance.now();
  await trial();
  return 2 * TRIAL_SIDE ** 3 / (performance.now() - start) * 1000;
}

/** What a plan depends on, besides the model and its targets. */
export interface PlanOptions {
  /** How linears are pruned. */
  readonly method: Method;
  /** Calibration sequences, if the method asks for a statistic. */
  readonly calibration?: Batch;
  /** How hidden states are held. */
  readonly spool?: SpoolOptions;
  /** Whether a block is observed in four steps. */
  readonly trueSequential?: boolean;
  /** Whether the last tenth of the sequences is held out of the Hessians. */
  readonly holdout?: boolean;
  /** Whether each block is observed once more before it, to permute inputs. */
  readonly permute?: boolean;
  /** The sequences of a dense pass before, that measures blocks for an allocation. */
  readonly dense?: Batch;
  /** How blocks are reconstructed, if they are. */
  readonly reconstruct?: ReconstructOptions;
  /**
   * Bytes that the process holds before the pass, asked once its backend has been tried: it depends on the number of workers,
   * and on the text that was tokenized. Default: that of two workers and a small tokenizer.
   */
  readonly held?: () => number;
}

/** Operations of solves with Hessians: the sums of xᵀx, what is made of them, and for each linear its solve and its error. */
function solveFlops(spec: ModelSpec, targets: Targets, tokens: number, effort: Effort): number {
  let flops = 0;
  for (const [index, linears] of targets) {
    const block = spec.blocks[index], experts = expertsOf(block);
    for (const shared of chooseGroups({ spec: block }, linears)) {
      const share = experts && shared[0].role.includes("*") ? experts.chosen / experts.experts.length : 1;
      for (const [i, { rows, cols }] of shared.entries()) {
        flops += 2 * rows * cols ** 2 + effort.prune(rows, cols) +
          (i > 0 ? 0 : share * tokens * cols ** 2 + effort.begin(cols));
      }
    }
  }
  return flops;
}

/** Plans a run of {@linkcode prune}. */
export async function planPrune(
  backend: Backend,
  checkpoint: Checkpoint,
  spec: ModelSpec,
  targets: Targets,
  options: PlanOptions,
): Promise<Plan> {
  const { method, calibration, dense, spool = {}, held = () => PROCESS_BYTES } = options,
    solves = method.statistic === "gram",
    { effort = ELIMINATION } = method;
  const linears = [...targets.values()].flat(), last = Math.max(...targets.keys());
  const weights = linears.reduce((sum, { rows, cols }) => sum + rows * cols, 0);
  const bytesOf = (tensors: readonly TensorSpec[]) =>
    tensors.reduce((sum, { name }) => sum + checkpoint.tensors.get(name)!.bytes, 0);
  const sum = (blocks: readonly BlockSpec[], of: (block: BlockSpec) => number) =>
    blocks.reduce((sum, block) => sum + of(block), 0);
  const most = (of: (block: BlockSpec) => number) => spec.blocks.reduce((most, block) => Math.max(most, of(block)), 0);
  const before = spec.blocks.slice(0, last + 1), pruned = spec.blocks.filter(({ index }) => targets.has(index));
  const read = (block: BlockSpec) => bytesOf(blockTensors(block));
  const readBytes = sum(calibration ? before : pruned, read) + (dense ? sum(spec.blocks, read) : 0);

  const sequences = calibration ?? dense;
  const { reconstruct } = options, streams = reconstruct ? 2 : 1;
  const tokens = sequences?.ids.length ?? 0, hiddenBytes = streams * tokens * spec.hidden * BYTES.F32;
  const spooled = goesToFile(backend, hiddenBytes, spool);
  const reconstructs = reconstruct !== undefined;
  const memory = {
    checkpoint,
    backend,
    method,
    targets,
    batch: sequences,
    spooled,
    holdout: options.holdout,
    reconstructs,
  };
  checkMemory(spec, memory);
  const activations = activationBytes(spec, memory);
  // A block on the backend, of its experts one.
  const resident = most((block) => blockBytes(checkpoint, block));
  const largest = (tensors: readonly TensorSpec[], most: number) =>
    Math.min(bytesOf(tensors), tensors.reduce((most, tensor) => Math.max(most, bytesOf([tensor])), most));
  // What is read ahead and what is not yet written; of a block with experts one of them on its way in, and all on their way out.
  const underWay = most((block) => {
    const experts = expertsOf(block)?.experts.map(expertTensors) ?? [];
    const incoming = [residentTensors(block), ...experts].map((tensors) => largest(tensors, READ_AHEAD_BYTES));
    return Math.max(...incoming) + largest(blockTensors(block), WRITE_BEHIND_BYTES);
  });
  // Nothing of that is there any more when the rest of the model is copied, in pieces.
  const copied = [...checkpoint.tensors.values()].reduce((most, { bytes }) => Math.max(most, bytes), 0);
  // Of the Hessians, those of the inputs that are observed together.
  const solving = (block: BlockSpec) => {
    const groups = chooseGroups({ spec: block }, targets.get(block.index) ?? []);
    const sets = options.trueSequential
      ? groups.map((group) => [group])
      : observationSets(groups, roomBeside(spec, block, memory));
    return Math.max(0, ...sets.map((set) => hessianBytes(set, activations, roomBeside(spec, block, memory).holds)));
  };
  const solvingBytes = solves
    ? most(solving)
    : Math.max(activations, most((block) => scoringBytes(checkpoint, targets.get(block.index))));
  const permuting = (block: BlockSpec) =>
    permutingBytes(block, targets.get(block.index) ?? [], (name) => checkpoint.tensors.get(name)?.bytes ?? 0);
  const working = Math.max(
    solvingBytes,
    most((block) => reconstructionBytes(spec, block, memory)),
    options.permute ? most(permuting) : 0,
  );
  const passBytes = OVERHEAD_BYTES + resident + Math.max(underWay, 2 * Math.min(PIECE, copied)) + working +
    (spooled ? 0 : hiddenBytes);

  // A walk that only observes ends at the last input.
  const observe = (length: number) => (block: BlockSpec) => tokenFlops(block, length, inputGroups(block).at(-1)!);
  const propagate = (length: number) => (block: BlockSpec) => tokenFlops(block, length);
  let flops = solves ? solveFlops(spec, targets, tokens, effort) : 0;
  const lengths = Map.groupBy(sequences ? lengthsOf(sequences) : [], (length) => length);
  for (const [length, { length: count }] of lengths) {
    const tokens = count * length;
    if (calibration) {
      // Blocks whose linears are pruned one after the other are observed and propagated in one walk.
      const twice = pruned.filter((block) =>
        !options.trueSequential || !goesStepwise(backend, spec, block, calibration)
      );
      flops += tokens * (sum(twice, observe(length)) + sum(before.slice(0, -1), propagate(length)));
      if (options.trueSequential && !twice.includes(before.at(-1)!)) flops += tokens * observe(length)(before.at(-1)!);
    }
    if (calibration && reconstruct) {
      // The dense stream once; forward, and back at twice its cost.
      flops += tokens * (sum(before, propagate(length)) + 3 * reconstruct.epochs * sum(pruned, propagate(length)));
    }
    if (dense) flops += tokens * sum(spec.blocks, propagate(length));
    if (calibration && options.permute) flops += tokens * sum(pruned, observe(length));
  }
  const written = [...checkpoint.tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  const seconds = written / WRITE_RATE + (flops ? flops / await measureRate(backend) : 0);
  const peakBytes = held() + passBytes;
  return { linears: linears.length, weights, readBytes, hiddenBytes, spooled, peakBytes, flops, seconds };
}
