/**
 * What a pruning run will take, told before it starts: bytes to read, room for hidden states, peak memory, time. The
 * time is work divided by the rate of a short trial on the backend itself, and the writing of the new model.
 */
import { type Backend, BYTES } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { Method } from "../method/method.ts";
import { INPUTS } from "../model/block.ts";
import type { Shape } from "../model/config.ts";
import { blockTensors, type LinearName, linearName, LINEARS, linearShape } from "../model/tensors.ts";
import { BATCH_TOKENS, type Sequences } from "./batches.ts";
import { SPOOL_ABOVE, type SpoolOptions } from "./hidden.ts";
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

/** What Deno with its loaded modules and one worker each core holds before any model, measured: 110 to 130 MB. */
const PROCESS_BYTES = 130e6;

/** Floating-point operations of one token in one block: two for each weight, and attention to half the sequence. */
function tokenFlops(shape: Shape, length: number, linears: readonly LinearName[]): number {
  const weights = linears.map((linear) => linearShape(shape, linear)).reduce(
    (sum, [rows, cols]) => sum + rows * cols,
    0,
  );
  return 2 * weights + 2 * shape.heads * shape.headDim * (length + 1);
}

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
  readonly calibration?: Sequences;
  /** How hidden states are held. */
  readonly spool?: SpoolOptions;
  /** Whether a block is observed in four steps. */
  readonly trueSequential?: boolean;
  /** The sequences of a dense pass before, that counts outliers. */
  readonly outliers?: Sequences;
}

/** Operations of SparseGPT's solve: the sums of xᵀx, the factors, and for each linear its elimination and its error. */
function solveFlops(shape: Shape, targets: Targets, tokens: number): number {
  let flops = 0;
  for (const linears of targets.values()) {
    for (const shared of INPUTS.map((group) => group.filter((linear) => linears.includes(linear)))) {
      for (const [i, linear] of shared.entries()) {
        const [rows, cols] = linearShape(shape, linear);
        flops += 3 * rows * cols ** 2 + (i > 0 ? 0 : tokens * cols ** 2 + 2 / 3 * cols ** 3);
      }
    }
  }
  return flops;
}

/** Bytes of the sums of xᵀx of one block (two numbers each), and of the largest Hessian and its factor. */
function solveBytes(shape: Shape): number {
  const sides = INPUTS.map(([linear]) => linearShape(shape, linear)[1]);
  return 4 * (sides.reduce((sum, n) => sum + 2 * n * n, 0) + 2 * Math.max(...sides) ** 2);
}

/** Plans a run of {@linkcode prune}. */
export async function planPrune(
  backend: Backend,
  checkpoint: Checkpoint,
  shape: Shape,
  targets: Targets,
  options: PlanOptions,
): Promise<Plan> {
  const { method, calibration, outliers, spool = {} } = options, solves = method.statistic === "gram";
  const shapes = [...targets.values()].flat().map((linear) => linearShape(shape, linear));
  const weights = shapes.reduce((sum, [rows, cols]) => sum + rows * cols, 0), last = Math.max(...targets.keys());
  const blockBytes = [...blockTensors(shape).keys()]
    .reduce((sum, name) => sum + checkpoint.tensors.get(linearName(0, name))!.bytes, 0);
  const readBytes = blockBytes * ((calibration ? last + 1 : targets.size) + (outliers ? shape.blocks : 0));

  const sequences = calibration ?? outliers;
  const tokens = sequences?.ids.length ?? 0, hiddenBytes = tokens * shape.hidden * BYTES.F32;
  const spooled = hiddenBytes > 0 && (hiddenBytes > SPOOL_ABOVE || spool.always === true);
  const batchTokens = sequences ? Math.min(tokens, Math.max(BATCH_TOKENS, sequences.length)) : 0;
  const activations = batchTokens * (4 * shape.hidden + 3 * shape.intermediate) * BYTES.F32;
  // This block on the backend, its pruned bytes on their way out, the next block on its way in.
  const peakBytes = PROCESS_BYTES + 3 * blockBytes + activations + (spooled ? 0 : hiddenBytes) +
    (solves ? solveBytes(shape) : 0);

  const observed = LINEARS.filter((linear) => linear !== "mlp.down_proj"), length = sequences?.length ?? 0;
  const observe = tokenFlops(shape, length, observed), propagate = tokenFlops(shape, length, LINEARS);
  // Four steps end after the norm, the attention, the second norm and the gates: a little more than twice the work of one.
  const steps = options.trueSequential ? 2 : 1;
  const passes = calibration ? steps * targets.size * observe + last * propagate : 0;
  const before = outliers ? shape.blocks * (observe + propagate) : 0;
  const flops = tokens * (passes + before) + (solves ? solveFlops(shape, targets, tokens) : 0);
  const written = [...checkpoint.tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  const seconds = written / WRITE_RATE + (flops ? flops / await measureRate(backend) : 0);
  return { linears: shapes.length, weights, readBytes, hiddenBytes, spooled, peakBytes, flops, seconds };
}
