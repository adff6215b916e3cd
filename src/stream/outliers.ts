/**
 * How many outliers each block of the dense model has among its Wanda scores: what OWL shares out sparsity by (Yin et al.,
 * ICML 2024, section 3.2). One forward pass of its own, before pruning.
 */
import type { Tensor } from "../backend/backend.ts";
import { OUTLIER } from "../method/owl.ts";
import type { Block } from "../model/block.ts";
import { inputGroups, linearsOf } from "../model/layers.ts";
import { readSpec } from "../model/read.ts";
import type { Linear } from "../model/spec.ts";
import { type Batch, countSequences } from "../text/batch.ts";
import { Observation } from "./observation.ts";
import { type BlockSchedule, runSchedule } from "./schedule.ts";
import { Stream, type StreamOptions } from "./stream.ts";
import { units } from "./units.ts";

/**
 * The share of each block's scores `|W_ij| ‖X_j‖₂`, over all of its linears together, above `OUTLIER` times their mean. Linears
 * of an expert that no token came to have no scores.
 * @throws PareError as a pass does.
 */
export async function outlierRatios(options: StreamOptions & { readonly calibration: Batch }): Promise<number[]> {
  const { checkpoint, backend, calibration } = options, spec = readSpec(checkpoint), ratios: number[] = [];
  const sequences = countSequences(calibration), passes = spec.blocks.length;
  await using stream = await Stream.open(options, spec, calibration, passes);
  const schedule = spec.blocks.map(({ index }): BlockSchedule => ({
    block: index,
    steps: [{
      passes: 1,
      async run(block) {
        using observation = new Observation(backend, inputGroups(block.spec), { grams: false });
        if (index + 1 < passes) await stream.propagate(block, "observe", observation);
        else await stream.observe(block, observation);
        ratios.push(await outliers(block, observation, sequences));
      },
    }],
  }));
  await runSchedule(schedule, { backend, spec, source: checkpoint, signal: options.signal });
  return ratios;
}

async function outliers(block: Block, observation: Observation, sequences: number): Promise<number> {
  const { backend } = block;
  const scored = linearsOf(block.spec).filter((linear) => observation.tokens(linear) > 0);
  /** The sum over all scores of what `measure` gives for each linear's. */
  const sumOver = async (measure: (scores: Tensor) => Tensor): Promise<number> => {
    let sum = 0;
    for await (const linears of units(block, scored)) {
      using held = new DisposableStack();
      const measured = linears.map((linear) => {
        using scores = score(linear);
        return held.use(measure(scores));
      });
      sum = total(await backend.read(...measured), sum);
    }
    return sum;
  };
  const score = (linear: Linear) => {
    using statistic = observation.squares(linear, sequences);
    return backend.score(block.weight(linear), { kind: "activation", statistic });
  };
  const weights = scored.reduce((sum, { rows, cols }) => sum + rows * cols, 0);
  // The sum of every row: its product with a row of ones.
  const sum = await sumOver((scores) => {
    using ones = backend.upload(new Uint8Array(new Float32Array(scores.cols).fill(1).buffer), 1, scores.cols, "F32");
    return backend.linear(scores, ones);
  });
  return await sumOver((scores) => backend.countAbove(scores, OUTLIER * sum / weights)) / weights;
}

/** The sum of all numbers, in f64, and of what was before. */
function total(tensors: readonly Uint8Array<ArrayBuffer>[], before: number): number {
  return tensors.reduce((sum, { buffer }) => new Float32Array(buffer).reduce((a, b) => a + b, sum), before);
}
