/** No pruning: what is zero stays zero, and nothing else goes. For a pass that is about the weights that are kept. */
import type { Method } from "./method.ts";

/** Finds what is removed already. */
export const keep: Method = {
  name: "keep",
  statistic: "none",
  supports: [],
  begin: (backend) => ({
    prune: ({ weight }) => backend.zeros(weight),
    [Symbol.dispose]() {},
  }),
};
