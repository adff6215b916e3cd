/**
 * The backward pass of a block. A tape is what a walk computes with when somebody wants gradients: it runs the block's
 * operations and remembers each with what its derivative needs; then it goes back over them, last to first. Where there is no
 * memory for the tapes of all blocks, hidden states are kept at block boundaries only, and a block's backward pass is: walk it
 * again with a tape, go back, drop the tape.
 *
 * ```text
 * using tape = new Tape(block);
 * using output = await drive(block, walk(block, batch, hidden, tape));
 * const dy = …;                                                           // the loss by `output`, F32 of its shape
 * const dx = await drive(block, tape.backward(dy, { gradients, input: true })); // the loss by `hidden`: the caller's
 * ```
 *
 * `gradients(name)` gives the tensor that the gradient by a parameter is added to (F32, of the shape that the block holds the
 * parameter in: a weight outputs x inputs, a norm's gain 1 x n), or nothing if nobody wants it; what no gradient passes is not
 * computed. A tape that is told before the walk what will be asked of it ({@linkcode TapeOptions}) lets go of what no
 * derivative needs: of a linear whose weight is not trained its input, of a sum everything. `stream/stream.ts` has `drive`,
 * which answers what a walk asks for: experts come and go in both directions.
 */
import {
  type Activation,
  type AttentionOptions,
  type Backend,
  BYTES,
  type DropoutOptions,
  type MapFunction,
  type RotateOptions,
  type Tensor,
} from "../backend/backend.ts";
import type { Block } from "./block.ts";
import { routeGradient } from "./route.ts";
import type { Linear, Norm } from "./spec.ts";
import { type Mixture, PlainOperations, type WalkAnswer, type WalkOperations, type WalkRequest } from "./walk.ts";

/** Where gradients by parameters go: the tensor that one is added to, by the parameter's name, if it is wanted. */
export type ParameterGradients = (name: string) => Tensor | undefined;

/** What a tape asks of a block. */
export type TapeBlock = Pick<Block, "get" | "backend">;

/** What is asked of a backward pass. */
export interface BackwardOptions {
  /** Those by the parameters. */
  readonly gradients: ParameterGradients;
  /** Whether the gradient by the walk's input is wanted. */
  readonly input: boolean;
}

/** What will be asked of a tape, where that is known before the walk: what nobody will need is not kept. */
export interface TapeOptions {
  /** Whether the gradient by a parameter will be wanted. */
  readonly trains: (name: string) => boolean;
  /** Whether that by the walk's input will be. */
  readonly input: boolean;
}

/** Gradients by the inputs of a step; nothing for one that is not wanted. */
type StepGradients = readonly (Tensor | undefined)[];

/** One operation of a walk. */
interface Step {
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  /** The names of the parameters that it has. */
  readonly parameters: readonly string[];
  /** What its derivative reads, given that some gradient passes it. */
  readonly needs: readonly Tensor[];
  /**
   * From the gradient by the output, which the tape disposes of unless it is among what comes back.
   * @param wanted Of each input whether anybody wants its gradient.
   */
  back(
    dy: Tensor,
    wanted: readonly boolean[],
    gradients: ParameterGradients,
  ): StepGradients | Generator<WalkRequest, StepGradients, WalkAnswer>;
}

/** See the file's head. */
export class Tape implements WalkOperations, Disposable {
  readonly #backend: Backend;
  readonly #plain: PlainOperations;
  readonly #steps: Step[] = [];
  /** Results that the steps need, and nobody else. */
  readonly #kept = new Set<Tensor>();
  readonly #parts: Tape[] = [];
  /** Results that some gradient will pass, as far as that is known, and what the derivatives will read. */
  readonly #passed = new Set<Tensor>();
  readonly #needed = new Set<Tensor>();
  #block: TapeBlock;

  /**
   * @param block Whose tensors are asked for by name, when the walk goes forward and again when it goes back.
   * @param options What will be asked; everything is kept without them.
   */
  constructor(block: TapeBlock, readonly options?: TapeOptions) {
    this.#block = block;
    this.#backend = block.backend;
    this.#plain = new PlainOperations(block);
  }

