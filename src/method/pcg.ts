/**
 * The weights that are best for a mask, by preconditioned conjugate gradients on all rows at once (ALPS; Meng, Behdin, Wang,
 * Mazumder, NeurIPS 2024, algorithm 2): `tr((W - Ŵ) H (W - Ŵ)ᵀ)` falls from step to step, and a step is one product of a
 * linear's size with its Hessian. The preconditioner is the diagonal, which the scale takes up (`equilibrated.ts`).
 */
import type { Backend, Mask, Tensor } from "../backend/backend.ts";
import type { Equilibrated } from "./equilibrated.ts";
import type { Effort } from "./method.ts";

/** Steps of the published code. There is no test for an end, so that time is known before. */
export const STEPS = 10;

/** A product a step and one before them; the dense weights twice, where they are, the residual, the direction and a product. */
export const DESCENT: Effort = {
  holds: { inputs: 1, weights: 6 },
  begin: (cols) => 2 * cols ** 2,
  prune: (rows, cols) => 2 * (STEPS + 1) * rows * cols ** 2,
};

/**
 * Moves weights, in place, towards those that are best for a mask.
 * @param target The dense weights in the scale of the Hessian.
 * @param x Weights in that scale, zero where the mask removes.
 */
export function descend(
  backend: Backend,
  { hessian }: Equilibrated,
  target: Tensor,
  x: Tensor,
  mask: Mask,
  steps = STEPS,
): void {
  using r = pullOf(backend, hessian, target, x);
  backend.apply(r, mask);
  using p = backend.copy(r);
  for (let step = 0; step < steps; step++) {
    using product = backend.linear(p, hessian);
    backend.conjugate({ x, r, p }, product, mask);
  }
}

/** `(B - X) G`: the negative half gradient. */
function pullOf(backend: Backend, hessian: Tensor, target: Tensor, x: Tensor): Tensor {
  using missing = backend.combine([{ tensor: target, kept: 1 }, { tensor: x, kept: -1 }]);
  return backend.linear(missing, hessian);
}
