/**
 * A Hessian scaled to ones on its diagonal, and weights in the same scale: `B_ij = W_ij n_j`. There damping is relative to every
 * column's own size, conjugate gradients need no preconditioner, and `|B|` is Wanda's score. What solves for weights by
 * products alone works there.
 */
import type { Backend, Mask, Tensor } from "../backend/backend.ts";
import type { Input } from "./method.ts";

/** See the file's head. A zero on the Hessian's diagonal, a dead input, counts as 1. */
export interface Equilibrated extends Disposable {
  /** F32 in x in: `H_jl / (n_j n_l)` with 1 on the diagonal. Who has no more use for it may dispose of it alone. */
  readonly hessian: Tensor;
  /** F32 1 x in, the n: columns times these are in this scale. */
  readonly columns: Tensor;
  /** A weight, any dtype, in this scale: F32. */
  scaled(weight: Tensor): Tensor;
  /** Weights of this scale in their own: F32. */
  plain(scaled: Tensor): Tensor;
  /**
   * Writes what a mask keeps of weights in this scale back into a weight; what it removes becomes zero. What was scaled is
   * not any more.
   */
  store(weight: Tensor, scaled: Tensor, mask: Mask): void;
}

/** How a Hessian is scaled. */
export interface Scaling {
  /** Is added to the diagonal before, as a share of its mean. */
  readonly damping: number;
  /** Whether the weights of dead inputs become zero, as they do where a mask is chosen. */
  readonly clearDead?: boolean;
}

/** Scales the Hessian of an input; undefined if its squares are no numbers. It waits for the diagonal. */
export async function equilibrate(
  backend: Backend,
  { squares, hessian }: Input,
  { damping, clearDead = false }: Scaling,
): Promise<Equilibrated | undefined> {
  const [bytes] = await backend.read(squares!), found = new Float32Array(bytes.buffer);
  if (!found.every(Number.isFinite)) return undefined;
  // The squares are the mean over sequences of what the Hessian has twice on its diagonal.
  const diagonal = Float64Array.from(found, (square) => square === 0 ? 1 : 2 * square);
  const added = damping * diagonal.reduce((sum, value) => sum + value, 0) / diagonal.length;
  const norms = diagonal.map((value) => Math.sqrt(value + added));
  using scope = new DisposableStack();
  const row = (numbers: Float64Array) =>
    scope.use(backend.upload(new Uint8Array(Float32Array.from(numbers).buffer), 1, numbers.length, "F32"));
  const columns = row(norms.map((norm, j) => clearDead && found[j] === 0 ? 0 : norm));
  const inverses = row(norms.map((norm) => 1 / norm));
  const scaledHessian = scope.use(backend.equilibrate(hessian!, inverses));
  const owned = scope.move();
  return {
    hessian: scaledHessian,
    columns,
    plain: (scaled) => backend.combine([{ tensor: scaled, kept: 1 }], { columns: inverses }),
    scaled: (weight) => backend.combine([{ tensor: weight, kept: 1 }], { columns }),
    store(weight, scaled, mask) {
      backend.combineInto([{ tensor: scaled, kept: 1 }], { columns: inverses });
      backend.assign(weight, scaled);
      backend.apply(weight, mask);
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}
