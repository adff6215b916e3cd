/** Qwen2 and Qwen2.5 (Yang et al., 2024): LLaMA with biases on q, k and v, and sliding windows in the later blocks if switched on. */
import type { Family } from "./family.ts";
import { gatedMlp, laterWindows, llamaAttention, llamaModel, longest, readWidths, residual } from "./parts.ts";

/** See the file's head. */
export const qwen2: Family = {
  modelType: "qwen2",
  read(config) {
    const widths = readWidths(config, { maxLength: 32768 }), rope = config.rope(widths.headDim, widths.maxLength);
    const windows = laterWindows(config, widths.blocks);
    const activation = config.activation("hidden_act", "silu");
    return llamaModel(config, widths, (block, index) => [
      residual(
        block.rms("input_layernorm", widths.hidden, widths.epsilon),
        llamaAttention(block, widths, { rope, qkvBias: true, window: windows[index] }),
      ),
      residual(
        block.rms("post_attention_layernorm", widths.hidden, widths.epsilon),
        gatedMlp(block, widths, { activation }),
      ),
    ], { maxLength: longest(widths.maxLength, rope) });
  },
};
