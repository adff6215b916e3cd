/**
 * The forward pass of a block, written once for every family, backend and reader. A walk is a generator: it queues the
 * operations of the block's layers and yields where somebody may have a say in between. Whoever drives it decides what
 * becomes of it: run it to its end (a forward pass), look at the linears' inputs and leave when enough is seen (an
 * observation), prune a linear between its input and its output (true-sequential pruning). Leaving early, by `return()`,
 * frees what the walk holds. What it computes with is a {@linkcode WalkOperations}: the backend's operations, or those of a
 * record (`tape.ts`), which remembers what a backward pass needs.
 */
import type {
  Activation,
  AttentionOptions,
  Backend,
  DropoutOptions,
  MapFunction,
  RotateOptions,
  Tensor,
} from "../backend/backend.ts";
import type { Block } from "./block.ts";
import { attentionInputs, mlpInputs } from "./layers.ts";
import type { Rope } from "./rope.ts";
import { type Route, route } from "./route.ts";
import type { Attention, Experts, Layer, Linear, Mlp, Norm } from "./spec.ts";

/** Token sequences of a walk. */
export interface WalkBatch {
  /** Where each sequence begins among the tokens, and last the number of tokens. */
  readonly offsets: Uint32Array;
  /** The rotary table of its tokens, F32 tokens (or more) x rope.dim; the batch's own. */
  angles(rope: Rope): Tensor;
  /**
   * Where its sequences go on and what came before is remembered: takes the tokens' own keys and values, which stay their
   * owner's, and gives what they are to see.
   */
  remember?(layer: Attention, keys: Tensor, values: Tensor): Remembered;
}

/** Keys and values of sequences, and the rows of them that each sequence has (`AttentionOptions.spans`). */
export interface Remembered {
  /** Rows x (kvHeads * headDim). */
  readonly keys: Tensor;
  /** The same. */
  readonly values: Tensor;
  /** See {@linkcode AttentionOptions}. */
  readonly spans: readonly Uint32Array[];
}

/** What a walk stops for. */
export type WalkRequest =
  /** These linears are about to see this input (tokens x in), which lives as long as the walk stands here. */
  | { readonly kind: "input"; readonly linears: readonly Linear[]; readonly x: Tensor }
  /** It must know the bytes of a tensor. */
  | { readonly kind: "read"; readonly tensor: Tensor }
  /** It comes to an expert: answered with true once its weights are in the block, false to leave it out. */
  | { readonly kind: "expert"; readonly layer: Experts; readonly expert: number };

/** The answer to the last request. */
export type WalkAnswer = Uint8Array<ArrayBuffer> | boolean | undefined;

/** See the file's head. It gives a new tensor, and leaves the one it was given alone. */
export type Walk = Generator<WalkRequest, Tensor, WalkAnswer>;

/** What a walk computes with; results are new tensors. */
export interface WalkOperations {
  /** `x Wᵀ (+ b)` */
  linear(linear: Linear, x: Tensor): Tensor;
  /** Each token by its own size (RMS, or mean and variance), times a gain. */
  norm(norm: Norm, x: Tensor): Tensor;
  /** Rotary positions: pairs of dimensions turned by the angles of each row. */
  rotate(x: Tensor, angles: Tensor, options: RotateOptions): Tensor;
  /** Causal attention of queries to keys and values, tokens x (heads · head dimension). */
  attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor;
  /** A function of every number. */
  map(x: Tensor, fn: MapFunction): Tensor;
  /** `activation(gate) · up`, number by number. */
  gate(gate: Tensor, up: Tensor, activation: Activation): Tensor;
  /** Of every `period` columns `width` from `first` on. */
  slice(x: Tensor, first: number, width: number, period: number): Tensor;
  /** The sum of two tensors of one shape. */
  add(x: Tensor, y: Tensor): Tensor;
  /** Numbers left out at random; no model does that by itself, but who trains one may. */
  dropout(x: Tensor, options: DropoutOptions): Tensor;
  /** The walk needs a result no longer. */
  release(tensor: Tensor): void;
  /** What one expert computes with. */
  expert(): WalkOperations;
  /** Told that rows of a table, the tensor of this name, were gathered, where somebody wants to know. */
  gathered?(table: string, rows: Uint32Array, result: Tensor): void;
  /** Told what a mixture of experts came of, where somebody wants to know. */
  mixed?(mixture: Mixture): void;
}

/** A mixture of experts, as it was computed. */
export interface Mixture {
  /** The layer. */
  readonly layer: Experts;
  /** tokens x hidden. */
  readonly x: Tensor;
  /** The router's, tokens x experts. */
  readonly logits: Float32Array;
  /** The same on the backend. */
  readonly routed: Tensor;
  /** Experts that were run, in their order, and what each computed with. */
  readonly parts: readonly {
    readonly expert: number;
    readonly route: Route;
    readonly operations: WalkOperations;
    /** What it saw and what it gave: rows of its tokens. */
    readonly own: Tensor;
    readonly result: Tensor;
  }[];
  /** The weighted sum, tokens x hidden. */
  readonly sum: Tensor;
}

