/** From scores to a pruned weight: the part that all mask-only methods share. */
import type { Backend, Mask, Selection, Tensor } from "../backend/backend.ts";
import type { Group, Linear, Request } from "./method.ts";

function selection(group: Group, rows: number, sparsity: number): Selection {
  const size = group === "row" ? 1 : group === "layer" ? rows : group === "column" ? group : group.block;
  return { group: size, sparsity, rule: "count" };
}

function select(backend: Backend, scores: Tensor, request: Request, own: Selection): Mask {
  if (request.pattern) return backend.selectGroups(scores, request.pattern.n, request.pattern.m);
  if (request.variant) return backend.selectCumulative(scores, request.sparsity);
  return backend.selectSmallest(scores, request.group ? selection(request.group, scores.rows, request.sparsity) : own);
}

/**
 * Removes the weights with the smallest scores: by the request's pattern, variant or group, else by the method's own
 * selection.
 * @param scores F32 out x in; disposed here.
 */
export function removeSmallest(
  backend: Backend,
  linear: Linear,
  scores: Tensor,
  request: Request,
  own: Selection,
): void {
  using owned = scores;
  using mask = select(backend, owned, request, own);
  backend.apply(linear.weight, mask);
}
