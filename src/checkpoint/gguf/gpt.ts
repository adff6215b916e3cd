/**
 * GPT-NeoX, BLOOM and GPT-2 in GGUF: names of their own, and q, k and v in one linear, which llama.cpp's converter (its classes
 * GPTNeoXModel, BloomModel and GPT2Model) brings into one order of rows; it turns GPT-2's weights, too.
 */
import type { Family } from "./family.ts";

/** By `general.architecture`. */
export const GPT_FAMILIES: Readonly<Record<string, Family>> = {
  gptneox: {
    architecture: "GPTNeoXForCausalLM",
    modelType: "gpt_neox",
    byHead: true,
    partial: true,
    names: {
      prefix: "gpt_neox.layers.",
      block: {
        attn_norm: "input_layernorm",
        attn_qkv: "attention.query_key_value",
        attn_output: "attention.dense",
        ffn_norm: "post_attention_layernorm",
        ffn_up: "mlp.dense_h_to_4h",
        ffn_down: "mlp.dense_4h_to_h",
      },
      ends: { token_embd: "gpt_neox.embed_in", output_norm: "gpt_neox.final_layer_norm", output: "embed_out" },
    },
    keys: ({ metadata, number, hidden, heads, headDim, rotated, blocks }) => ({
      hidden_act: "gelu",
      hidden_size: hidden,
      intermediate_size: number("feed_forward_length"),
      layer_norm_eps: number("attention.layer_norm_epsilon"),
      max_position_embeddings: number("context_length"),
      num_attention_heads: heads,
      num_hidden_layers: blocks,
      rotary_emb_base: number("rope.freq_base", 10000),
      rotary_pct: rotated / headDim,
      use_parallel_residual: metadata.flag("gptneox.use_parallel_residual", true),
    }),
  },
  bloom: {
    architecture: "BloomForCausalLM",
    byHead: true,
    names: {
      prefix: "transformer.h.",
      block: {
        attn_norm: "input_layernorm",
        attn_qkv: "self_attention.query_key_value",
        attn_output: "self_attention.dense",
        ffn_norm: "post_attention_layernorm",
        ffn_up: "mlp.dense_h_to_4h",
        ffn_down: "mlp.dense_4h_to_h",
      },
      ends: {
        token_embd: "transformer.word_embeddings",
        token_embd_norm: "transformer.word_embeddings_layernorm",
        output_norm: "transformer.ln_f",
        output: "lm_head",
      },
    },
    keys: ({ number, hidden, heads, blocks }) => ({
      hidden_size: hidden,
      layer_norm_epsilon: number("attention.layer_norm_epsilon"),
      n_head: heads,
      n_layer: blocks,
      seq_length: number("context_length"),
    }),
  },
  gpt2: {
    architecture: "GPT2LMHeadModel",
    transposed: new Set(["attn_qkv", "attn_output", "ffn_up", "ffn_down"]),
    names: {
      prefix: "transformer.h.",
      block: {
        attn_norm: "ln_1",
        attn_qkv: "attn.c_attn",
        attn_output: "attn.c_proj",
        ffn_norm: "ln_2",
        ffn_up: "mlp.c_fc",
        ffn_down: "mlp.c_proj",
      },
      ends: {
        token_embd: "transformer.wte",
        position_embd: "transformer.wpe",
        output_norm: "transformer.ln_f",
        output: "lm_head",
      },
    },
    keys: ({ number, hidden, heads, blocks }) => ({
      activation_function: "gelu_new",
      layer_norm_epsilon: number("attention.layer_norm_epsilon"),
      n_embd: hidden,
      n_head: heads,
      n_inner: number("feed_forward_length"),
      n_layer: blocks,
      n_positions: number("context_length"),
    }),
  },
};
