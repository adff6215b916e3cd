/**
 * Masks and weights together by the alternating direction method of multipliers. `admm` is L-ADMM (Boža, "Fast and Effective
 * Weight Update for Pruned Large Language Models", TMLR 2024), with the mask chosen anew in each of its first steps; `alps`
 * (`alps.ts`) is the same iteration with a penalty that grows until the mask settles.
 *
 * In the scale of `equilibrated.ts`, with B the dense weights, G the Hessian, Z the weights that the mask keeps and U the scaled
 * multiplier, a step is `X = (B G + ρ (Z - U)) (G + ρI)⁻¹`. Three things make it short. `X = B + (Z - U - B) ρ (G + ρI)⁻¹`, so no
 * `B G` is held. With `Y = X + U`, Z is Y where it is kept and 0 elsewhere, and U, after it has taken up `X - Z`, 0 where it
 * is kept and Y elsewhere: so Y and the mask are all that goes from step to step. And B is the weight itself, which stays as it
 * is until the end, times the scale: a step holds two matrices of its size.
 */
import type { Backend, Mask, Tensor } from "../backend/backend.ts";
import { equilibrate, type Equilibrated } from "./equilibrated.ts";
import { Latest } from "./latest.ts";
import type { Method, Request } from "./method.ts";
import { selectBy, selection } from "./select.ts";

/** Steps of the published code, and in how many of them the mask is chosen. */
const STEPS = 20, CHOOSING = 15;
/** The penalty: the Hessian's diagonal is 1. */
const PENALTY = 1;

/** Of what a {@linkcode resolvent} is made. */
export interface ResolventOptions {
  /** The δ; 0 unless given. */
  readonly damping?: number;
  /** Whether nobody asks for the scaled Hessian after it: it is disposed of then, as soon as it can be. */
  readonly last?: boolean;
}

/**
 * `ρ (G + δI + ρI)⁻¹`, F32 in x in, from the factor that eliminations have; undefined if it cannot be inverted.
 * @param penalty The ρ.
 */
export async function resolvent(
  backend: Backend,
  { hessian }: Equilibrated,
  penalty: number,
  { damping = 0, last = false }: ResolventOptions = {},
): Promise<Tensor | undefined> {
  using factor = await backend.inverseFactor(hessian, damping + penalty);
  // With a penalty far above rounding only a matrix that is no second moment needs more.
  if (factor?.damping !== damping + penalty) return undefined;
  if (last) hessian[Symbol.dispose]();
  using sums = backend.allocate(2 * hessian.rows, hessian.cols);
  backend.addGram(sums, factor.upper);
  factor[Symbol.dispose]();
  return backend.finish(sums, penalty);
}

/** Operations of {@linkcode resolvent}: the factor, and its product with itself. */
export const inverting = (cols: number) => 5 / 3 * cols ** 3;

/** The mask of the smallest weights in this scale, F32, compared within the whole linear unless the request says otherwise. */
export function select(backend: Backend, weights: Tensor, request: Request): Mask {
  return selectBy(backend, weights, request, selection("layer", weights.rows, request.sparsity));
}

/**
 * Begins a step.
 * @param y `X + U`; it becomes `Z - U - B`, which {@linkcode follow} needs.
 * @param carry What the multiplier is multiplied with, where the penalty has changed since.
 * @returns `(Z - U - B) ρ (G + ρI)⁻¹`: what is to be added to B to get X.
 */
export function pull(
  backend: Backend,
  { columns }: Equilibrated,
  dense: Tensor,
  y: Tensor,
  mask: Mask,
  inverse: Tensor,
  carry = 1,
): Tensor {
  const terms = [{ tensor: y, kept: 1, removed: -carry, unscaled: true }, { tensor: dense, kept: -1 }];
  backend.combineInto(terms, { mask, columns });
  return backend.linear(y, inverse);
}

/** Ends it: what {@linkcode pull} gave becomes `X + U`, by what it left of y. Where a weight is removed that is -U - B. */
export function follow(
  backend: Backend,
  { columns }: Equilibrated,
  dense: Tensor,
  left: Tensor,
  mask: Mask,
  product: Tensor,
): void {
  backend.combineInto([
    { tensor: product, kept: 1, unscaled: true },
    { tensor: dense, kept: 1, removed: 0 },
    { tensor: left, kept: 0, removed: -1, unscaled: true },
  ], { mask, columns });
}

/** L-ADMM, with the whole sparsity from the first step on, as the published code has it by default. */
export const admm: Method = {
  name: "admm",
  statistic: "gram",
  supports: ["group"],
  damping: "auto",
  // The factor and the sums of the inverse, then these and the inverse; the dense weights, Y, and the next Y.
  effort: {
    holds: { inputs: 3, weights: 3 },
    begin: inverting,
    prune: (rows, cols) => 2 * STEPS * rows * cols ** 2,
  },
  async begin(backend, input, { damping }) {
    using scope = new DisposableStack();
    const scale = await equilibrate(backend, input, { damping: 0, clearDead: true });
    if (!scale) return undefined;
    scope.use(scale);
    const inverse = await resolvent(backend, scale, PENALTY, { damping, last: true });
    if (!inverse) return undefined;
    scope.use(inverse);
    const owned = scope.move();
    return {
      damping,
      prune({ weight }, request) {
        using y = new Latest(scale.scaled(weight)), mask = new Latest(select(backend, y.value, request));
        for (let step = 1; step <= STEPS; step++) {
          if (step > 1 && step <= CHOOSING) mask.value = select(backend, y.value, request);
          using next = new Latest(pull(backend, scale, weight, y.value, mask.value, inverse));
          follow(backend, scale, weight, y.value, mask.value, next.value);
          y.value = next.release();
        }
        scale.store(weight, y.value, mask.value);
        return mask.release();
      },
      [Symbol.dispose]: () => owned.dispose(),
    };
  },
};
