/**
 * SparseGPT (Frantar & Alistarh, ICML 2023), algorithm 1: columns are pruned from left to right, and what a removed weight
 * leaves undone is taken over by the weights to its right, as the inverse Hessian of the inputs says. A weight is worth
 * `w² / U_jj²`, compared within a block of columns over all rows, or within n:m.
 */
import type { Choice, EliminationFormula } from "../backend/backend.ts";
import type { Method, Request } from "./method.ts";

/** The choice that a request makes, block after block, of weights worth so much. */
export function choose(formula: EliminationFormula, { sparsity, pattern }: Request): Choice {
  return pattern ? { kind: "groups", formula, ...pattern } : { kind: "threshold", formula, sparsity };
}

/** Removes weights and updates those that stay. */
export const sparsegpt: Method = {
  name: "sparsegpt",
  statistic: "gram",
  follows: [],
  prune(backend, { weight }, { factor }, request, { blockSize }) {
    backend.eliminate(weight, factor!, choose({ kind: "curvature" }, request), blockSize);
  },
};
