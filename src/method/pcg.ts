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

/**
 * Steps of an update: half of what the published ones cost. On the model that comes with Pare (32 sequences of 256 tokens) Wanda's
 * masks end at 50 %, 60 % and 2:4 at a perplexity of 26.08, 38.47 and 40.72, after 10 at 26.05, 38.40 and 40.72.
 */
export const UPDATE_STEPS = 5;

/**
 * A product a step and one before them; the dense weights, where they are, the residual, the direction and a product. Before the
 * steps the dense weights in their scale, where they are, what is missing and its product.
 */
export const descent = (steps: number): Effort => ({
  holds: { inputs: 1, weights: 5 },
  begin: (cols) => 2 * cols ** 2,
  prune: (rows, cols) => 2 * (steps + 1) * rows * cols ** 2,
});

/** How weights are moved. */
export interface DescentOptions {
  /** At most so many steps; the published 10 unless given. */
  readonly steps?: number;
  /** The Hessian of tokens that are held out: a step by which more of their output is lost is not taken, and is the last. */
  readonly heldOut?: Tensor;
}

/** What a descent begins with. */
export interface Gap extends Disposable {
  /** The negative half gradient on what the mask keeps: `(B - X) G`. */
  readonly residual: Tensor;
  /** The dense weights in their own scale, where tokens that are held out are to be looked at. */
  readonly dense?: Tensor;
}

/**
 * How far weights are from those that are best for a mask: all that a descent must know of the dense ones.
 * @param target The dense weights in the scale of the Hessian.
 * @param x Weights in that scale, zero where the mask removes.
 */
export function gapOf(
  backend: Backend,
  scale: Equilibrated,
  target: Tensor,
  x: Tensor,
  mask: Mask,
  heldOut?: Tensor,
): Gap {
  using scope = new DisposableStack();
  const residual = scope.use(pullOf(backend, scale, target, x));
  backend.apply(residual, mask);
  const dense = heldOut && scope.use(scale.plain(target)), owned = scope.move();
  return { residual, dense, [Symbol.dispose]: () => owned.dispose() };
}

/**
 * Moves weights, in place, towards those that are best for a mask.
 * @param gap How far they are; it ends as what is left of it.
 * @param x Weights in the scale of the Hessian, zero where the mask removes.
 */
export async function descend(
  backend: Backend,
  scale: Equilibrated,
  { residual: r, dense }: Gap,
  x: Tensor,
  mask: Mask,
  { steps = STEPS, heldOut }: DescentOptions = {},
): Promise<void> {
  using p = backend.copy(r);
  let least = heldOut && await lostOf(backend, scale, dense!, x, heldOut);
  for (let step = 0; step < steps; step++) {
    using before = heldOut && backend.copy(x), product = backend.linear(p, scale.hessian);
    backend.conjugate({ x, r, p }, product, mask);
    if (!heldOut) continue;
    const lost = await lostOf(backend, scale, dense!, x, heldOut);
    if (lost > least!) return backend.assign(x, before!);
    least = lost;
  }
}

/** What is lost of the dense weights' output on tokens with this Hessian. */
async function lostOf(
  backend: Backend,
  scale: Equilibrated,
  dense: Tensor,
  x: Tensor,
  hessian: Tensor,
): Promise<number> {
  using now = scale.plain(x), error = backend.error(dense, now, hessian);
  const [bytes] = await backend.read(error);
  return new Float32Array(bytes.buffer)[0];
}

/** `(B - X) G`: the negative half gradient. */
function pullOf(backend: Backend, { hessian }: Equilibrated, target: Tensor, x: Tensor): Tensor {
  using missing = backend.combine([{ tensor: target, kept: 1 }, { tensor: x, kept: -1 }]);
  return backend.linear(missing, hessian);
}
