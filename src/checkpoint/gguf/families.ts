/**
 * The model families that GGUF and transformers both know: what each calls the tensors, and `config.json` rebuilt from
 * the metadata, with the keys of transformers 4. What a tensor means is for the model room; this is a dictionary.
 */
import { quote } from "../quote.ts";
import { formatName, FORMATS } from "./formats.ts";
import type { Family, Known, Names } from "./family.ts";
import { GPT_FAMILIES } from "./gpt.ts";
import { type Metadata, shortest } from "./metadata.ts";
import type { GgufTensor } from "./header.ts";
import type { Renamed } from "./shard.ts";

/** Norms before and after both halves of a block. */
const FOUR_NORMS = {
  post_attention_norm: "post_attention_layernorm",
  ffn_norm: "pre_feedforward_layernorm",
  post_ffw_norm: "post_feedforward_layernorm",
};

/** What both Gemmas say. */
function gemmaKeys({ number, nullable, hidden, heads, headDim, blocks }: Known, widest: number) {
  return {
    attn_logit_softcapping: nullable("attn_logit_softcapping"),
    final_logit_softcapping: nullable("final_logit_softcapping"),
    hidden_activation: "gelu_pytorch_tanh",
    // No key says so: llama.cpp tells the largest model, which has another scale, by its number of blocks.
    query_pre_attn_scalar: blocks === widest ? hidden / heads : headDim,
    sliding_window: number("attention.sliding_window"),
  };
}

/**
 * By `general.architecture`. Mistral's GGUF files say "llama". The facts are those of llama.cpp's converter (its classes
 * Gemma2Model, Gemma3Model, Phi3MiniModel, Olmo2Model, CommandR2Model and SmolLM3Model) and of gguf's table of tensor names.
 */
const FAMILIES: Readonly<Record<string, Family>> = {
  llama: {
    architecture: "LlamaForCausalLM",
    interleaved: true,
    keys: ({ names }) => ({ mlp_bias: names.has("model.layers.0.mlp.gate_proj.bias") }),
  },
  qwen2: { architecture: "Qwen2ForCausalLM", keys: () => ({ use_sliding_window: false }) },
  qwen3: { architecture: "Qwen3ForCausalLM", keys: () => ({ use_sliding_window: false }) },
  gemma2: {
    architecture: "Gemma2ForCausalLM",
    shifted: true,
    block: { ...FOUR_NORMS, attn_q_norm: null, attn_k_norm: null },
    keys: (known) => gemmaKeys(known, 46),
  },
  gemma3: {
    architecture: "Gemma3ForCausalLM",
    modelType: "gemma3_text",
    shifted: true,
    block: FOUR_NORMS,
    keys: (known) => ({
      ...gemmaKeys(known, 62),
      rope_local_base_freq: known.number("rope.freq_base_swa", 10000),
      rope_theta: known.number("rope.freq_base", 1e6),
      sliding_window_pattern: known.number("attention.sliding_window_pattern", 6),
    }),
  },
  phi3: {
    architecture: "Phi3ForCausalLM",
    block: {
      ...{ attn_q: null, attn_k: null, attn_v: null, attn_q_norm: null, attn_k_norm: null, ffn_gate: null },
      attn_qkv: "self_attn.qkv_proj",
      ffn_up: "mlp.gate_up_proj",
    },
    partial: true,
    keys: ({ number, nullable, rotated, headDim }) => ({
      original_max_position_embeddings: number("rope.scaling.original_context_length", number("context_length")),
      partial_rotary_factor: rotated / headDim,
      // A file without a window says 0.
      sliding_window: nullable("attention.sliding_window") || null,
    }),
  },
  olmo2: {
    architecture: "Olmo2ForCausalLM",
    block: { ...FOUR_NORMS, attn_norm: null, ffn_norm: null },
    keys({ metadata, nullable }) {
      if (nullable("attention.sliding_window") === null) return {};
      throw metadata.wrong("it has sliding windows: OLMo 3, which Pare does not know");
    },
  },
  smollm3: {
    architecture: "SmolLM3ForCausalLM",
    interleaved: true,
    block: { attn_q_norm: null, attn_k_norm: null },
    keys: ({ names }) => ({ mlp_bias: names.has("model.layers.0.mlp.gate_proj.bias"), no_rope_layer_interval: 4 }),
  },
  "command-r": {
    architecture: "CohereForCausalLM",
    modelType: "cohere",
    block: { ffn_norm: null },
    keys: ({ number, names }) => ({
      layer_norm_eps: number("attention.layer_norm_epsilon"),
      logit_scale: number("logit_scale"),
      use_qk_norm: names.has("model.layers.0.self_attn.q_norm.weight"),
    }),
  },
  ...GPT_FAMILIES,
};

