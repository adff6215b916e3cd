/** From scores to a pruned weight: what all methods that only mask share. */
import type { Backend, Mask, Selection, Tensor } from "../backend/backend.ts";
import type { Criterion, Group, Input, Method, Request } from "./method.ts";

/** Selects exactly the share of every group, ties to the lower row-major index. */
export function selection(group: Group, rows: number, sparsity: number): Selection {
  const size = group === "row" ? 1 : group === "layer" ? rows : group === "column" ? group : group.block;
  return { group: size, sparsity, rule: "count" };
}

/** The mask of the smallest scores by the request's pattern, variant or group, else by a method's own selection. */
export function selectBy(
  backend: Backend,
  scores: Tensor,
  { sparsity, pattern, variant, group }: Request,
  defaultSelection: Selection,
): Mask {
  if (pattern) return backend.selectGroups(scores, pattern.n, pattern.m);
  if (variant) return backend.selectCumulative(scores, sparsity);
  return backend.selectSmallest(scores, group ? selection(group, scores.rows, sparsity) : defaultSelection);
}

/** The mask of what a criterion finds least worth. */
export function selectMask(
  backend: Backend,
  weight: Tensor,
  input: Input,
  request: Request,
  { formula, defaultSelection }: Criterion,
): Mask {
  using scores = backend.score(weight, formula(input));
  return selectBy(backend, scores, request, defaultSelection(weight.rows, request.sparsity));
}

/** The method that removes what a criterion finds least worth, and changes nothing else. */
export function maskMethod(of: Omit<Method, "begin"> & { readonly criterion: Criterion }): Method {
  return {
    ...of,
    begin: (backend, input) => ({
      prune({ weight }, request) {
        const mask = selectMask(backend, weight, input, request, of.criterion);
        backend.apply(weight, mask);
        return mask;
      },
      [Symbol.dispose]() {},
    }),
  };
}

/** In every row the `floor(cols * sparsity)` smallest: Wanda's own comparison, and what came after it. */
export function byRow(_rows: number, sparsity: number): Selection {
  return selection("row", 1, sparsity);
}
