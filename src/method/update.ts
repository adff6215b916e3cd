/**
 * Weight updates that go with another method's masks: SparseGPT's (the ablation of Wanda, section 5 and Table 8), and the
 * weights that conjugate gradients find for any mask (`pcg.ts`).
 */
import type { EliminationFormula } from "../backend/backend.ts";
import { PareError } from "../errors.ts";
import { equilibrate } from "./equilibrated.ts";
import type { Effort, Method } from "./method.ts";
import { descend, descent, UPDATE_STEPS } from "./pcg.ts";
import { selectMask } from "./select.ts";
import { choose, eliminating, ELIMINATION } from "./sparsegpt.ts";

/**
 * SparseGPT's, `sequential`: with the method's mask of the whole linear; `iterative`: block by block, from updated weights.
 * `pcg`: conjugate gradients, from the weights that the method leaves.
 */
export type Update = "sequential" | "iterative" | "pcg";

/** The updates by name. */
export const UPDATES: readonly Update[] = ["sequential", "iterative", "pcg"];

/**
 * A method with a weight update.
 * @throws PareError for a method that is not a mask alone, or whose masks cannot be chosen block by block; pcg takes any.
 */
export function withUpdate(method: Method, update: Update): Method {
  if (!UPDATES.includes(update)) {
    throw new PareError(`--update ${update}: expected ${UPDATES.slice(0, -1).join(", ")} or ${UPDATES.at(-1)}`);
  }
  return update === "pcg" ? withDescent(method) : withElimination(method, update);
}

function withElimination(method: Method, update: "sequential" | "iterative"): Method {
  const { criterion, name } = method;
  if (!criterion) throw new PareError(`--update ${update}: ${name} has its own update of the weights`);
  // What kind of formula it is does not depend on the input.
  if (update === "iterative" && criterion.formula({}).kind === "relative") {
    throw new PareError(
      `--update iterative: ${name} judges a weight by sums over the whole linear, not block by block`,
    );
  }
  return {
    ...method,
    statistic: "gram",
    criterion: undefined,
    effort: ELIMINATION,
    supports: [...update === "sequential" ? method.supports : [], "blocks"],
    begin: (backend, input, solve) =>
      eliminating(backend, input, solve, (weight, factor, request, blockSize) => {
        if (update === "iterative") {
          const formula = criterion.formula(input) as EliminationFormula;
          return backend.eliminate(weight, factor, choose(formula, request), blockSize);
        }
        using mask = selectMask(backend, weight, input, request, criterion);
        return backend.eliminate(weight, factor, { kind: "mask", mask }, blockSize);
      }),
  };
}

function withDescent(method: Method): Method {
  return {
    ...method,
    statistic: "gram",
    criterion: undefined,
    damping: "auto",
    effort: method.effort ? both(method.effort, descent(UPDATE_STEPS)) : descent(UPDATE_STEPS),
    supports: [...method.supports, "steps"],
    async begin(backend, input, solve) {
      using scope = new DisposableStack();
      const inner = await method.begin(backend, input, solve);
      if (!inner) return undefined;
      scope.use(inner);
      const scale = await equilibrate(backend, input, solve), { steps = UPDATE_STEPS } = solve;
      if (!scale) return undefined;
      scope.use(scale);
      const owned = scope.move();
      return {
        damping: inner.damping ?? solve.damping,
        async prune(linear, request) {
          using own = linear.dense ? undefined : backend.copy(linear.weight), made = new DisposableStack();
          const dense = (linear.dense ?? own)!, mask = made.use(await inner.prune(linear, request));
          using x = scale.scaled(linear.weight);
          await descend(backend, scale, { dense, x, mask }, { steps, heldOut: input.heldOut });
          scale.store(linear.weight, x, mask);
          made.move(); // it is the caller's
          return mask;
        },
        [Symbol.dispose]: () => owned.dispose(),
      };
    },
  };
}

/** One work after another, with what both have made of the input. */
function both(one: Effort, other: Effort): Effort {
  return {
    holds: {
      inputs: one.holds.inputs + other.holds.inputs,
      weights: Math.max(one.holds.weights, other.holds.weights),
    },
    begin: (cols) => one.begin(cols) + other.begin(cols),
    prune: (rows, cols) => one.prune(rows, cols) + other.prune(rows, cols),
  };
}
