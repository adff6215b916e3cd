/**
 * Gemma 3 (Gemma Team, 2025), its text models: as Gemma 2 without the caps, with norms of 1 + w on q and k, and another
 * rotary base in the sliding blocks, of which every sixth or so is a full one.
 */
import { dimension, positive } from "../config.ts";
import type { Family } from "./family.ts";
import { gatedMlp, llamaAttention, llamaModel, longest, readWidths, residual, rmsNorm } from "./parts.ts";

/** See the file's head. */
export const gemma3: Family = {
  modelType: "gemma3_text",
  read(config) {
    config.refuse("use_bidirectional_attention", false);
    const widths = readWidths(config, { maxLength: 131072, headDim: 256, kvHeads: 4 }), { hidden, epsilon } = widths;
    const activation = config.activation("hidden_activation", "gelu_pytorch_tanh");
    const full = config.rope(widths.headDim, widths.maxLength, config.ropeConfig("full_attention"), { base: 1e6 });
    // transformers 4 scales the full blocks only, and has a key of its own for the base of the others.
    const sliding = config.rope(
      widths.headDim,
      widths.maxLength,
      config.hasRopeParameters
        ? config.ropeConfig("sliding_attention")
        : { rope_theta: config.or("rope_local_base_freq", positive, 10000) },
      { base: 10000 },
    );
    const window = config.nullable("sliding_window", dimension, 4096), biased = config.flag("attention_bias");
    const pattern = config.either(["sliding_window_pattern", "_sliding_window_pattern"], dimension, 6);
    const slides = config.slides(widths.blocks, (index) => (index + 1) % pattern !== 0);
    const scale = config.or("query_pre_attn_scalar", positive, 256) ** -0.5;
    return llamaModel(config, widths, (block, index) => [
      residual(
        block.rms("input_layernorm", hidden, epsilon, true),
        llamaAttention(block, widths, {
          rope: slides[index] ? sliding : full,
          scale,
          qkvBias: biased,
          outputBias: biased,
          queryNorm: block.rms("self_attn.q_norm", widths.headDim, epsilon, true),
          keyNorm: block.rms("self_attn.k_norm", widths.headDim, epsilon, true),
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
      maxLength: longest(widths.maxLength, full),
      embeddingScale: Math.sqrt(hidden),
      norm: rmsNorm("model.norm", hidden, epsilon, true),
      softCap: config.or("final_logit_softcapping", positive, undefined),
    });
  },
};
