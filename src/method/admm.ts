/**
 * Masks and weights together by the alternating direction method of multipliers. `admm` is L-ADMM (Boža, "Fast and Effective
 * Weight Update for Pruned Large Language Models", TMLR 2024), with the mask chosen anew in each of its first steps; `alps`
 * (`alps.ts`) is the same iteration with a penalty that grows until the mask settles.
 *
 * In the scale of `equilibrated.ts`, with B the dense weights, G the Hessian, Z the weights that the mask keeps and U the scaled
 * multiplier, a step is `X = (B G + ρ (Z - U)) (G + ρI)⁻¹`. Two things make it short. `X = B + (Z - U - B) ρ (G + ρI)⁻¹`, so no
 * `B G` is held. And with `Y = X + U`, Z is Y where it is kept and 0 elsewhere, and U, after it has taken up `X - Z`, 0 where it
 * is kept and Y elsewhere: so Y and the mask are all that goes from step to step.
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

/**
 * `ρ (G + δI + ρI)⁻¹`, F32 in x in, from the factor that eliminations have; undefined if it cannot be inverted.
 * @param penalty The ρ.
 * @param damping The δ.
 */
export async function resolvent(
  backend: Backend,
  { hessian }: Equilibrated,
  penalty: number,
  damping = 0,
): Promise<Tensor | undefined> {
  using sums = backend.allocate(2 * hessian.rows, hessian.cols);
  {
    using factor = await backend.inverseFactor(hessian, damping + penalty);
    // With a penalty far above rounding only a matrix that is no second moment needs more.
    if (factor?.damping !== damping + penalty) return undefined;
    backend.addGram(sums, factor.upper);
  }
  return backend.finish(sums, penalty);
}

/** Operations of {@linkcode resolvent}: the factor, and its product with itself. */
export const inverting = (cols: number) => 5 / 3 * cols ** 3;

/** The mask of what counts least in this scale, compared within the whole linear unless the request says otherwise. */
export function select(backend: Backend, weights: Tensor, request: Request): Mask {
  using scores = backend.score(weights, { kind: "magnitude" });
  return selectBy(backend, scores, request, selection("layer", weights.rows, request.sparsity));
}

/**
 * The product of a step, `(Z - U - B) ρ (G + ρI)⁻¹`: what is to be added to B to get X.
 * @param carry What the multiplier is multiplied with, where the penalty has changed since.
 */
export function pulled(backend: Backend, target: Tensor, y: Tensor, mask: Mask, inverse: Tensor, carry = 1): Tensor {
  using apart = backend.combine([{ tensor: y, kept: 1, removed: -carry }, { tensor: target, kept: -1 }], { mask });
  return backend.linear(apart, inverse);
}

/** `X + U`, from what {@linkcode pulled} gave. */
export function follow(backend: Backend, target: Tensor, y: Tensor, mask: Mask, product: Tensor, carry = 1): Tensor {
  const terms = [{ tensor: product, kept: 1 }, { tensor: target, kept: 1 }, { tensor: y, kept: 0, removed: carry }];
  return backend.combine(terms, { mask });
}

/** L-ADMM, with the whole sparsity from the first step on, as the published code has it by default. */
export const admm: Method = {
  name: "admm",
  statistic: "gram",
  supports: ["group"],
  damping: "auto",
  // The scaled Hessian, and sums and factor, then sums and inverse; the dense weights, Y and the next, and a product's two.
  effort: {
    holds: { inputs: 4, weights: 5 },
    begin: inverting,
    prune: (rows, cols) => 2 * STEPS * rows * cols ** 2,
  },
  async begin(backend, input, { damping }) {
    using scope = new DisposableStack();
    const scale = await equilibrate(backend, input, { damping: 0, clearDead: true });
    if (!scale) return undefined;
    scope.use(scale);
    const inverse = await resolvent(backend, scale, PENALTY, damping);
    if (!inverse) return undefined;
    scope.use(inverse);
    const owned = scope.move();
    return {
      damping,
      prune({ weight }, request) {
        using target = scale.scaled(weight);
        using y = new Latest(backend.copy(target)), mask = new Latest(select(backend, target, request));
        for (let step = 1; step <= STEPS; step++) {
          if (step > 1 && step <= CHOOSING) mask.value = select(backend, y.value, request);
          using product = pulled(backend, target, y.value, mask.value, inverse);
          y.value = follow(backend, target, y.value, mask.value, product);
        }
        scale.store(weight, y.value, mask.value);
        return mask.release();
      },
      [Symbol.dispose]: () => owned.dispose(),
    };
  },
};
