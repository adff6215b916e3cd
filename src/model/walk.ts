/**
 * The forward pass of a block, written once for every family, backend and reader. A walk is a generator: it queues the
 * operations of the block's layers and yields where somebody may have a say in between. Whoever drives it decides what
 * becomes of it: run it to its end (a forward pass), look at the linears' inputs and leave when enough is seen (an
 * observation), prune a linear between its input and its output (true-sequential pruning). Leaving early, by `return()`,
 * frees what the walk holds.
 */
import type { Backend, Tensor } from "../backend/backend.ts";
import type { Block } from "./block.ts";
import { attentionInputs, mlpInputs } from "./layers.ts";
import type { Rope } from "./rope.ts";
import { route } from "./route.ts";
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

/**
 * A walk through a block.
 * @param hidden The residual stream, tokens x hidden; it stays its owner's.
 */
export function walk(block: Block, batch: WalkBatch, hidden: Tensor): Walk {
  return new Walker(block, batch).sequence(block.spec.layers, hidden);
}

/** `x Wᵀ (+ b)` of a linear whose tensors are in a block. */
export function multiply(backend: Backend, block: Pick<Block, "get">, { name, bias }: Linear, x: Tensor): Tensor {
  return backend.linear(x, block.get(`${name}.weight`), bias ? block.get(`${name}.bias`) : undefined);
}

/** A norm whose tensors are in a block. */
export function normalize(backend: Backend, block: Pick<Block, "get">, norm: Norm, x: Tensor): Tensor {
  const { name, form, epsilon, unitOffset } = norm;
  const bias = norm.bias ? block.get(`${name}.bias`) : undefined;
  return backend.norm(x, block.get(`${name}.weight`), { kind: form, epsilon, bias, unitOffset });
}

class Walker {
  readonly #backend: Backend;

  constructor(readonly block: Block, readonly batch: WalkBatch) {
    this.#backend = block.backend;
  }

  *sequence(layers: readonly Layer[], x: Tensor): Walk {
    let owned: Tensor | undefined;
    try {
      for (const layer of layers) {
        const next: Tensor = yield* this.#layer(layer, owned ?? x);
        owned?.[Symbol.dispose]();
        owned = next;
      }
      const result = owned!;
      owned = undefined;
      return result;
    } finally {
      owned?.[Symbol.dispose]();
    }
  }

  *#layer(layer: Layer, x: Tensor): Walk {
    switch (layer.kind) {
      case "norm":
        return this.#norm(layer, x);
      case "attention":
        return yield* this.#attention(layer, x);
      case "mlp":
        return yield* this.#mlp(layer, x);
      case "experts":
        return yield* this.#experts(layer, x);
      case "residual": {
        using change = yield* this.sequence(layer.body, x);
        return this.#backend.add(x, change);
      }
      case "parallel": {
        const [first, ...others] = layer.branches;
        let sum = yield* this.sequence(first, x);
        for (const branch of others) {
          using before = sum;
          using own = yield* this.sequence(branch, x);
          sum = this.#backend.add(before, own);
        }
        return sum;
      }
    }
  }

  #linear(linear: Linear, x: Tensor): Tensor {
    return multiply(this.#backend, this.block, linear, x);
  }

  #norm(norm: Norm, x: Tensor): Tensor {
    return normalize(this.#backend, this.block, norm, x);
  }

  /** Queries or keys as attention takes them: norm, rotation. Frees what it is given. */
  #positioned(x: Tensor, { headDim, rope }: Attention, norm: Norm | undefined): Tensor {
    let current = x;
    if (norm) {
      using before = current;
      current = this.#norm(norm, before);
    }
    if (rope) {
      using before = current;
      current = this.#backend.rotate(before, this.batch.angles(rope), { headDim, layout: rope.layout });
    }
    return current;
  }

  /** Queries, keys and values, as the projections give them. */
  #project({ projections, heads, kvHeads, headDim }: Attention, x: Tensor): [q: Tensor, k: Tensor, v: Tensor] {
    using made = new DisposableStack();
    const parts: Tensor[] = [];
    if (projections.kind === "separate") {
      for (const linear of [projections.q, projections.k, projections.v]) parts.push(made.use(this.#linear(linear, x)));
    } else {
      using fused = this.#linear(projections.qkv, x);
      const widths = projections.byHead
        ? [headDim, headDim, headDim]
        : [heads, kvHeads, kvHeads].map((n) => n * headDim);
      const period = widths.reduce((sum, width) => sum + width);
      let first = 0;
      for (const width of widths) {
        parts.push(made.use(this.#backend.slice(fused, first, width, period)));
        first += width;
      }
    }
    made.move(); // they are the caller's
    return parts as [Tensor, Tensor, Tensor];
  }

  *#attention(layer: Attention, x: Tensor): Walk {
    yield { kind: "input", linears: attentionInputs(layer), x };
    using mixed = this.#attend(layer, x);
    yield { kind: "input", linears: [layer.output], x: mixed };
    return this.#linear(layer.output, mixed);
  }

  #attend(layer: Attention, x: Tensor): Tensor {
    using held = new DisposableStack();
    const [q, k, v] = this.#project(layer, x).map((tensor) => held.use(tensor));
    const queries = held.use(this.#positioned(q, layer, layer.queryNorm));
    const own = held.use(this.#positioned(k, layer, layer.keyNorm));
    const { heads, kvHeads, scale, window, softCap, slopes } = layer, { offsets } = this.batch;
    const { keys, values, spans } = this.batch.remember?.(layer, own, v) ?? { keys: own, values: v };
    const options = { offsets, heads, kvHeads, scale, window, softCap, slopes, spans };
    return this.#backend.attention(queries, keys, values, options);
  }

  *#mlp(layer: Mlp, x: Tensor): Walk {
    yield { kind: "input", linears: mlpInputs(layer), x };
    using inner = this.#activate(layer, x);
    yield { kind: "input", linears: [layer.down], x: inner };
    return this.#linear(layer.down, inner);
  }

  #activate({ input, activation }: Mlp, x: Tensor): Tensor {
    if (input.kind === "plain") {
      using up = this.#linear(input.up, x);
      return this.#backend.map(up, { kind: activation });
    }
    if (input.kind === "gated") {
      using gate = this.#linear(input.gate, x);
      using up = this.#linear(input.up, x);
      return this.#backend.gate(gate, up, activation);
    }
    using both = this.#linear(input.gateUp, x);
    const width = both.cols / 2;
    using gate = this.#backend.slice(both, 0, width, both.cols);
    using up = this.#backend.slice(both, width, width, both.cols);
    return this.#backend.gate(gate, up, activation);
  }

  *#experts(layer: Experts, x: Tensor): Walk {
    const backend = this.#backend;
    using logits = this.#linear(layer.router, x);
    const bytes = (yield { kind: "read", tensor: logits }) as Uint8Array<ArrayBuffer>;
    const routes = route(new Float32Array(bytes.buffer), layer);
    using made = new DisposableStack();
    const sum = made.use(backend.allocate(x.rows, x.cols));
    for (const [expert, { tokens, weights }] of routes.entries()) {
      if (!(yield { kind: "expert", layer, expert }) || !tokens.length) continue;
      using own = backend.allocate(tokens.length, x.cols);
      backend.embed(own, tokens, x, 0);
      using result = yield* this.#mlp(layer.experts[expert], own);
      backend.addRows(sum, result, tokens, weights);
    }
    made.move(); // it is the caller's
    return sum;
  }
}
