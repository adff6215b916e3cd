/**
 * What all Gemma models are made of (Gemma Team, 2024 and 2025): RMS norms of 1 + w before and after both halves of a block,
 * gated MLPs, some blocks with a sliding window, an embedding scaled by the root of its width, a head that is the embedding.
 */
import { type Config, dimension, positive } from "../config.ts";
import type { Rope } from "../rope.ts";
import type { ModelSpec } from "../spec.ts";
import {
  type AttentionOptions,
  type BlockNames,
  gatedMlp,
  llamaAttention,
  llamaModel,
  longest,
  residual,
  rmsNorm,
  type Widths,
} from "./parts.ts";

/** What sets one of them apart. */
export interface GemmaOptions {
  /** The rotation of the blocks that see all, and of those with a window. */
  readonly full: Rope;
  readonly sliding: Rope;
  /** Whether a block has a window, where the config does not spell it out. */
  readonly slides: (block: number) => boolean;
  /** What attention has besides. */
  readonly attention: (block: BlockNames) => AttentionOptions;
  /** A cap on the logits. */
  readonly softCap?: number;
}

/** A Gemma model. */
export function gemmaModel(config: Config, widths: Widths, options: GemmaOptions): ModelSpec {
  config.refuse("use_bidirectional_attention", false);
  const { hidden, epsilon, blocks } = widths, { full, sliding, softCap } = options;
  const activation = config.activation("hidden_activation", "gelu_pytorch_tanh");
  const window = config.nullable("sliding_window", dimension, 4096), biased = config.flag("attention_bias");
  const slides = config.slides(blocks, options.slides);
  const scale = config.or("query_pre_attn_scalar", positive, 256) ** -0.5;
  return llamaModel(config, widths, (block, index) => [
    residual(
      block.rms("input_layernorm", hidden, epsilon, true),
      llamaAttention(block, widths, {
        rope: slides[index] ? sliding : full,
        scale,
        qkvBias: biased,
        outputBias: biased,
        window: slides[index] ? window : undefined,
        ...options.attention(block),
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
    softCap,
  });
}
