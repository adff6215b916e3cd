/** SmolLM3 (Bakouch et al., 2025): LLaMA without rotation in every fourth block or so. */
import { z } from "npm:zod@4.6.7";
import { dimension, flag } from "../config.ts";
import type { Family } from "./family.ts";
import { gatedMlp, llamaAttention, llamaModel, longest, readWidths, residual } from "./parts.ts";

/** See the file's head. */
export const smollm3: Family = {
  modelType: "smollm3",
  read(config) {
    const widths = readWidths(config, { maxLength: 32768, kvHeads: 4 }), { hidden, blocks, epsilon } = widths;
    const rope = config.rope(widths.headDim, widths.maxLength, config.ropeConfig(), { base: 2e6 });
    const interval = config.or("no_rope_layer_interval", dimension, 4);
    // 1 where a block rotates; it may name more blocks than there are.
    const rotated = config.or("no_rope_layers", z.array(z.number().int().min(0).max(1)), undefined) ??
      Array.from({ length: blocks }, (_, index) => Number((index + 1) % interval !== 0));
    if (rotated.length < blocks) {
      config.fail(`"no_rope_layers" names ${rotated.length} blocks, "num_hidden_layers" ${blocks}`);
    }
    const window = config.or("use_sliding_window", flag, false)
      ? config.or("sliding_window", dimension, undefined)
      : undefined;
    const slides = config.slides(blocks, (index) => window !== undefined && !rotated[index]);
    const activation = config.activation("hidden_act", "silu");
    const biased = config.flag("attention_bias"), bias = config.flag("mlp_bias");
    return llamaModel(config, widths, (block, index) => [
      residual(
        block.rms("input_layernorm", hidden, epsilon),
        llamaAttention(block, widths, {
          rope: rotated[index] ? rope : undefined,
          qkvBias: biased,
          outputBias: biased,
          window: slides[index] ? window : undefined,
        }),
      ),
      residual(block.rms("post_attention_layernorm", hidden, epsilon), gatedMlp(block, widths, { bias, activation })),
    ], { tied: true, maxLength: longest(widths.maxLength, rope) });
  },
};
