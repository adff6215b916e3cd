/**
 * How sparsity is shared out among blocks: an allocation is a value, as a method is. It says what it must know of every block of
 * the dense model, and makes sparsities of it whose mean is what was asked. Here are the formulas; `stream/blocks.ts` measures.
 */

/** A score is an outlier above this many times the mean of its block (OWL's M). */
export const OUTLIER = 5;

/** Half of how far densities may spread: OWL's λ, and DLP's α. */
export const OWL_SPREAD = 0.08, DLP_SPREAD = 0.15;

/**
 * From the first block to the last, whatever their number. Of some spreads on the fixture this one was best for all methods at
 * 60 %; more sparsity wants more.
 */
const ATP_SPREAD = 0.1;

/** What can be known of a block's Wanda scores on the dense model: the share of outliers, or their lower median. */
export type BlockStatistic = "outliers" | "median";

/** See the file's head. */
export interface Allocation {
  /** What a user calls it. */
  readonly name: string;
  /** What it asks to know of every block. */
  readonly statistic?: BlockStatistic;
  /**
   * The sparsity of every block, in [0, 1).
   * @param blocks What it asked to know of each block that is pruned, in their order; their numbers, if it asks nothing.
   */
  share(blocks: readonly number[], sparsity: number): number[];
}

/**
 * Sparsities that fall as importance rises: linear in it, over a range of twice `half`, with `sparsity` as their mean.
 * @param importance Of each block, in any unit.
 */
function spread(importance: readonly number[], sparsity: number, half: number): number[] {
  const least = Math.min(...importance), range = Math.max(...importance) - least;
  const raised = importance.map((value) => range === 0 ? 0 : (value - least) / range * 2 * half);
  const mean = raised.reduce((a, b) => a + b, 0) / raised.length;
  return raised.map((density) => clamped(sparsity + mean - density));
}

/** The largest number below 1 stands for "all": a share of 1 is no request. */
const clamped = (share: number) => Math.min(1 - Number.EPSILON, Math.max(0, share));

/** The same for all. */
export const uniform: Allocation = { name: "uniform", share: (blocks, sparsity) => blocks.map(() => sparsity) };

/**
 * OWL, outlier weighed layerwise sparsity (Yin et al., ICML 2024): blocks whose Wanda scores have more outliers keep more of
 * their weights.
 */
export const owl: Allocation = {
  name: "owl",
  statistic: "outliers",
  share: (ratios, sparsity) => spread(ratios, sparsity, OWL_SPREAD),
};

/**
 * DLP, dynamic layerwise pruning (Chen et al., ICML 2025): blocks whose median score is low keep more. Its importance,
 * `1 - median / Σ median`, is linear in the negative median, and a spread takes no notice of more.
 */
export const dlp: Allocation = {
  name: "dlp",
  statistic: "median",
  share: (medians, sparsity) => spread(medians.map((median) => -median), sparsity, DLP_SPREAD),
};

/** ATP (Huang et al., ICML 2025): sparsity rises from block to block by the same step. */
export const atp: Allocation = {
  name: "atp",
  share: (blocks, sparsity) => spread(blocks.map((_, position) => -position), sparsity, ATP_SPREAD / 2),
};

/** Every allocation, by its name. */
export const ALLOCATIONS: ReadonlyMap<string, Allocation> = new Map(
  [uniform, owl, dlp, atp].map((allocation) => [allocation.name, allocation]),
);
