/**
 * The weights that are best for a mask, by preconditioned conjugate gradients on all rows at once (ALPS; Meng, Behdin, Wang,
 * Mazumder, NeurIPS 2024, algorithm 2): `tr((W - Ŵ) H (W - Ŵ)ᵀ)` falls from step to step, and a step is one product of a
 * linear's size with its Hessian. The preconditioner is the diagonal, which the scale takes up (`equilibrated.ts`).
 */
import type { Backend, Descent, Mask, Tensor } from "../backend/backend.ts";
import type { Equilibrated } from "./equilibrated.ts";
import type { Effort } from "./method.ts";

/** Steps of the published code. There is no test for an end, so that time is known before. */
export const STEPS = 10;

/**
 * Steps of an update: half of what the published ones cost. On the model that comes with Pare (32 sequences of 256 tokens) Wanda's
 * masks end at 50 %, 60 % and 2:4 at a perplexity of 26.08, 38.47 and 40.72, after 10 at 26.05, 38.40 and 40.72.
 */
export const UPDATE_STEPS = 5;

/** Rows are solved for in so many parts, one after the other: none knows of another, and what a part holds goes with it. */
const PARTS = 4;

/**
 * A product a step and one before them. It holds the dense weights, those that it moves, and of a part of them: what moves, the
 * residual, the direction and a product.
 */
export const descent = (steps: number): Effort => ({
  holds: { inputs: 1, weights: 3 },
  begin: (cols) => 2 * cols ** 2,
  prune: (rows, cols) => 2 * (steps + 1) * rows * cols ** 2,
});

/**
 * Where tokens that are held out are looked at, matrices of a linear's size, the dense weights among them: all of what is held of
 * a part else, and the weights as they were before a step and as they are now.
 */
export const WATCHED_WEIGHTS = 6;

/** What is moved. */
export interface Start {
  /** The dense weights, as they are. */
  readonly dense: Tensor;
  /** Weights in the scale of the Hessian, F32, zero where the mask removes. */
  readonly x: Tensor;
  readonly mask: Mask;
}

/** How weights are moved. */
export interface DescentOptions {
  /** At most so many steps; the published 10 unless given. */
  readonly steps?: number;
  /**
   * The Hessian of tokens that are held out: a step by which more of their output is lost is not taken, and is the last. What
   * is lost is of all rows: they are not solved for in parts then.
   */
  readonly heldOut?: Tensor;
}

/** Moves weights, in place, towards those that are best for a mask. */
export async function descend(
  backend: Backend,
  scale: Equilibrated,
  { dense, x, mask }: Start,
  { steps = STEPS, heldOut }: DescentOptions = {},
): Promise<void> {
  if (heldOut) return await descendWatched(backend, scale, { dense, x, mask }, steps, heldOut);
  const most = Math.ceil(x.rows / PARTS);
  for (let first = 0; first < x.rows; first += most) {
    const rows = Uint32Array.from({ length: Math.min(most, x.rows - first) }, (_, i) => first + i);
    using part = rowsOf(backend, x, rows), kept = backend.maskRows(mask, first, rows.length);
    using r = residual(backend, scale, rowsOf(backend, dense, rows), part, kept), p = backend.copy(r);
    for (let step = 0; step < steps; step++) advance(backend, scale, { x: part, r, p }, kept);
    backend.setRows(x, part, rows);
  }
}

/** All rows together, with a look at what every step does to tokens that are held out. */
async function descendWatched(
  backend: Backend,
  scale: Equilibrated,
  { dense, x, mask }: Start,
  steps: number,
  heldOut: Tensor,
): Promise<void> {
  using r = residual(backend, scale, backend.combine([{ tensor: dense, kept: 1 }]), x, mask), p = backend.copy(r);
  let least = await lostOf(backend, scale, dense, x, heldOut);
  for (let step = 0; step < steps; step++) {
    using before = backend.copy(x);
    advance(backend, scale, { x, r, p }, mask);
    const lost = await lostOf(backend, scale, dense, x, heldOut);
    if (lost > least) return backend.assign(x, before);
    least = lost;
  }
}

/** A step. */
function advance(backend: Backend, { hessian }: Equilibrated, descent: Descent, mask: Mask): void {
  using product = backend.linear(descent.p, hessian);
  backend.conjugate(descent, product, mask);
}

/** Some rows of a matrix, as F32. */
function rowsOf(backend: Backend, matrix: Tensor, rows: Uint32Array): Tensor {
  const part = backend.allocate(rows.length, matrix.cols);
  backend.embed(part, rows, matrix, 0);
  return part;
}

/** `(B - X) G` on what the mask keeps, the negative half gradient; the dense weights, F32, are disposed of. */
function residual(
  backend: Backend,
  { hessian, columns }: Equilibrated,
  dense: Tensor,
  x: Tensor,
  mask: Mask,
): Tensor {
  using missing = dense;
  backend.combineInto([{ tensor: missing, kept: 1 }, { tensor: x, kept: -1, unscaled: true }], { columns });
  const r = backend.linear(missing, hessian);
  backend.apply(r, mask);
  return r;
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
