/** Mixtral (Jiang et al., 2024): Mistral with a mixture of experts in place of the MLP. */
import { depth, dimension } from "../config.ts";
import type { Family } from "./family.ts";
import { llamaAttention, llamaModel, longest, mixture, readWidths, residual } from "./parts.ts";

/** See the file's head. */
export const mixtral: Family = {
  modelType: "mixtral",
  read(config) {
    const widths = readWidths(config, { maxLength: 4096 * 32, epsilon: 1e-5, kvHeads: 8 }),
      { hidden, epsilon } = widths;
    const rope = config.rope(widths.headDim, widths.maxLength, config.ropeConfig(), { base: 1e6 });
    const window = config.or("sliding_window", dimension, undefined);
    const activation = config.activation("hidden_act", "silu");
    const experts = config.experts(["num_local_experts", "num_experts"], 8),
      chosen = config.or("num_experts_per_tok", depth, 2);
    return llamaModel(config, widths, (block) => [
      residual(block.rms("input_layernorm", hidden, epsilon), llamaAttention(block, widths, { rope, window })),
      residual(
        block.rms("post_attention_layernorm", hidden, epsilon),
        mixture(config, block, widths, {
          router: "block_sparse_moe.gate",
          names: (expert) => {
            const name = `block_sparse_moe.experts.${expert}`;
            return [`${name}.w1`, `${name}.w3`, `${name}.w2`];
          },
          experts,
          chosen,
          normalized: true,
          activation,
        }),
      ),
    ], { maxLength: longest(widths.maxLength, rope) });
  },
};
