/**
 * RIA, relative importance and activations (Zhang et al., "Plug-and-Play: An Efficient Post-training Pruning Method for
 * Large Language Models", ICLR 2024, equations 2 and 3): a weight's share of its row and of its column, times the root of
 * its input's norm (a = 1/2), compared within each output row.
 */
import type { Method } from "./method.ts";
import { byRow, maskMethod } from "./select.ts";

/**
 * As Wanda, but spares rows and columns whose weights are all small. The formula takes the mean over sequences where the
 * paper has the sum: a factor that all weights of a linear share.
 */
export const ria: Method = maskMethod({
  name: "ria",
  statistic: "squares",
  supports: ["group"],
  criterion: { formula: ({ squares }) => ({ kind: "relative", statistic: squares! }), defaultSelection: byRow },
});