/** LLaMA's names, which most families share. */
const LLAMA_NAMES: Names = {
  prefix: "model.layers.",
  block: {
    attn_norm: "input_layernorm",
    attn_q: "self_attn.q_proj",
    attn_k: "self_attn.k_proj",
    attn_v: "self_attn.v_proj",
    attn_output: "self_attn.o_proj",
    attn_q_norm: "self_attn.q_norm",
    attn_k_norm: "self_attn.k_norm",
    ffn_norm: "post_attention_layernorm",
    ffn_gate: "mlp.gate_proj",
    ffn_up: "mlp.up_proj",
    ffn_down: "mlp.down_proj",
  },
  ends: { token_embd: "model.embed_tokens", output_norm: "model.norm", output: "lm_head" },
};

/** The names of a family. */
function namesOf({ names, block }: Family): Names {
  return names ?? { ...LLAMA_NAMES, block: { ...LLAMA_NAMES.block, ...block } };
}

/** Factors of the rotary frequencies, which transformers has in the config (see `rope_scaling.ts`): LLaMA 3.1's, and LongRoPE's. */
export const ROPE_TENSORS = {
  factors: "rope_freqs.weight",
  long: "rope_factors_long.weight",
  short: "rope_factors_short.weight",
} as const;

const ROPE_NAMES: ReadonlySet<string> = new Set(Object.values(ROPE_TENSORS));

/** The family's row, and its name. */
function familyOf(metadata: Metadata): [name: string, family: Family] {
  const name = metadata.text("general.architecture");
  if (!Object.hasOwn(FAMILIES, name)) {
    throw metadata.wrong(`its architecture is ${quote(name)}; Pare reads ${Object.keys(FAMILIES).join(", ")}`);
  }
  return [name, FAMILIES[name]];
}

/**
 * Every tensor with its Hugging Face name; {@linkcode ROPE_TENSORS} are left out.
 * @throws PareError for a tensor that no family here has (such as the experts of a mixture), or heads that do not
 * divide a projection's rows.
 */
export function rename(tensors: readonly GgufTensor[], metadata: Metadata): Renamed[] {
  const [family, row] = familyOf(metadata), { interleaved, shifted, byHead, transposed } = row;
  const heads = metadata.count(`${family}.attention.head_count`);
  const headsOf: Record<string, number> = {
    attn_q: heads,
    attn_k: metadata.count(`${family}.attention.head_count_kv`, heads),
  };
  const known = namesOf(row);
  return tensors.filter(({ name }) => !ROPE_NAMES.has(name)).map((tensor) => {
    const [, block, kind, suffix] = /^(?:blk\.(0|[1-9]\d{0,8})\.)?(\w+)\.(weight|bias)$/.exec(tensor.name) ?? [];
    const names = block === undefined ? known.ends : known.block;
    if (kind === undefined || !Object.hasOwn(names, kind) || names[kind] === null) {
      throw metadata.wrong(`tensor ${quote(tensor.name)} is none of a ${family} model's`);
    }
    const name = `${block === undefined ? "" : `${known.prefix}${block}.`}${names[kind]}.${suffix}`;
    if (shifted && /norm\.weight$/.test(name)) return { tensor, name, shift: 1 };
    if (block !== undefined && tensor.shape.length === 2 && transposed?.has(kind)) {
      return { tensor, name, transposed: true };
    }
    if (byHead && kind === "attn_qkv") {
      refuseUneven(tensor, 3 * heads, metadata);
      return { tensor, name, heads };
    }
    if (!interleaved || block === undefined || !Object.hasOwn(headsOf, kind)) return { tensor, name };
    refuseUneven(tensor, headsOf[kind], metadata, 2);
    return { tensor, name, headRows: tensor.shape[0] / headsOf[kind] };
  });
}

