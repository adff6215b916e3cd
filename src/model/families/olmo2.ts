/** OLMo 2 (OLMo Team, 2024): norms after attention and after the MLP in place of before, RMS norms over all of q and all of k. */
import type { Family } from "./family.ts";
import { gatedMlp, llamaAttention, llamaModel, longest, readWidths, residual } from "./parts.ts";

/** See the file's head. */
export const olmo2: Family = {
  modelType: "olmo2",
  read(config) {
    const widths = readWidths(config, { epsilon: 1e-5 }), { hidden, heads, kvHeads, headDim, epsilon } = widths;
    const rope = config.rope(headDim, widths.maxLength), biased = config.flag("attention_bias");
    const activation = config.activation("hidden_act", "silu");
    return llamaModel(config, widths, (block) => [
      residual(
        llamaAttention(block, widths, {
          rope,
          qkvBias: biased,
          outputBias: biased,
          queryNorm: block.rms("self_attn.q_norm", heads * headDim, epsilon),
          keyNorm: block.rms("self_attn.k_norm", kvHeads * headDim, epsilon),
        }),
        block.rms("post_attention_layernorm", hidden, epsilon),
      ),
      residual(
        gatedMlp(block, widths, { activation }),
        block.rms("post_feedforward_layernorm", hidden, epsilon),
      ),
    ], { maxLength: longest(widths.maxLength, rope) });
  },
};
