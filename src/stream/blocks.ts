/**
 * What is known of each block of the dense model by its Wanda scores `|W_ij| ‖X_j‖₂`, over all of its linears together: what an
 * allocation shares out sparsity by. One forward pass of its own, before pruning.
 */
import type { Backend, Tensor } from "../backend/backend.ts";
import { type BlockStatistic, OUTLIER } from "../method/allocation.ts";
import type { Block } from "../model/block.ts";
import { inputGroups, linearsOf } from "../model/layers.ts";
import { readSpec } from "../model/read.ts";
import type { Linear } from "../model/spec.ts";
import { type Batch, countSequences } from "../text/batch.ts";
import { Observation } from "./observation.ts";
import { type BlockSchedule, runSchedule } from "./schedule.ts";
import { Stream, type StreamOptions } from "./stream.ts";
import { units } from "./units.ts";

/** What is measured, and on which sequences. */
export interface BlockStatisticOptions extends StreamOptions {
  /** The sequences. */
  readonly calibration: Batch;
  /** What is measured. */
  readonly statistic: BlockStatistic;
}

/**
 * A statistic of each block's scores. Linears of an expert that no token came to have none.
 * @throws PareError as a pass does.
 */
export async function blockStatistics(options: BlockStatisticOptions): Promise<number[]> {
  const { checkpoint, backend, calibration, statistic } = options, spec = readSpec(checkpoint), found: number[] = [];
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
        found.push(await MEASURES[statistic](new BlockScores(block, observation, sequences)));
      },
    }],
  }));
  await runSchedule(schedule, { backend, spec, source: checkpoint, signal: options.signal });
  return found;
}

/** The scores of a block's linears, made anew whenever they are read: together they may be larger than the block. */
class BlockScores {
  readonly #linears: readonly Linear[];

  constructor(
    private readonly block: Block,
    private readonly observation: Observation,
    private readonly sequences: number,
  ) {
    this.#linears = linearsOf(block.spec).filter((linear) => observation.tokens(linear) > 0);
  }

  get backend(): Backend {
    return this.block.backend;
  }

  /** How many scores there are. */
  get count(): number {
    return this.#linears.reduce((sum, { rows, cols }) => sum + rows * cols, 0);
  }

  /** The numbers of what `measure` makes of each linear's scores, one linear after the other: it may be as large as they are. */
  async *read(measure: (scores: Tensor) => Tensor): AsyncGenerator<Float32Array> {
    for await (const linears of units(this.block, this.#linears)) {
      for (const linear of linears) {
        using measured = this.#measured(linear, measure);
        const [{ buffer }] = await this.backend.read(measured);
        yield new Float32Array(buffer);
      }
    }
  }

  #measured(linear: Linear, measure: (scores: Tensor) => Tensor): Tensor {
    using scores = this.#score(linear);
    return measure(scores);
  }

  #score(linear: Linear): Tensor {
    using statistic = this.observation.squares(linear, this.sequences);
    return this.backend.score(this.block.weight(linear), { kind: "activation", statistic });
  }
}

const MEASURES: Readonly<Record<BlockStatistic, (scores: BlockScores) => Promise<number>>> = { outliers, median };

/** The share of scores above {@linkcode OUTLIER} times their mean. */
async function outliers(scores: BlockScores): Promise<number> {
  const { backend, count } = scores;
  const total = async (measure: (scores: Tensor) => Tensor): Promise<number> => {
    let sum = 0;
    for await (const numbers of scores.read(measure)) sum = numbers.reduce((a, b) => a + b, sum);
    return sum;
  };
  // The sum of every row: its product with a row of ones.
  const sum = await total((scores) => {
    using ones = backend.upload(new Uint8Array(new Float32Array(scores.cols).fill(1).buffer), 1, scores.cols, "F32");
    return backend.linear(scores, ones);
  });
  return await total((scores) => backend.countAbove(scores, OUTLIER * sum / count)) / count;
}

/** Half of a score's bits. */
const HALF = 16, LOWER = 2 ** HALF - 1;

/**
 * The lower median, exactly: scores are not negative, so they stand in the order of their bits. They are counted by the upper
 * half of those, and where the median falls by the lower half.
 */
async function median(scores: BlockScores): Promise<number> {
  const middle = Math.floor((scores.count - 1) / 2);
  const upper = place(await countBy(scores, (bits) => bits >>> HALF), middle);
  const lower = place(await countBy(scores, (bits) => bits >>> HALF === upper.digit ? bits & LOWER : -1), upper.left);
  return new Float32Array(Uint32Array.of(upper.digit << HALF | lower.digit).buffer)[0];
}

/** How many scores have each digit; -1 is none. */
async function countBy(scores: BlockScores, digit: (bits: number) => number): Promise<Float64Array> {
  const counts = new Float64Array(2 ** HALF), { backend } = scores;
  for await (const { buffer } of scores.read((each) => backend.copy(each))) {
    for (const bits of new Uint32Array(buffer)) {
      const at = digit(bits);
      if (at >= 0) counts[at]++;
    }
  }
  return counts;
}

/** The digit of the number of this rank, and its rank among those of the same digit. */
function place(counts: Float64Array, rank: number): { digit: number; left: number } {
  let digit = 0, left = rank;
  while (left >= counts[digit]) left -= counts[digit++];
  return { digit, left };
}
