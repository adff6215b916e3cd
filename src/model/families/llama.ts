/** LLaMA 1 to 3 (Touvron et al., 2023), and what is shaped like it under the same model type: TinyLlama, SmolLM2, Yi, … */
import { flag } from "../config.ts";
import type { Family } from "./family.ts";
import { gatedMlp, llamaAttention, llamaModel, longest, readWidths, residual } from "./parts.ts";

/** See the file's head. */
export const llama: Family = {
  modelType: "llama",
  read(config) {
    const widths = readWidths(config), rope = config.rope(widths.headDim, widths.maxLength);
    const biased = config.or("attention_bias", flag, false), bias = config.or("mlp_bias", flag, false);
    const activation = config.activation("hidden_act", "silu");
    return llamaModel(config, widths, (block) => [
      residual(
        block.rms("input_layernorm", widths.hidden, widths.epsilon),
        llamaAttention(block, widths, { rope, qkvBias: biased, outputBias: biased }),
      ),
      residual(
        block.rms("post_attention_layernorm", widths.hidden, widths.epsilon),
        gatedMlp(block, widths, { bias, activation }),
      ),
    ], { maxLength: longest(widths.maxLength, rope) });
  },
};
