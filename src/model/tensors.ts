/**
 * The tensors that a model of some shape is made of, by the names that transformers gives them, and the check that a
 * checkpoint has them all.
 */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { PareError } from "../errors.ts";
import { parseConfig, type Shape } from "./config.ts";

/** The seven linears of a block, in the order of the forward pass; what pruning prunes. */
export const LINEARS = [
  "self_attn.q_proj",
  "self_attn.k_proj",
  "self_attn.v_proj",
  "self_attn.o_proj",
  "mlp.gate_proj",
  "mlp.up_proj",
  "mlp.down_proj",
] as const;
/** The name of a linear within its block. */
export type LinearName = typeof LINEARS[number];

/** The embedding, vocabulary x hidden. */
export const EMBEDDING = "model.embed_tokens.weight";
/** The gain of the last norm. */
export const FINAL_NORM = "model.norm.weight";

/** The head's weight, vocabulary x hidden: its own, or the embedding where the two are tied. */
export function headName(shape: Shape): string {
  return shape.tied ? EMBEDDING : "lm_head.weight";
}

/** A linear's full name, such as `model.layers.3.mlp.up_proj`. */
export function linearName(block: number, linear: string): string {
  return `model.layers.${block}.${linear}`;
}

/** A tensor of a block. */
const BLOCK = /^model\.layers\.(\d+)\./;

/** Output and input width of a linear. */
export function linearShape(shape: Shape, linear: LinearName): [rows: number, cols: number] {
  const { hidden, intermediate, heads, kvHeads, headDim } = shape;
  switch (linear) {
    case "self_attn.q_proj":
      return [heads * headDim, hidden];
    case "self_attn.k_proj":
    case "self_attn.v_proj":
      return [kvHeads * headDim, hidden];
    case "self_attn.o_proj":
      return [hidden, heads * headDim];
    case "mlp.gate_proj":
    case "mlp.up_proj":
      return [intermediate, hidden];
    case "mlp.down_proj":
      return [hidden, intermediate];
  }
}

/** The tensors of one block: their name within the block (`mlp.up_proj.weight`) and their shape in the file. */
export function blockTensors(shape: Shape): Map<string, number[]> {
  const tensors = new Map<string, number[]>([["input_layernorm.weight", [shape.hidden]]]);
  for (const linear of LINEARS) {
    const [rows, cols] = linearShape(shape, linear);
    tensors.set(`${linear}.weight`, [rows, cols]);
    if (shape.biased.includes(linear)) tensors.set(`${linear}.bias`, [rows]);
  }
  if (shape.headNorm) {
    tensors.set("self_attn.q_norm.weight", [shape.headDim]);
    tensors.set("self_attn.k_norm.weight", [shape.headDim]);
  }
  tensors.set("post_attention_layernorm.weight", [shape.hidden]);
  return tensors;
}

/**
 * Checks that a checkpoint has every tensor of the shape, as its config says, and no further block.
 * @throws PareError naming the first tensor that is missing or of another shape, or how many blocks there are.
 */
export function checkTensors(shape: Shape, checkpoint: Pick<Checkpoint, "path" | "tensors">): void {
  const expect = (name: string, dimensions: readonly number[]) => {
    const found = checkpoint.tensors.get(name);
    if (!found) throw new PareError(`${checkpoint.path}: no tensor ${name}, which config.json asks for`);
    if (found.shape.join() !== dimensions.join()) {
      throw new PareError(
        `${checkpoint.path}: tensor ${name}: expected the shape [${dimensions.join(", ")}] by config.json, found [${
          found.shape.join(", ")
        }]`,
      );
    }
  };
  expect(EMBEDDING, [shape.vocabulary, shape.hidden]);
  expect(FINAL_NORM, [shape.hidden]);
  expect(headName(shape), [shape.vocabulary, shape.hidden]);
  const tensors = blockTensors(shape);
  for (let block = 0; block < shape.blocks; block++) {
    for (const [name, dimensions] of tensors) expect(linearName(block, name), dimensions);
  }
  const further = Math.max(-1, ...[...checkpoint.tensors.keys()].map((name) => Number(BLOCK.exec(name)?.[1] ?? -1)));
  if (further >= shape.blocks) {
    throw new PareError(
      `${checkpoint.path}: config.json has num_hidden_layers ${shape.blocks}, the weights have ${
        further + 1
      } blocks; ` +
        "expected as many: give the config.json that belongs to these weights",
    );
  }
}

/**
 * The shape of a checkpoint that is what its config says.
 * @throws PareError as {@linkcode parseConfig} and {@linkcode checkTensors}.
 */
export function readShape(checkpoint: Pick<Checkpoint, "path" | "config" | "tensors">): Shape {
  const shape = parseConfig(checkpoint.config, checkpoint.path);
  checkTensors(shape, checkpoint);
  return shape;
}
