/** Magnitude pruning (Han et al., 2015): `|W|`, one threshold for the whole linear; the baseline of every table. */
import type { Method } from "./method.ts";
import { maskMethod } from "./select.ts";

/** Removes the smallest weights of a linear. Needs no calibration. */
export const magnitude: Method = maskMethod({
  name: "magnitude",
  statistic: "none",
  supports: ["group"],
  criterion: {
    formula: () => ({ kind: "magnitude" }),
    defaultSelection: (rows, sparsity) => ({ group: rows, sparsity, rule: "threshold" }),
  },
});
