/**
 * SparseGPT (Frantar & Alistarh, ICML 2023), algorithm 1: columns are pruned from left to right, and what a removed weight
 * leaves undone is taken over by the weights to its right, as the inverse Hessian of the inputs says. A weight is worth
 * `w² / U_jj²`, compared within a block of columns over all rows, or within n:m.
 */
import type { Backend, Choice, EliminationFormula, InverseFactor, Mask, Tensor } from "../backend/backend.ts";
import {
  DEFAULT_SOLVER_OPTIONS,
  type Effort,
  type Input,
  type InputSolverOptions,
  type Method,
  type Pruner,
  type Request,
} from "./method.ts";

/** The choice that a request makes, block after block, of weights worth so much. */
export function choose(formula: EliminationFormula, { sparsity, pattern }: Request): Choice {
  return pattern ? { kind: "groups", formula, ...pattern } : { kind: "threshold", formula, sparsity };
}

/** Of an elimination: its factor, the copy that it works on, and the dense weight that the error is measured with. */
export const ELIMINATION: Effort = {
  holds: { inputs: 1, weights: 2 },
  begin: (cols) => 2 / 3 * cols ** 3,
  prune: (rows, cols) => rows * cols ** 2,
};

/** What prunes by an elimination with the factor of an input's Hessian. */
export async function eliminating(
  backend: Backend,
  { hessian }: Input,
  { damping, blockSize = DEFAULT_SOLVER_OPTIONS.blockSize }: InputSolverOptions,
  eliminate: (weight: Tensor, factor: InverseFactor, request: Request, blockSize: number) => Mask,
): Promise<Pruner | undefined> {
  const factor = await backend.inverseFactor(hessian!, damping);
  return factor && {
    damping: factor.damping,
    prune: ({ weight }, request) => eliminate(weight, factor, request, blockSize),
    [Symbol.dispose]: () => factor[Symbol.dispose](),
  };
}

/** Removes weights and updates those that stay. */
export const sparsegpt: Method = {
  name: "sparsegpt",
  statistic: "gram",
  supports: ["blocks"],
  effort: ELIMINATION,
  begin: (backend, input, solve) =>
    eliminating(
      backend,
      input,
      solve,
      (weight, factor, request, blockSize) =>
        backend.eliminate(weight, factor, choose({ kind: "curvature" }, request), blockSize),
    ),
};
