/**
 * GPT-NeoX (Black et al., 2022) and Pythia (Biderman et al., 2023): attention and MLP side by side on one residual stream,
 * each with its norm, or one after the other; a part of each head rotated; q, k and v in one linear, head by head.
 */
import { depth, dimension, flag, positive } from "../config.ts";
import type { BlockSpec } from "../spec.ts";
import type { Family } from "./family.ts";
import { BlockNames, gptHalves, layerNorm, longest, residual } from "./parts.ts";

/** See the file's head. */
export const gptNeox: Family = {
  modelType: "gpt_neox",
  read(config) {
    const hidden = config.get("hidden_size", dimension), heads = config.get("num_attention_heads", dimension);
    const { headDim } = config.checkHeads({ heads, kvHeads: heads, headDim: hidden / heads });
    const blocks = config.get("num_hidden_layers", depth), inner = config.get("intermediate_size", dimension);
    const vocabulary = config.get("vocab_size", dimension);
    const maxLength = config.or("max_position_embeddings", dimension, 2048);
    const epsilon = config.or("layer_norm_eps", positive, 1e-5);
    const activation = config.activation("hidden_act", "gelu");
    const parallel = config.or("use_parallel_residual", flag, true);
    const bias = config.or("attention_bias", flag, true);
    const rope = config.rope(headDim, maxLength, config.ropeConfig(), {
      base: config.or("rotary_emb_base", positive, 10000),
      part: config.or("rotary_pct", positive.max(1), 0.25),
    });
    const block = (index: number): BlockSpec => {
      const names = new BlockNames(`gpt_neox.layers.${index}`);
      const { attention, mlp } = gptHalves(names, { hidden, heads, headDim, inner }, {
        names: {
          qkv: "attention.query_key_value",
          output: "attention.dense",
          up: "mlp.dense_h_to_4h",
          down: "mlp.dense_4h_to_h",
        },
        byHead: true,
        activation,
        stored: { bias },
        mlpStored: { bias: true },
        rope,
      });
      const [first, second] = ["input_layernorm", "post_attention_layernorm"].map((role) =>
        names.layerNorm(role, hidden, epsilon)
      );
      const layers = parallel
        ? [residual({ kind: "parallel", branches: [[first, attention], [second, mlp]] })]
        : [residual(first, attention), residual(second, mlp)];
      return { index, name: names.name, layers };
    };
    return {
      family: "gpt_neox",
      hidden,
      vocabulary,
      maxLength: longest(maxLength, rope),
      embedding: { tensor: "gpt_neox.embed_in.weight", width: hidden },
      blocks: Array.from({ length: blocks }, (_, index) => block(index)),
      head: {
        norm: layerNorm("gpt_neox.final_layer_norm", hidden, epsilon),
        ...config.head(false, "gpt_neox.embed_in.weight", "embed_out.weight"),
        width: hidden,
      },
    };
  },
};
