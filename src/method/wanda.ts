/**
 * Wanda (Sun, Liu, Bair, Kolter; ICLR 2024), section 3: a weight is worth its magnitude times the norm of its input
 * feature, `|W_ij| · ‖X_j‖₂`, compared within each output row. No weight is updated.
 */
import type { Method } from "./method.ts";
import { removeSmallest } from "./select.ts";

/** Removes, in every row, the weights that matter least for the row's output on the calibration data. */
export const wanda: Method = {
  name: "wanda",
  statistic: "squares",
  prune(backend, linear, statistic, request) {
    const scores = backend.score(linear.weight, { kind: "activation", statistic: statistic! });
    removeSmallest(backend, linear, scores, request, { group: 1, sparsity: request.sparsity, rule: "count" });
  },
};
