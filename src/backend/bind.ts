/**
 * How a realisation becomes a backend: one function of its context and the arguments for every operation. Whatever is called,
 * the shapes are checked by the operation's declaration, then that every tensor and mask among the arguments is this
 * backend's own and alive; so a realisation does neither.
 */
import type { Backend, Mask, Operations, PackedWeight, Tensor } from "./backend.ts";
import { OPERATIONS } from "./operations/mod.ts";

/** An argument as a realisation gets it: its tensors and masks, however deep, are the realisation's own. */
export type Owned<A, T extends Tensor, M extends Mask, P extends PackedWeight> = A extends ArrayBufferView ? A
  : A extends (...args: never[]) => unknown ? A
  : A extends Tensor ? T
  : A extends PackedWeight ? P
  : A extends Mask ? M
  : A extends object ? { [K in keyof A]: Owned<A[K], T, M, P> }
  : A;

/** An operation as a realisation computes it. */
type Realised<F, C, T extends Tensor, M extends Mask, P extends PackedWeight> = F extends // deno-lint-ignore no-explicit-any
(...args: infer A extends any[]) => infer R ? (context: C, ...args: { [K in keyof A]: Owned<A[K], T, M, P> }) => R
  : never;

/** All operations of a realisation, by their names. */
export type Realisation<C, T extends Tensor, M extends Mask, P extends PackedWeight> = {
  readonly [K in keyof Operations]: Realised<Operations[K], C, T, M, P>;
};

/** What a backend owns. */
type Held = Tensor | Mask | PackedWeight;

/** What a backend is besides its operations. */
export type Identity = Omit<Backend, keyof Operations>;

/** Gives `own` the tensors, masks and packed weights among arguments. */
function visitHeld(argument: unknown, own: (held: Held) => void): void {
  if (typeof argument !== "object" || argument === null || ArrayBuffer.isView(argument)) return;
  if ("rows" in argument && Symbol.dispose in argument) own(argument as Held);
  else if (Array.isArray(argument)) { for (const inner of argument) visitHeld(inner, own); }
  else for (const name in argument) visitHeld((argument as Record<string, unknown>)[name], own);
}

/**
 * A backend of these operations.
 * @param own Throws a `RangeError` for a tensor or mask that is not the context's, or was disposed of.
 */
export function bind<C, T extends Tensor, M extends Mask, P extends PackedWeight>(
  context: C,
  identity: Identity,
  realisation: Realisation<C, T, M, P>,
  own: (held: Held) => void,
): Backend {
  type Any = (...args: unknown[]) => unknown;
  const backend = Object.defineProperties({} as Record<string, unknown>, Object.getOwnPropertyDescriptors(identity));
  for (const name of Object.keys(OPERATIONS) as (keyof Operations)[]) {
    const check = OPERATIONS[name].check as Any, compute = realisation[name] as Any;
    backend[name] = (...args: unknown[]) => {
      check(...args);
      visitHeld(args, own);
      return compute(context, ...args);
    };
  }
  return backend as unknown as Backend;
}
