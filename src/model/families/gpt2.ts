/**
 * GPT-2 (Radford et al., 2019): learned positions, weights stored as inputs x outputs (Conv1D), q, k and v in one linear, all
 * heads of each together.
 */
import { depth, dimension, flag, positive } from "../config.ts";
import type { BlockSpec } from "../spec.ts";
import type { Family } from "./family.ts";
import { BlockNames, gptHalves, layerNorm, residual } from "./parts.ts";

/** See the file's head. */
export const gpt2: Family = {
  modelType: "gpt2",
  read(config) {
    config.refuse("add_cross_attention", false);
    const hidden = config.either(["n_embd", "hidden_size"], dimension);
    const heads = config.either(["n_head", "num_attention_heads"], dimension);
    const { headDim } = config.checkHeads({ heads, kvHeads: heads, headDim: hidden / heads });
    const blocks = config.either(["n_layer", "num_hidden_layers"], depth);
    const vocabulary = config.get("vocab_size", dimension), inner = config.or("n_inner", dimension, 4 * hidden);
    const maxLength = config.either(["n_positions", "max_position_embeddings"], dimension, 1024);
    const epsilon = config.or("layer_norm_epsilon", positive, 1e-5);
    const activation = config.activation("activation_function", "gelu_new");
    const scaled = config.or("scale_attn_weights", flag, true) ? 1 / Math.sqrt(headDim) : 1;
    const byDepth = config.or("scale_attn_by_inverse_layer_idx", flag, false);
    const root = config.prefix("wte.weight", "transformer.");
    const block = (index: number): BlockSpec => {
      const names = new BlockNames(`${root}h.${index}`);
      const { attention, mlp } = gptHalves(names, { hidden, heads, headDim, inner }, {
        names: { qkv: "attn.c_attn", output: "attn.c_proj", up: "mlp.c_fc", down: "mlp.c_proj" },
        byHead: false,
        activation,
        stored: { bias: true, transposed: true },
        scale: byDepth ? scaled / (index + 1) : scaled,
      });
      const [first, second] = ["ln_1", "ln_2"].map((role) => names.layerNorm(role, hidden, epsilon));
      return { index, name: names.name, layers: [residual(first, attention), residual(second, mlp)] };
    };
    return {
      family: "gpt2",
      hidden,
      vocabulary,
      maxLength,
      embedding: {
        tensor: `${root}wte.weight`,
        width: hidden,
        positions: { tensor: `${root}wpe.weight`, rows: maxLength, offset: 0 },
      },
      blocks: Array.from({ length: blocks }, (_, index) => block(index)),
      head: {
        norm: layerNorm(`${root}ln_f`, hidden, epsilon),
        ...config.head(true, `${root}wte.weight`, "lm_head.weight"),
        width: hidden,
      },
    };
  },
};
