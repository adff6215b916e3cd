/**
 * Configs of every family as transformers 4 and 5 write them (the keys that Pare reads, values of the published models),
 * and what they must be understood as. The two spellings of a model say the same.
 */
import { findLayer, linearsOf } from "../../src/model/layers.ts";
import { parseConfig } from "../../src/model/read.ts";
import { summarize } from "../../src/model/summary.ts";

/** A config understood, as far as the tests look at it; of blocks the first one's. */
export function understood(config: Readonly<Record<string, unknown>>, name = "m") {
  const spec = parseConfig(config, name), [block] = spec.blocks, attention = findLayer(block, "attention")!;
  return {
    ...summarize(spec),
    epsilon: findLayer(block, "norm")!.epsilon,
    ropeBase: attention.rope?.base,
    ropeScaling: attention.rope?.scaling,
    biased: linearsOf(block).filter(({ bias }) => bias).map(({ role }) => role),
    headNorm: attention.queryNorm !== undefined,
    window: attention.window,
  };
}

/** One published model. */
export interface Published {
  readonly four: Readonly<Record<string, unknown>>;
  readonly five: Readonly<Record<string, unknown>>;
  readonly shape: Partial<ReturnType<typeof understood>>;
}

const QKV = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"];

/** Of the five: `dtype` for `torch_dtype`, and `rope_parameters` with the base in it for `rope_theta` and `rope_scaling`. */
function bothSpellings(
  config: Readonly<Record<string, unknown>>,
  base: number,
  scaling: Readonly<Record<string, unknown>> | null = null,
): Pick<Published, "four" | "five"> {
  return {
    four: {
      ...config,
      torch_dtype: "float16",
      rope_theta: base,
      rope_scaling: scaling,
      transformers_version: "4.46.0",
    },
    five: {
      ...config,
      dtype: "float16",
      rope_parameters: { ...scaling, rope_type: scaling?.rope_type ?? scaling?.type ?? "default", rope_theta: base },
      transformers_version: "5.0.0",
    },
  };
}

/** A small LLaMA that says no more than it must. */
export const SMALLEST = {
  model_type: "llama",
  hidden_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 96,
  vocab_size: 128,
} as const;

/** By what a user would call them. */
export const PUBLISHED: Readonly<Record<string, Published>> = {
  "LLaMA 2 7B": {
    ...bothSpellings({
      model_type: "llama",
      hidden_size: 4096,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      num_key_value_heads: 32,
      intermediate_size: 11008,
      vocab_size: 32000,
      max_position_embeddings: 4096,
      rms_norm_eps: 1e-5,
      hidden_act: "silu",
      tie_word_embeddings: false,
      pretraining_tp: 1,
    }, 10000),
    shape: {
      family: "llama",
      kvHeads: 32,
      headDim: 128,
      maxLength: 4096,
      tied: false,
      ropeBase: 10000,
      ropeScaling: { kind: "none" },
      biased: [],
      headNorm: false,
    },
  },
  "LLaMA 3.2 1B": {
    ...bothSpellings(
      {
        model_type: "llama",
        hidden_size: 2048,
        num_hidden_layers: 16,
        num_attention_heads: 32,
        num_key_value_heads: 8,
        head_dim: 64,
        intermediate_size: 8192,
        vocab_size: 128256,
        max_position_embeddings: 131072,
        rms_norm_eps: 1e-5,
        hidden_act: "silu",
        tie_word_embeddings: true,
        attention_bias: false,
        mlp_bias: false,
      },
      500000,
      {
        rope_type: "llama3",
        factor: 32,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 8192,
      },
    ),
    shape: {
      kvHeads: 8,
      headDim: 64,
      maxLength: 131072,
      tied: true,
      ropeBase: 500000,
      ropeScaling: {
        kind: "llama3",
        factor: 32,
        lowFrequencyFactor: 1,
        highFrequencyFactor: 4,
        originalLength: 8192,
      },
    },
  },
  "Vicuna 7B 16K": {
    ...bothSpellings(
      {
        model_type: "llama",
        hidden_size: 4096,
        num_hidden_layers: 32,
        num_attention_heads: 32,
        intermediate_size: 11008,
        vocab_size: 32000,
        max_position_embeddings: 4096,
        rms_norm_eps: 1e-5,
        hidden_act: "silu",
      },
      10000,
      { type: "linear", factor: 4 },
    ),
    shape: { kvHeads: 32, ropeScaling: { kind: "linear", factor: 4 } },
  },
  "Mistral 7B": {
    ...bothSpellings({
      model_type: "mistral",
      hidden_size: 4096,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      intermediate_size: 14336,
      vocab_size: 32000,
      max_position_embeddings: 32768,
      sliding_window: 4096,
      rms_norm_eps: 1e-5,
      hidden_act: "silu",
      tie_word_embeddings: false,
    }, 10000),
    shape: { family: "mistral", kvHeads: 8, headDim: 128, maxLength: 32768, window: 4096, biased: [] },
  },
  "Qwen2.5 0.5B": {
    ...bothSpellings({
      model_type: "qwen2",
      hidden_size: 896,
      num_hidden_layers: 24,
      num_attention_heads: 14,
      num_key_value_heads: 2,
      intermediate_size: 4864,
      vocab_size: 151936,
      max_position_embeddings: 32768,
      sliding_window: 32768,
      use_sliding_window: false,
      max_window_layers: 24,
      rms_norm_eps: 1e-6,
      hidden_act: "silu",
      tie_word_embeddings: true,
    }, 1e6),
    shape: { family: "qwen2", headDim: 64, maxLength: 32768, tied: true, epsilon: 1e-6, biased: QKV, headNorm: false },
  },
  "Qwen3 0.6B": {
    ...bothSpellings({
      model_type: "qwen3",
      hidden_size: 1024,
      num_hidden_layers: 28,
      num_attention_heads: 16,
      num_key_value_heads: 8,
      head_dim: 128,
      intermediate_size: 3072,
      vocab_size: 151936,
      max_position_embeddings: 40960,
      sliding_window: null,
      use_sliding_window: false,
      rms_norm_eps: 1e-6,
      hidden_act: "silu",
      attention_bias: false,
      tie_word_embeddings: true,
    }, 1e6),
    shape: { family: "qwen3", heads: 16, headDim: 128, hidden: 1024, biased: [], headNorm: true },
  },
};