/** Refuses a tensor whose rows are to change places and cannot: heads do not divide them, or numbers of a vector are in blocks. */
function refuseUneven({ name, shape, format }: GgufTensor, heads: number, metadata: Metadata, divisor = 1): void {
  if (shape[0] % (divisor * heads)) {
    throw metadata.wrong(`tensor ${quote(name)}: ${heads} heads cannot share ${shape[0]} rows`);
  }
  if (shape.length === 1 && FORMATS[format].weights > 1) {
    throw metadata.wrong(`tensor ${quote(name)}: a bias cannot be ${formatName(format)}`);
  }
}

/**
 * `config.json` as transformers 4 writes it.
 * @param names the Hugging Face names of the tensors.
 * @param scaling transformers' `rope_scaling`.
 * @throws PareError naming the key that is missing or of another kind.
 */
export function rebuildConfig(
  metadata: Metadata,
  names: ReadonlySet<string>,
  vocabulary: number,
  scaling: Readonly<Record<string, unknown>> | null,
): Record<string, unknown> {
  const [family, row] = familyOf(metadata), { architecture, modelType = family, partial = false, keys } = row;
  const number = (key: string, fallback?: number) => shortest(metadata.number(`${family}.${key}`, fallback));
  const nullable = (key: string) => metadata.has(`${family}.${key}`) ? number(key) : null;
  const hidden = number("embedding_length");
  const heads = number("attention.head_count");
  const headDim = number("attention.key_length", hidden / heads);
  const rotated = number("rope.dimension_count", headDim);
  if (rotated !== headDim && !partial) {
    throw metadata.wrong(`it rotates ${rotated} of ${headDim} dimensions of a head; Pare all`);
  }
  const blocks = number("block_count");
  const known = { metadata, names, hidden, heads, headDim, rotated, blocks, number, nullable };
  const common = {
    architectures: [architecture],
    ...tokenIds(metadata),
    model_type: modelType,
    tie_word_embeddings: !names.has(`${namesOf(row).ends.output}.weight`),
    torch_dtype: "float16",
    use_cache: true,
    vocab_size: vocabulary,
  };
  if (row.names) return { ...common, ...keys?.(known) };
  return {
    ...common,
    attention_bias: names.has("model.layers.0.self_attn.o_proj.bias"),
    attention_dropout: 0,
    head_dim: headDim,
    hidden_act: "silu",
    hidden_size: hidden,
    intermediate_size: number("feed_forward_length"),
    max_position_embeddings: number("context_length"),
    num_attention_heads: heads,
    num_hidden_layers: blocks,
    num_key_value_heads: number("attention.head_count_kv", heads),
    ...family !== "command-r" && { rms_norm_eps: number("attention.layer_norm_rms_epsilon") },
    rope_scaling: scaling,
    rope_theta: number("rope.freq_base", 10000),
    ...keys?.(known),
  };
}

/** The special tokens' ids, as `generation_config.json` has them. */
export function tokenIds(metadata: Metadata): Record<string, number> {
  const ids: Record<string, number> = {};
  for (const [key, name] of [["bos", "bos"], ["eos", "eos"], ["padding", "pad"]]) {
    const id = `tokenizer.ggml.${key}_token_id`;
    if (metadata.has(id)) ids[`${name}_token_id`] = metadata.number(id);
  }
  return ids;
}
