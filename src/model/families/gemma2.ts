/**
 * Gemma 2 (Gemma Team, 2024): RMS norms of 1 + w before and after both halves of a block, sliding and full attention in turn,
 * soft caps on scores and logits, an embedding scaled by the root of its width.
 */
import { dimension, positive } from "../config.ts";
import type { Family } from "./family.ts";
import { gatedMlp, llamaAttention, llamaModel, longest, readWidths, residual, rmsNorm } from "./parts.ts";

/** See the file's head. */
export const gemma2: Family = {
  modelType: "gemma2",
  read(config) {
    config.refuse("use_bidirectional_attention", false);
    const widths = readWidths(config, { maxLength: 8192, headDim: 256, kvHeads: 4 }), { hidden, epsilon } = widths;
    const rope = config.rope(widths.headDim, widths.maxLength),
      activation = config.activation("hidden_activation", "gelu_pytorch_tanh");
    const window = config.nullable("sliding_window", dimension, 4096);
    const slides = config.slides(widths.blocks, (index) => index % 2 === 0), biased = config.flag("attention_bias");
    const softCap = config.nullable("attn_logit_softcapping", positive, 50);
    const scale = config.or("query_pre_attn_scalar", positive, 256) ** -0.5;
    return llamaModel(config, widths, (block, index) => [
      residual(
        block.rms("input_layernorm", hidden, epsilon, true),
        llamaAttention(block, widths, {
          rope,
          scale,
          softCap,
          qkvBias: biased,
          outputBias: biased,
          window: slides[index] ? window : undefined,
        }),
        block.rms("post_attention_layernorm", hidden, epsilon, true),
      ),
      residual(
        block.rms("pre_feedforward_layernorm", hidden, epsilon, true),
        gatedMlp(block, widths, { activation }),
        block.rms("post_feedforward_layernorm", hidden, epsilon, true),
      ),
    ], {
      tied: true,
      maxLength: longest(widths.maxLength, rope),
      embeddingScale: Math.sqrt(hidden),
      norm: rmsNorm("model.norm", hidden, epsilon, true),
      softCap: config.nullable("final_logit_softcapping", positive, 30),
    });
  },
};
