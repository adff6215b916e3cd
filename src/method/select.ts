/** From scores to a pruned weight: what all methods that only mask share. */
import type { Backend, Mask, Selection, Tensor } from "../backend/backend.ts";
import type { Criterion, Group, Input, Method, Request } from "./method.ts";

function selection(group: Group, rows: number, sparsity: number): Selection {
  const size = group === "row" ? 1 : group === "layer" ? rows : group === "column" ? group : group.block;
  return { group: size, sparsity, rule: "count" };
}

/** The mask by the request's pattern, variant or group, else by the method's own selection. */
export function selectMask(
  backend: Backend,
  weight: Tensor,
  input: Input,
  { sparsity, pattern, variant, group }: Request,
  { formula, own }: Criterion,
): Mask {
  using scores = backend.score(weight, formula(input));
  if (pattern) return backend.selectGroups(scores, pattern.n, pattern.m);
  if (variant) return backend.selectCumulative(scores, sparsity);
  const { rows } = weight;
  return backend.selectSmallest(scores, group ? selection(group, rows, sparsity) : own(rows, sparsity));
}

/** The method that removes what a criterion finds least worth, and changes nothing else. */
export function maskMethod(of: Omit<Method, "prune"> & { readonly criterion: Criterion }): Method {
  return {
    ...of,
    prune(backend, { weight }, input, request) {
      using mask = selectMask(backend, weight, input, request, of.criterion);
      backend.apply(weight, mask);
    },
  };
}

/** In every row the `floor(cols * sparsity)` smallest: Wanda's own comparison, and what came after it. */
export function byRow(_rows: number, sparsity: number): Selection {
  return selection("row", 1, sparsity);
}
