/**
 * Wanda (Sun, Liu, Bair, Kolter; ICLR 2024), section 3: a weight is worth its magnitude times the norm of its input
 * feature, `|W_ij| · ‖X_j‖₂`, compared within each output row. No weight is updated.
 */
import type { Method } from "./method.ts";
import { byRow, maskMethod } from "./select.ts";

/** Removes, in every row, the weights that matter least for the row's output on the calibration data. */
export const wanda: Method = maskMethod({
  name: "wanda",
  statistic: "squares",
  supports: ["group", "variant"],
  criterion: { formula: ({ squares }) => ({ kind: "activation", statistic: squares! }), defaultSelection: byRow },
});
