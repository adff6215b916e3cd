/** The shapes of the bench: the linears of two models, as their published configs have them. */
import type { Product } from "./operands.ts";

/** SmolLM2-135M's config.json without the number of blocks, and with the few tokens that a random model needs. */
export const SMOLLM2_CONFIG = {
  model_type: "llama",
  hidden_size: 576,
  intermediate_size: 1536,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  head_dim: 64,
  vocab_size: 1024,
  max_position_embeddings: 8192,
  rms_norm_eps: 1e-5,
  rope_theta: 100000,
  hidden_act: "silu",
  tie_word_embeddings: true,
} as const;

/** LLaMA-7B's config.json without the number of blocks. */
export const LLAMA_7B_CONFIG = {
  model_type: "llama",
  hidden_size: 4096,
  intermediate_size: 11008,
  num_attention_heads: 32,
  num_key_value_heads: 32,
  vocab_size: 32000,
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-6,
  rope_theta: 10000,
  hidden_act: "silu",
  tie_word_embeddings: false,
} as const;

/** LLaMA-2-70B's config.json without the number of blocks. */
export const LLAMA_70B_CONFIG = {
  ...LLAMA_7B_CONFIG,
  hidden_size: 8192,
  intermediate_size: 28672,
  num_attention_heads: 64,
  num_key_value_heads: 8,
  max_position_embeddings: 4096,
} as const;

/** LLaMA-3.1-405B's, with rotations that no cost depends on. */
export const LLAMA_405B_CONFIG = {
  ...LLAMA_7B_CONFIG,
  hidden_size: 16384,
  intermediate_size: 53248,
  num_attention_heads: 128,
  num_key_value_heads: 8,
  vocab_size: 128256,
  max_position_embeddings: 131072,
} as const;

/** The linears of each model by kind: outs x depth. */
const LINEARS = {
  "SmolLM2-135M": { "q o": [576, 576], "k v": [192, 576], "gate up": [1536, 576], "down": [576, 1536] },
  "LLaMA-7B": { "q k v o": [4096, 4096], "gate up": [11008, 4096], "down": [4096, 11008] },
} as const;

/** A linear of a model and a batch. */
export interface BenchShape extends Product {
  /** `SmolLM2-135M gate up, 1536 x 576, 1024 tokens`. */
  readonly name: string;
}

/** A model's linears for a batch of `tokens`; only the first kind, if `few`. */
export function shapes(model: keyof typeof LINEARS, tokens: number, few: boolean): BenchShape[] {
  const all = Object.entries(LINEARS[model]).map(([kind, [outs, depth]]) => ({
    name: `${model} ${kind}, ${outs} x ${depth}, ${tokens} tokens`,
    tokens,
    depth,
    outs,
  }));
  return few ? all.slice(0, 1) : all;
}
