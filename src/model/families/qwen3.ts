/** Qwen3 (Yang et al., 2025): LLaMA with RMS norms over every head of q and k, and windows as Qwen2. */
import { flag } from "../config.ts";
import type { Family } from "./family.ts";
import { gatedMlp, laterWindows, llamaAttention, llamaModel, longest, readWidths, residual } from "./parts.ts";

/** See the file's head. */
export const qwen3: Family = {
  modelType: "qwen3",
  read(config) {
    const widths = readWidths(config, { maxLength: 32768 }), rope = config.rope(widths.headDim, widths.maxLength);
    const biased = config.or("attention_bias", flag, false);
    const windows = laterWindows(config, widths.blocks);
    const activation = config.activation("hidden_act", "silu");
    return llamaModel(config, widths, (block, index) => [
      residual(
        block.rms("input_layernorm", widths.hidden, widths.epsilon),
        llamaAttention(block, widths, {
          rope,
          qkvBias: biased,
          outputBias: biased,
          queryNorm: block.rms("self_attn.q_norm", widths.headDim, widths.epsilon),
          keyNorm: block.rms("self_attn.k_norm", widths.headDim, widths.epsilon),
          window: windows[index],
        }),
      ),
      residual(
        block.rms("post_attention_layernorm", widths.hidden, widths.epsilon),
        gatedMlp(block, widths, { activation }),
      ),
    ], { maxLength: longest(widths.maxLength, rope) });
  },
};
