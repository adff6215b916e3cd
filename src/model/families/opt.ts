/**
 * OPT (Zhang et al., 2022): learned positions, layer norms and biases everywhere, an MLP without gate. OPT-350m has its norms
 * after each half of a block, and an embedding narrower than the residual stream with a projection at both ends.
 */
import { depth, dimension, flag } from "../config.ts";
import type { BlockSpec, Linear } from "../spec.ts";
import type { Family } from "./family.ts";
import { BlockNames, layerNorm, residual } from "./parts.ts";

/** Of all its norms; no key says so. */
const EPSILON = 1e-5;
/** The row of the first position (the ones before were for padding). */
const FIRST_POSITION = 2;

/** See the file's head. */
export const opt: Family = {
  modelType: "opt",
  read(config) {
    config.refuse("enable_bias", true);
    config.refuse("layer_norm_elementwise_affine", true);
    const hidden = config.get("hidden_size", dimension), heads = config.get("num_attention_heads", dimension);
    const { headDim } = config.checkHeads({ heads, kvHeads: heads, headDim: hidden / heads });
    const blocks = config.get("num_hidden_layers", depth), inner = config.get("ffn_dim", dimension);
    const vocabulary = config.get("vocab_size", dimension);
    const maxLength = config.or("max_position_embeddings", dimension, 2048);
    const before = config.or("do_layer_norm_before", flag, true);
    const activation = config.activation("activation_function", "relu");
    const width = config.or("word_embed_proj_dim", dimension, hidden);
    // Some published files were saved from the model without its head.
    const root = config.prefix("decoder.embed_tokens.weight", "model.");
    const name = `${root}decoder`, bias = { bias: true };
    const projection = (which: string, rows: number, cols: number): Linear => ({
      kind: "linear",
      name: `${name}.${which}`,
      role: which,
      rows,
      cols,
      bias: false,
      transposed: false,
    });
    const block = (index: number): BlockSpec => {
      const names = new BlockNames(`${name}.layers.${index}`);
      const attention = {
        kind: "attention" as const,
        heads,
        kvHeads: heads,
        headDim,
        projections: {
          kind: "separate" as const,
          q: names.linear("self_attn.q_proj", hidden, hidden, bias),
          k: names.linear("self_attn.k_proj", hidden, hidden, bias),
          v: names.linear("self_attn.v_proj", hidden, hidden, bias),
        },
        output: names.linear("self_attn.out_proj", hidden, hidden, bias),
        scale: 1 / Math.sqrt(headDim),
      };
      const mlp = {
        kind: "mlp" as const,
        input: { kind: "plain" as const, up: names.linear("fc1", inner, hidden, bias) },
        activation,
        down: names.linear("fc2", hidden, inner, bias),
      };
      const norms = ["self_attn_layer_norm", "final_layer_norm"].map((role) => names.layerNorm(role, hidden, EPSILON));
      const layers = before
        ? [residual(norms[0], attention), residual(norms[1], mlp)]
        : [residual(attention), norms[0], residual(mlp), norms[1]];
      return { index, name: names.name, layers };
    };
    const last = before && !config.or("_remove_final_layer_norm", flag, false);
    return {
      family: "opt",
      hidden,
      vocabulary,
      maxLength,
      embedding: {
        tensor: `${name}.embed_tokens.weight`,
        width,
        positions: {
          tensor: `${name}.embed_positions.weight`,
          rows: maxLength + FIRST_POSITION,
          offset: FIRST_POSITION,
        },
        ...width !== hidden && { project: projection("project_in", hidden, width) },
      },
      blocks: Array.from({ length: blocks }, (_, index) => block(index)),
      head: {
        ...last && { norm: layerNorm(`${name}.final_layer_norm`, hidden, EPSILON) },
        ...width !== hidden && { project: projection("project_out", width, hidden) },
        ...config.head(true, `${name}.embed_tokens.weight`, "lm_head.weight"),
        width,
      },
    };
  },
};