  /** Bytes of what it keeps for its own way back, besides the walk's input. */
  get bytes(): number {
    const own = [...this.#kept].reduce((sum, { rows, cols }) => sum + rows * cols * BYTES.F32, 0);
    return this.#parts.reduce((sum, part) => sum + part.bytes, own);
  }

  /** Goes back with another upload of the same block: the one that it was walked with is gone. */
  rebind(block: TapeBlock): void {
    this.#block = block;
    for (const part of this.#parts) part.rebind(block);
  }

  linear(linear: Linear, x: Tensor): Tensor {
    const backend = this.#backend, weight = `${linear.name}.weight`, bias = `${linear.name}.bias`;
    return this.#remember([x], this.#plain.linear(linear, x), linear.bias ? [weight, bias] : [weight], {
      needs: !this.options || this.options.trains(weight) ? [x] : [],
      back: (dy, [wanted], gradients) => {
        const byWeight = gradients(weight), byBias = linear.bias ? gradients(bias) : undefined;
        if (byWeight) backend.addWeightGradient(byWeight, dy, x);
        if (byBias) backend.addColumnSums(byBias, dy);
        return [wanted ? backend.linearBackward(dy, this.#block.get(weight)) : undefined];
      },
    });
  }

  norm(norm: Norm, x: Tensor): Tensor {
    const backend = this.#backend, { form: kind, epsilon, unitOffset } = norm;
    const weight = `${norm.name}.weight`, bias = `${norm.name}.bias`;
    return this.#remember([x], this.#plain.norm(norm, x), norm.bias ? [weight, bias] : [weight], {
      needs: [x],
      back: (dy, _wanted, gradients) => {
        const own = { gain: gradients(weight), bias: norm.bias ? gradients(bias) : undefined };
        return [backend.normBackward(x, this.#block.get(weight), dy, { kind, epsilon, unitOffset }, own)];
      },
    });
  }

  rotate(x: Tensor, angles: Tensor, options: RotateOptions): Tensor {
    const backend = this.#backend;
    return this.#remember([x], this.#plain.rotate(x, angles, options), [], {
      needs: [],
      back(dy) {
        return [backend.rotate(dy, angles, { ...options, inverse: !options.inverse })];
      },
    });
  }

  attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
    const backend = this.#backend;
    return this.#remember([q, k, v], this.#plain.attention(q, k, v, options), [], {
      needs: [q, k, v],
      back(dy) {
        return backend.attentionBackward(q, k, v, dy, options);
      },
    });
  }

  map(x: Tensor, fn: MapFunction): Tensor {
    const backend = this.#backend;
    return this.#remember([x], this.#plain.map(x, fn), [], {
      needs: [x],
      back(dy) {
        return [backend.mapBackward(x, dy, fn)];
      },
    });
  }

  gate(gate: Tensor, up: Tensor, activation: Activation): Tensor {
    const backend = this.#backend;
    return this.#remember([gate, up], this.#plain.gate(gate, up, activation), [], {
      needs: [gate, up],
      back(dy) {
        return backend.gateBackward(gate, up, dy, activation);
      },
    });
  }

  slice(x: Tensor, first: number, width: number, period: number): Tensor {
    const backend = this.#backend, { rows, cols } = x;
    return this.#remember([x], this.#plain.slice(x, first, width, period), [], {
      needs: [],
      back(dy) {
        const dx = backend.allocate(rows, cols);
        backend.sliceBackward(dx, dy, first, period);
        return [dx];
      },
    });
  }

  add(x: Tensor, y: Tensor): Tensor {
    const backend = this.#backend;
    return this.#remember([x, y], this.#plain.add(x, y), [], {
      needs: [],
      back(dy, [first, second]) {
        return [first ? dy : undefined, second ? first ? backend.copy(dy) : dy : undefined];
      },
    });
  }

  dropout(x: Tensor, options: DropoutOptions): Tensor {
    const backend = this.#backend;
    return this.#remember([x], this.#plain.dropout(x, options), [], {
      needs: [],
      back(dy) {
        return [backend.dropout(dy, options)];
      },
    });
  }

  gathered(table: string, rows: Uint32Array, result: Tensor): void {
    const backend = this.#backend;
    this.#remember([], result, [table], {
      needs: [],
      back(dy, _wanted, gradients) {
        const byTable = gradients(table);
        if (byTable) backend.embedBackward(byTable, rows, dy, 0);
        return [];
      },
    });
  }

  release(tensor: Tensor): void {
    // All that it is an input of stands on the tape by now.
    if (this.options && !this.#needed.has(tensor)) tensor[Symbol.dispose]();
    else this.#kept.add(tensor);
  }

  expert(): WalkOperations {
    // What it gives is asked for after the walk has let go of it: it keeps everything.
    const part = new Tape(this.#block);
    this.#parts.push(part);
    return part;
  }

  mixed(mixture: Mixture): void {
    const { layer, x, logits, routed, parts, sum } = mixture, backend = this.#backend;
    const parameters = parts.flatMap(({ operations }) =>
      (operations as Tape).#steps.flatMap((step) => step.parameters)
    );
    const { rows, cols } = x, { rows: routedRows, cols: routedCols } = routed;
    this.#remember([x, routed], sum, parameters, {
      needs: [],
      *back(dy, [byX, byRouter], gradients) {
        using made = new DisposableStack();
        using held = new DisposableStack();
        const dx = byX ? made.use(backend.allocate(rows, cols)) : undefined;
        const byWeights: Tensor[] = [];
        for (const { expert, route: { tokens, weights }, operations, result } of parts) {
          yield { kind: "expert", layer, expert };
          using gathered = backend.allocate(tokens.length, cols);
          backend.embed(gathered, tokens, dy, 0);
          if (byRouter) byWeights.push(held.use(backend.dotRows(result, gathered)));
          const own = backend.allocate(tokens.length, cols);
          backend.addRows(own, gathered, Uint32Array.from(tokens, (_, i) => i), weights);
          using back = yield* (operations as Tape).backward(own, { gradients, input: byX });
          if (dx && back) backend.addRows(dx, back, tokens, new Float32Array(tokens.length).fill(1));
        }
        const read: Float32Array[] = [];
        for (const tensor of byWeights) {
          read.push(new Float32Array(((yield { kind: "read", tensor }) as Uint8Array<ArrayBuffer>).buffer));
        }
        if (!byRouter) {
          made.move(); // it is the tape's
          return [dx, undefined];
        }
        const shares = parts.map(({ expert, route }, i) => ({ expert, tokens: route.tokens, gradient: read[i] }));
        const byLogits = new Uint8Array(routeGradient(logits, layer, shares).buffer);
        const byRouted = backend.upload(byLogits, routedRows, routedCols, "F32");
        made.move(); // it is the tape's
        return [dx, byRouted];
      },
    });
  }

  #remember(
    inputs: readonly Tensor[],
    output: Tensor,
    parameters: readonly string[],
    { back, needs }: Pick<Step, "back" | "needs">,
  ): Tensor {
    this.#steps.push({ inputs, output, parameters, needs, back });
    const { options } = this;
    if (!options) return output;
    // The walk's input is that of its first step.
    if (options.input && this.#steps.length === 1 && inputs.length) this.#passed.add(inputs[0]);
    if (inputs.some((one) => this.#passed.has(one)) || parameters.some(options.trains)) {
      this.#passed.add(output);
      for (const one of needs) this.#needed.add(one);
    }
    return output;
  }

  /**
   * Goes back over the walk, once; it asks for experts and readings as the walk does.
   * @param dy The loss by the walk's result; from now on the tape's.
   * @returns The loss by its input, a new tensor, if that is wanted.
   */
  *backward(dy: Tensor, { gradients, input }: BackwardOptions): Generator<WalkRequest, Tensor | undefined, WalkAnswer> {
    const backend = this.#backend, by = new Map<Tensor, Tensor>();
    const [{ inputs: [x] = [] }] = this.#steps; // what begins with a table has no input
    // Whose gradient somebody wants: forward from the input and from every parameter.
    const wanted = new Set<Tensor>(input && x ? [x] : []);
    for (const { inputs, output, parameters } of this.#steps) {
      if (inputs.some((one) => wanted.has(one)) || parameters.some((name) => gradients(name))) wanted.add(output);
    }
    const take = (tensor: Tensor, gradient: Tensor): void => {
      const known = by.get(tensor);
      if (!known) return void by.set(tensor, gradient);
      using _known = known;
      using _gradient = gradient;
      by.delete(tensor);
      by.set(tensor, backend.add(known, gradient));
    };
    try {
      by.set(this.#steps.at(-1)!.output, dy);
      for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
        const { inputs, output, back } = step, own = by.get(output);
        by.delete(output);
        if (own) {
          let given: readonly (Tensor | undefined)[] = [];
          try {
            if (wanted.has(output)) {
              const made = back(own, inputs.map((one) => wanted.has(one)), gradients);
              given = "next" in made ? yield* made : made;
            }
          } finally {
            if (!given.includes(own)) own[Symbol.dispose]();
          }
          for (const [i, gradient] of given.entries()) {
            if (!gradient) continue;
            if (wanted.has(inputs[i])) take(inputs[i], gradient);
            else gradient[Symbol.dispose]();
          }
        }
        // Whatever came after it has been gone over.
        if (this.#kept.delete(output)) output[Symbol.dispose]();
      }
      const found = x && by.get(x);
      if (x) by.delete(x);
      return found;
    } finally {
      for (const gradient of by.values()) gradient[Symbol.dispose]();
    }
  }

  [Symbol.dispose](): void {
    for (const part of this.#parts) part[Symbol.dispose]();
    for (const tensor of this.#kept) tensor[Symbol.dispose]();
    this.#kept.clear();
  }
}
