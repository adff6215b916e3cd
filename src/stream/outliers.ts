/**
 * How many outliers each block of the dense model has among its Wanda scores: what OWL shares out sparsity by (Yin et al.,
 * ICML 2024, section 3.2). A pass of its own, before pruning.
 */
import type { Backend } from "../backend/backend.ts";
import { OUTLIER } from "../method/owl.ts";
import { Block } from "../model/block.ts";
import { LINEARS, readShape } from "../model/tensors.ts";
import { Observation, Stream, type StreamOptions } from "./observation.ts";

/**
 * The share of each block's scores `|W_ij| ‖X_j‖₂`, over all of its linears together, above `OUTLIER` times their mean.
 * @throws PareError as a pass does.
 */
export async function outlierRatios(options: StreamOptions): Promise<number[]> {
  const { checkpoint, backend, calibration } = options, shape = readShape(checkpoint), ratios: number[] = [];
  await using stream = await Stream.open(options, shape, 2 * shape.blocks - 1);
  for (let index = 0; index < shape.blocks; index++) {
    using block = Block.upload(backend, checkpoint, shape, index, await Block.read(checkpoint, shape, index));
    using observation = new Observation(backend, false);
    await stream.observe(block, LINEARS, observation);
    ratios.push(await outliers(backend, block, observation, calibration.sequences));
    if (index + 1 < shape.blocks) await stream.propagate(block);
  }
  return ratios;
}

async function outliers(backend: Backend, block: Block, observation: Observation, sequences: number): Promise<number> {
  using held = new DisposableStack();
  const scores = LINEARS.map((linear) => {
    using statistic = observation.squares(linear, sequences);
    return held.use(backend.score(block.get(`${linear}.weight`), { kind: "activation", statistic }));
  });
  // The sum of every row: its product with a row of ones.
  const sums = scores.map((score) => {
    using ones = backend.upload(new Uint8Array(new Float32Array(score.cols).fill(1).buffer), 1, score.cols, "F32");
    return held.use(backend.linear(score, ones));
  });
  const weights = scores.reduce((sum, { rows, cols }) => sum + rows * cols, 0);
  const mean = total(await backend.read(...sums)) / weights;
  const counts = scores.map((score) => held.use(backend.countAbove(score, OUTLIER * mean)));
  return total(await backend.read(...counts)) / weights;
}

/** The sum of all numbers, in f64. */
function total(tensors: readonly Uint8Array<ArrayBuffer>[]): number {
  return tensors.reduce((sum, { buffer }) => new Float32Array(buffer).reduce((a, b) => a + b, sum), 0);
}
