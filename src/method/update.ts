/**
 * The weight-update ablation (Wanda, section 5 and Table 8): another method's masks with SparseGPT's update of the weights
 * that stay.
 */
import type { EliminationFormula } from "../backend/backend.ts";
import { PareError } from "../errors.ts";
import type { Method } from "./method.ts";
import { selectMask } from "./select.ts";
import { choose } from "./sparsegpt.ts";

/** `sequential`: the method's mask of the whole linear first; `iterative`: block by block, from updated weights. */
export type Update = "sequential" | "iterative";

/** The updates by name. */
export const UPDATES: readonly Update[] = ["sequential", "iterative"];

/**
 * A method with a weight update.
 * @throws PareError for a method that is not a mask alone, or whose masks cannot be chosen block by block.
 */
export function withUpdate(method: Method, update: Update): Method {
  const { criterion, name } = method;
  if (!UPDATES.includes(update)) throw new PareError(`--update ${update}: expected ${UPDATES.join(" or ")}`);
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
    follows: update === "sequential" ? method.follows : [],
    prune(backend, { weight }, input, request, { blockSize }) {
      if (update === "sequential") {
        using mask = selectMask(backend, weight, input, request, criterion);
        return backend.eliminate(weight, input.factor!, { kind: "mask", mask }, blockSize);
      }
      const formula = criterion.formula(input) as EliminationFormula;
      backend.eliminate(weight, input.factor!, choose(formula, request), blockSize);
    },
  };
}