/** The operations of a block's backend: nothing is remembered. */
export class PlainOperations implements WalkOperations {
  readonly #backend: Backend;

  constructor(readonly block: Pick<Block, "get" | "backend">) {
    this.#backend = block.backend;
  }

  linear(linear: Linear, x: Tensor): Tensor {
    return multiply(this.#backend, this.block, linear, x);
  }
  norm(norm: Norm, x: Tensor): Tensor {
    return normalize(this.#backend, this.block, norm, x);
  }
  rotate(x: Tensor, angles: Tensor, options: RotateOptions): Tensor {
    return this.#backend.rotate(x, angles, options);
  }
  attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
    return this.#backend.attention(q, k, v, options);
  }
  map(x: Tensor, fn: MapFunction): Tensor {
    return this.#backend.map(x, fn);
  }
  gate(gate: Tensor, up: Tensor, activation: Activation): Tensor {
    return this.#backend.gate(gate, up, activation);
  }
  slice(x: Tensor, first: number, width: number, period: number): Tensor {
    return this.#backend.slice(x, first, width, period);
  }
  add(x: Tensor, y: Tensor): Tensor {
    return this.#backend.add(x, y);
  }
  dropout(x: Tensor, options: DropoutOptions): Tensor {
    return this.#backend.dropout(x, options);
  }
  release(tensor: Tensor): void {
    tensor[Symbol.dispose]();
  }
  expert(): WalkOperations {
    return this;
  }
}

/**
 * A walk through a block.
 * @param hidden The residual stream, tokens x hidden; it stays its owner's.
 * @param operations What it computes with; the backend's own by default.
 */
export function walk(
  block: Block,
  batch: WalkBatch,
  hidden: Tensor,
  operations: WalkOperations = new PlainOperations(block),
): Walk {
  return new Walker(block.backend, batch, operations).sequence(block.spec.layers, hidden);
}

/** `x Wᵀ (+ b)` of a linear whose tensors are in a block. */
export function multiply(
  backend: Backend,
  block: Pick<Block, "get"> & Partial<Pick<Block, "packed">>,
  { name, bias }: Linear,
  x: Tensor,
): Tensor {
  const weight = block.packed?.(`${name}.weight`) ?? block.get(`${name}.weight`);
  return backend.linear(x, weight, bias ? block.get(`${name}.bias`) : undefined);
}

/** A norm whose tensors are in a block. */
export function normalize(backend: Backend, block: Pick<Block, "get">, norm: Norm, x: Tensor): Tensor {
  const { name, form, epsilon, unitOffset } = norm;
  const bias = norm.bias ? block.get(`${name}.bias`) : undefined;
  return backend.norm(x, block.get(`${name}.weight`), { kind: form, epsilon, bias, unitOffset });
}

class Walker {
  constructor(readonly backend: Backend, readonly batch: WalkBatch, readonly operations: WalkOperations) {}

  /** Holds results until the end of a scope. */
  readonly #release = (tensor: Tensor): void => this.operations.release(tensor);

  *sequence(layers: readonly Layer[], x: Tensor): Walk {
    let owned: Tensor | undefined;
    try {
      for (const layer of layers) {
        const next: Tensor = yield* this.#layer(layer, owned ?? x);
        if (owned) this.#release(owned);
        owned = next;
      }
      const result = owned!;
      owned = undefined;
      return result;
    } finally {
      if (owned) this.#release(owned);
    }
  }

