/** Qwen3 with a mixture of experts (Yang et al., 2025) in the blocks that the config says, and a plain MLP in the others. */
import { z } from "npm:zod@4.6.7";
import { count, depth, dimension, flag } from "../config.ts";
import type { Family } from "./family.ts";
import { gatedMlp, llamaAttention, llamaModel, longest, mixture, readWidths, residual } from "./parts.ts";

/** See the file's head. */
export const qwen3Moe: Family = {
  modelType: "qwen3_moe",
  read(config) {
    const widths = readWidths(config, { maxLength: 32768, kvHeads: 4 }), { hidden, headDim, epsilon } = widths;
    const rope = config.rope(headDim, widths.maxLength), biased = config.flag("attention_bias");
    const window = config.or("use_sliding_window", flag, false)
      ? config.nullable("sliding_window", dimension, 4096)
      : undefined;
    const activation = config.activation("hidden_act", "silu");
    const experts = config.experts(["num_experts", "num_local_experts"], 128);
    const chosen = config.or("num_experts_per_tok", depth, 8), normalized = config.or("norm_topk_prob", flag, false);
    const every = config.or("decoder_sparse_step", dimension, 1);
    const plain = new Set(config.or("mlp_only_layers", z.array(count), []));
    const inner = { hidden, intermediate: config.or("moe_intermediate_size", dimension, 768) };
    return llamaModel(config, widths, (block, index) => [
      residual(
        block.rms("input_layernorm", hidden, epsilon),
        llamaAttention(block, widths, {
          rope,
          qkvBias: biased,
          outputBias: biased,
          queryNorm: block.rms("self_attn.q_norm", headDim, epsilon),
          keyNorm: block.rms("self_attn.k_norm", headDim, epsilon),
          window,
        }),
      ),
      residual(
        block.rms("post_attention_layernorm", hidden, epsilon),
        plain.has(index) || (index + 1) % every
          ? gatedMlp(block, widths, { activation })
          : mixture(config, block, inner, {
            router: "mlp.gate",
            names: (expert) => {
              const name = `mlp.experts.${expert}`;
              return [`${name}.gate_proj`, `${name}.up_proj`, `${name}.down_proj`];
            },
            experts,
            chosen,
            normalized,
            activation,
          }),
      ),
    ], { maxLength: longest(widths.maxLength, rope) });
  },
};
