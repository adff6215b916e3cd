/** Magnitude pruning (Han et al., 2015): `|W|`, one threshold for the whole linear; the baseline of every table. */
import type { Method } from "./method.ts";
import { removeSmallest } from "./select.ts";

/** Removes the smallest weights of a linear. Needs no calibration. */
export const magnitude: Method = {
  name: "magnitude",
  statistic: "none",
  prune(backend, linear, _statistic, request) {
    const scores = backend.score(linear.weight, { kind: "magnitude" });
    const own = { group: linear.weight.rows, sparsity: request.sparsity, rule: "threshold" } as const;
    removeSmallest(backend, linear, scores, request, own);
  },
};