  *#layer(layer: Layer, x: Tensor): Walk {
    switch (layer.kind) {
      case "norm":
        return this.operations.norm(layer, x);
      case "attention":
        return yield* this.#attention(layer, x);
      case "mlp":
        return yield* this.#mlp(layer, x);
      case "experts":
        return yield* this.#experts(layer, x);
      case "residual": {
        using held = new DisposableStack();
        const change = held.adopt(yield* this.sequence(layer.body, x), this.#release);
        return this.operations.add(x, change);
      }
      case "parallel": {
        const [first, ...others] = layer.branches;
        let sum = yield* this.sequence(first, x);
        for (const branch of others) {
          using held = new DisposableStack();
          const before = held.adopt(sum, this.#release);
          const own = held.adopt(yield* this.sequence(branch, x), this.#release);
          sum = this.operations.add(before, own);
        }
        return sum;
      }
    }
  }

  /** Queries or keys as attention takes them: norm, rotation. Lets go of what it is given. */
  #positioned(x: Tensor, { headDim, rope }: Attention, norm: Norm | undefined): Tensor {
    let current = x;
    if (norm) {
      using held = new DisposableStack();
      current = this.operations.norm(norm, held.adopt(current, this.#release));
    }
    if (rope) {
      using held = new DisposableStack();
      const before = held.adopt(current, this.#release);
      current = this.operations.rotate(before, this.batch.angles(rope), { headDim, layout: rope.layout });
    }
    return current;
  }

  /** Queries, keys and values, as the projections give them. */
  #project({ projections, heads, kvHeads, headDim }: Attention, x: Tensor): [q: Tensor, k: Tensor, v: Tensor] {
    const { operations } = this;
    using made = new DisposableStack();
    const parts: Tensor[] = [];
    if (projections.kind === "separate") {
      for (const linear of [projections.q, projections.k, projections.v]) {
        parts.push(made.adopt(operations.linear(linear, x), this.#release));
      }
    } else {
      using held = new DisposableStack();
      const fused = held.adopt(operations.linear(projections.qkv, x), this.#release);
      const widths = projections.byHead
        ? [headDim, headDim, headDim]
        : [heads, kvHeads, kvHeads].map((n) => n * headDim);
      const period = widths.reduce((sum, width) => sum + width);
      let first = 0;
      for (const width of widths) {
        parts.push(made.adopt(operations.slice(fused, first, width, period), this.#release));
        first += width;
      }
    }
    made.move(); // they are the caller's
    return parts as [Tensor, Tensor, Tensor];
  }

  *#attention(layer: Attention, x: Tensor): Walk {
    yield { kind: "input", linears: attentionInputs(layer), x };
    using held = new DisposableStack();
    const mixed = held.adopt(this.#attend(layer, x), this.#release);
    yield { kind: "input", linears: [layer.output], x: mixed };
    return this.operations.linear(layer.output, mixed);
  }

  #attend(layer: Attention, x: Tensor): Tensor {
    using held = new DisposableStack();
    const [q, k, v] = this.#project(layer, x).map((tensor) => held.adopt(tensor, this.#release));
    const queries = this.#positioned(q, layer, layer.queryNorm);
    if (queries !== q) held.adopt(queries, this.#release);
    const own = this.#positioned(k, layer, layer.keyNorm);
    if (own !== k) held.adopt(own, this.#release);
    const { heads, kvHeads, scale, window, softCap, slopes } = layer, { offsets } = this.batch;
    const { keys, values, spans } = this.batch.remember?.(layer, own, v) ?? { keys: own, values: v };
    const options = { offsets, heads, kvHeads, scale, window, softCap, slopes, spans };
    return this.operations.attention(queries, keys, values, options);
  }

  *#mlp(layer: Mlp, x: Tensor): Walk {
    yield { kind: "input", linears: mlpInputs(layer), x };
    using held = new DisposableStack();
    const inner = held.adopt(this.#activate(layer, x), this.#release);
    yield { kind: "input", linears: [layer.down], x: inner };
    return this.operations.linear(layer.down, inner);
  }

  #activate({ input, activation }: Mlp, x: Tensor): Tensor {
    const { operations } = this;
    using held = new DisposableStack();
    const hold = (tensor: Tensor): Tensor => held.adopt(tensor, this.#release);
    if (input.kind === "plain") return operations.map(hold(operations.linear(input.up, x)), { kind: activation });
    if (input.kind === "gated") {
      const gate = hold(operations.linear(input.gate, x)), up = hold(operations.linear(input.up, x));
      return operations.gate(gate, up, activation);
    }
    const both = hold(operations.linear(input.gateUp, x)), width = both.cols / 2;
    const gate = hold(operations.slice(both, 0, width, both.cols));
    const up = hold(operations.slice(both, width, width, both.cols));
    return operations.gate(gate, up, activation);
  }

  *#experts(layer: Experts, x: Tensor): Walk {
    const { backend, operations } = this;
    using held = new DisposableStack();
    const routed = held.adopt(operations.linear(layer.router, x), this.#release);
    const bytes = (yield { kind: "read", tensor: routed }) as Uint8Array<ArrayBuffer>;
    const logits = new Float32Array(bytes.buffer), routes = route(logits, layer);
    using made = new DisposableStack();
    const sum = made.use(backend.allocate(x.rows, x.cols)), parts: Mixture["parts"][number][] = [];
    for (const [expert, route] of routes.entries()) {
      const { tokens, weights } = route;
      if (!(yield { kind: "expert", layer, expert }) || !tokens.length) continue;
      const walker = new Walker(backend, this.batch, operations.expert());
      using held = new DisposableStack();
      const own = held.adopt(backend.allocate(tokens.length, x.cols), walker.#release);
      backend.embed(own, tokens, x, 0);
      const result = held.adopt(yield* walker.#mlp(layer.experts[expert], own), walker.#release);
      backend.addRows(sum, result, tokens, weights);
      parts.push({ expert, route, operations: walker.operations, own, result });
    }
    operations.mixed?.({ layer, x, logits, routed, parts, sum });
    made.move(); // it is the caller's
    return sum;
  }
}
