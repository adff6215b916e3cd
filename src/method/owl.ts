/**
 * OWL, outlier weighed layerwise sparsity (Yin et al., ICML 2024): blocks whose Wanda scores have more outliers keep more
 * of their weights. Here is what follows from the outlier ratios; `stream/outliers.ts` measures them.
 */

/** A score is an outlier above this many times the mean of its block (the paper's M). */
export const OUTLIER = 5;

/** The densities spread by at most twice this around their mean (the paper's λ). */
export const OWL_SPREAD = 0.08;

/**
 * The sparsity of every block: densities between `mean ± λ`, linear in the outlier ratio, with `1 - sparsity` as their mean.
 * @param ratios Outliers of each block, in any unit.
 * @returns Shares, clamped to [0, 1).
 */
export function owlSparsities(ratios: readonly number[], sparsity: number, spread = OWL_SPREAD): number[] {
  const least = Math.min(...ratios), range = Math.max(...ratios) - least;
  const raised = ratios.map((ratio) => range === 0 ? 0 : (ratio - least) / range * 2 * spread);
  const mean = raised.reduce((a, b) => a + b, 0) / raised.length;
  // The largest number below 1 stands for "all": a share of 1 is no request.
  return raised.map((density) => Math.min(1 - Number.EPSILON, Math.max(0, sparsity + mean - density)));
}
