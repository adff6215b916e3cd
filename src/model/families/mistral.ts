/** Mistral (Jiang et al., 2023): LLaMA with a sliding window in all blocks, where the config has one. */
import { dimension } from "../config.ts";
import type { Family } from "./family.ts";
import { gatedMlp, llamaAttention, llamaModel, longest, readWidths, residual } from "./parts.ts";

/** See the file's head. */
export const mistral: Family = {
  modelType: "mistral",
  read(config) {
    const widths = readWidths(config, { maxLength: 4096 * 32 }), rope = config.rope(widths.headDim, widths.maxLength);
    const window = config.nullable("sliding_window", dimension, 4096);
    const activation = config.activation("hidden_act", "silu");
    return llamaModel(config, widths, (block) => [
      residual(
        block.rms("input_layernorm", widths.hidden, widths.epsilon),
        llamaAttention(block, widths, { rope, window }),
      ),
      residual(
        block.rms("post_attention_layernorm", widths.hidden, widths.epsilon),
        gatedMlp(block, widths, { activation }),
      ),
    ], { maxLength: longest(widths.maxLength, rope) });
  },
};
