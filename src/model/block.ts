/**
 * One block of a LLaMA-like model on a backend, written once for every family and backend. Its two halves, `attend` and
 * `gate`, serve both passes of pruning: {@linkcode forwardBlock} runs all of it, {@linkcode observeBlock} shows every
 * linear's input and leaves out what nobody would see (the down projection and the last residual add).
 */
import type { Backend, Tensor } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { Shape } from "./config.ts";
import { rotaryAngles } from "./rope.ts";
import { blockTensors, type LinearName, linearName } from "./tensors.ts";

/** Sees the input (tokens x in) that some linears of the block share; true if it has seen enough. */
export type Observer = (linears: readonly LinearName[], input: Tensor) => boolean | void;

/** The linears that share an input, in the order of the forward pass. */
export const INPUTS: readonly (readonly LinearName[])[] = [
  ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
  ["self_attn.o_proj"],
  ["mlp.gate_proj", "mlp.up_proj"],
  ["mlp.down_proj"],
];

/** The tensors of one block on a backend, in the checkpoint's dtype; disposing it frees them all. */
export class Block implements Disposable {
  /** @param tensors By their name within the block, such as `mlp.up_proj.weight`. */
  constructor(readonly shape: Shape, readonly index: number, readonly tensors: ReadonlyMap<string, Tensor>) {}

  /** Reads a block's bytes from a checkpoint, by the full names of its tensors. */
  static read(checkpoint: Checkpoint, shape: Shape, index: number): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
    return checkpoint.read([...blockTensors(shape).keys()].map((name) => linearName(index, name)));
  }

  /** Puts a block's bytes, as {@linkcode Block.read} gives them, on a backend. */
  static upload(
    backend: Backend,
    checkpoint: Checkpoint,
    shape: Shape,
    index: number,
    bytes: ReadonlyMap<string, Uint8Array>,
  ): Block {
    const tensors = new Map<string, Tensor>();
    using scope = new DisposableStack(); // what is there already, should one not fit
    for (const [name, dimensions] of blockTensors(shape)) {
      const full = linearName(index, name);
      const [rows, cols] = dimensions.length === 2 ? dimensions : [1, dimensions[0]];
      tensors.set(name, scope.use(backend.upload(bytes.get(full)!, rows, cols, checkpoint.tensors.get(full)!.dtype)));
    }
    scope.move(); // the block disposes of them
    return new Block(shape, index, tensors);
  }

  /** A tensor by its name within the block. */
  get(name: string): Tensor {
    return this.tensors.get(name)!;
  }

  [Symbol.dispose](): void {
    for (const tensor of this.tensors.values()) tensor[Symbol.dispose]();
  }
}

/** The rotary angles of a batch on a backend, row after row those of its tokens. */
export interface Rotary extends Disposable {
  /** F32 tokens x headDim, whole sequences. */
  readonly angles: Tensor;
  /** Tokens of a sequence. */
  readonly length: number;
}

/** The rotary angles of a shape for up to `sequences` sequences of `length` tokens, on a backend. */
export function uploadAngles(backend: Backend, shape: Shape, length: number, sequences: number): Rotary {
  const one = new Uint8Array(rotaryAngles(shape, length).buffer), all = new Uint8Array(sequences * one.length);
  for (let i = 0; i < sequences; i++) all.set(one, i * one.length);
  const angles = backend.upload(all, sequences * length, shape.headDim, "F32");
  return { angles, length, [Symbol.dispose]: () => angles[Symbol.dispose]() };
}

function linear(backend: Backend, block: Block, name: LinearName, x: Tensor): Tensor {
  return backend.linear(x, block.get(`${name}.weight`), block.tensors.get(`${name}.bias`));
}

/** A query or key projection: linear, per-head norm where the family has one, rotation. */
function project(backend: Backend, block: Block, kind: "q" | "k", x: Tensor, angles: Tensor): Tensor {
  const { headDim, epsilon } = block.shape;
  using flat = linear(backend, block, `self_attn.${kind}_proj`, x);
  const gain = block.tensors.get(`self_attn.${kind}_norm.weight`);
  if (!gain) return backend.rotate(flat, angles, { headDim, layout: "half" });
  using normed = backend.norm(flat, gain, { kind: "rms", epsilon });
  return backend.rotate(normed, angles, { headDim, layout: "half" });
}

/** The residual stream after attention; nothing once the observer has seen enough. */
function attend(
  backend: Backend,
  block: Block,
  hidden: Tensor,
  { angles, length }: Rotary,
  observe?: Observer,
): Tensor | undefined {
  const { epsilon, heads, kvHeads, headDim } = block.shape;
  using x = backend.norm(hidden, block.get("input_layernorm.weight"), { kind: "rms", epsilon });
  if (observe?.(INPUTS[0], x)) return undefined;
  using q = project(backend, block, "q", x, angles);
  using k = project(backend, block, "k", x, angles);
  using v = linear(backend, block, "self_attn.v_proj", x);
  const offsets = Uint32Array.from({ length: hidden.rows / length + 1 }, (_, i) => i * length);
  using mixed = backend.attention(q, k, v, { offsets, heads, kvHeads, scale: 1 / Math.sqrt(headDim) });
  if (observe?.(INPUTS[1], mixed)) return undefined;
  using out = linear(backend, block, "self_attn.o_proj", mixed);
  return backend.add(hidden, out);
}

/** The down projection's input, `silu(gate x) * up x`; nothing once the observer has seen enough. */
function gate(backend: Backend, block: Block, hidden: Tensor, observe?: Observer): Tensor | undefined {
  const { epsilon } = block.shape;
  using x = backend.norm(hidden, block.get("post_attention_layernorm.weight"), { kind: "rms", epsilon });
  if (observe?.(INPUTS[2], x)) return undefined;
  using gated = linear(backend, block, "mlp.gate_proj", x);
  using up = linear(backend, block, "mlp.up_proj", x);
  return backend.gate(gated, up, "silu");
}

/**
 * Runs a block.
 * @param hidden The residual stream, tokens x hidden: whole sequences.
 * @param rotary From {@linkcode uploadAngles}.
 * @returns The residual stream after the block, a new tensor.
 */
export function forwardBlock(backend: Backend, block: Block, hidden: Tensor, rotary: Rotary): Tensor {
  using attended = attend(backend, block, hidden, rotary)!;
  using product = gate(backend, block, attended)!;
  using down = linear(backend, block, "mlp.down_proj", product);
  return backend.add(attended, down);
}

/** Runs a block as far as its linears' inputs go, or until the observer has seen enough, and shows them to it. */
export function observeBlock(backend: Backend, block: Block, hidden: Tensor, rotary: Rotary, observe: Observer): void {
  using attended = attend(backend, block, hidden, rotary, observe);
  using product = attended && gate(backend, block, attended, observe);
  if (product) observe(INPUTS[3], product);
}
