/**
 * A walk in which some linears add something to what their weights give: `x Wᵀ + dropout(x) Δᵀ`, with Δ a tensor of the block
 * under the linear's name and {@linkcode DELTA}. All else is computed by the operations that it is made of, be it a tape's.
 */
import type {
  Activation,
  AttentionOptions,
  DropoutOptions,
  MapFunction,
  RotateOptions,
  Tensor,
} from "../backend/backend.ts";
import type { Linear, Norm } from "../model/spec.ts";
import type { Mixture, WalkOperations } from "../model/walk.ts";

/** What stands behind the name of a linear in that of what it adds. */
const DELTA = ".delta";

/** The name of the tensor of what a linear adds. */
export function deltaOf({ name }: Pick<Linear, "name">): string {
  return `${name}${DELTA}.weight`;
}

/** See the file's head. */
export class Additions implements WalkOperations {
  readonly gathered?: WalkOperations["gathered"];
  readonly mixed?: (mixture: Mixture) => void;

  /**
   * @param base What computes.
   * @param dropoutOf What is left out of the input of what a linear adds; nothing for a linear that adds nothing.
   */
  constructor(
    readonly base: WalkOperations,
    readonly dropoutOf: (linear: Linear) => DropoutOptions | undefined,
  ) {
    if (base.gathered) this.gathered = (table, rows, result) => base.gathered!(table, rows, result);
    if (base.mixed) this.mixed = (mixture) => base.mixed!(unwrapped(mixture));
  }

  linear(linear: Linear, x: Tensor): Tensor {
    const { base } = this, dropout = this.dropoutOf(linear), own = base.linear(linear, x);
    if (!dropout) return own;
    using held = new DisposableStack();
    const release = <T extends Tensor>(tensor: T) => held.adopt(tensor, () => base.release(tensor));
    release(own);
    const some = release(base.dropout(x, dropout));
    const more = release(base.linear({ ...linear, name: `${linear.name}${DELTA}`, bias: false }, some));
    return base.add(own, more);
  }
  norm(norm: Norm, x: Tensor): Tensor {
    return this.base.norm(norm, x);
  }
  rotate(x: Tensor, angles: Tensor, options: RotateOptions): Tensor {
    return this.base.rotate(x, angles, options);
  }
  attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
    return this.base.attention(q, k, v, options);
  }
  map(x: Tensor, fn: MapFunction): Tensor {
    return this.base.map(x, fn);
  }
  gate(gate: Tensor, up: Tensor, activation: Activation): Tensor {
    return this.base.gate(gate, up, activation);
  }
  slice(x: Tensor, first: number, width: number, period: number): Tensor {
    return this.base.slice(x, first, width, period);
  }
  add(x: Tensor, y: Tensor): Tensor {
    return this.base.add(x, y);
  }
  dropout(x: Tensor, options: DropoutOptions): Tensor {
    return this.base.dropout(x, options);
  }
  release(tensor: Tensor): void {
    this.base.release(tensor);
  }
  expert(): WalkOperations {
    return new Additions(this.base.expert(), this.dropoutOf);
  }
}

/** A mixture as those operations know it that its experts' were made of. */
function unwrapped(mixture: Mixture): Mixture {
  const parts = mixture.parts.map((part) => ({ ...part, operations: (part.operations as Additions).base }));
  return { ...mixture, parts };
}
