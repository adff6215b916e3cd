/**
 * The model families that GGUF and transformers both know: what each calls the tensors, and `config.json` rebuilt from
 * the metadata, with the keys of transformers 4. What a tensor means is for the model room; this is a dictionary.
 */
import { quote } from "../quote.ts";
import { formatName, FORMATS } from "./formats.ts";
import { type Metadata, shortest } from "./metadata.ts";
import type { GgufTensor } from "./header.ts";
import type { Renamed } from "./shard.ts";

/** What a family has of its own. */
interface Family {
  /** transformers' name of the model class. */
  readonly architecture: string;
  /** llama.cpp interleaves the halves of every query and key head (see `shard.ts`). */
  readonly interleaved: boolean;
}

/** By `general.architecture`, which is transformers' `model_type` as well. Mistral's GGUF files say "llama". */
const FAMILIES: Readonly<Record<string, Family>> = {
  llama: { architecture: "LlamaForCausalLM", interleaved: true },
  qwen2: { architecture: "Qwen2ForCausalLM", interleaved: false },
  qwen3: { architecture: "Qwen3ForCausalLM", interleaved: false },
};

/** Tensors outside the blocks. */
const ENDS: Readonly<Record<string, string>> = {
  token_embd: "model.embed_tokens",
  output_norm: "model.norm",
  output: "lm_head",
};

/** Tensors of a block. */
const BLOCK: Readonly<Record<string, string>> = {
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
};

/** Factors of the rotary frequencies, which transformers has in the config (see `rope_scaling.ts`). */
export const ROPE_FACTORS = "rope_freqs.weight";

/** The family's row, and its name. */
function familyOf(metadata: Metadata): [name: string, family: Family] {
  const name = metadata.text("general.architecture");
  if (!Object.hasOwn(FAMILIES, name)) {
    throw metadata.wrong(`its architecture is ${quote(name)}; Pare reads ${Object.keys(FAMILIES).join(", ")}`);
  }
  return [name, FAMILIES[name]];
}

/**
 * Every tensor with its Hugging Face name; {@linkcode ROPE_FACTORS} is left out.
 * @throws PareError for a tensor that no family here has (such as the experts of a mixture), or heads that do not
 * divide a projection's rows.
 */
export function rename(tensors: readonly GgufTensor[], metadata: Metadata): Renamed[] {
  const [family, { interleaved }] = familyOf(metadata);
  const heads = metadata.count(`${family}.attention.head_count`);
  const headsOf: Record<string, number> = {
    attn_q: heads,
    attn_k: metadata.count(`${family}.attention.head_count_kv`, heads),
  };
  return tensors.filter(({ name }) => name !== ROPE_FACTORS).map((tensor) => {
    const [, block, kind, suffix] = /^(?:blk\.(0|[1-9]\d{0,8})\.)?(\w+)\.(weight|bias)$/.exec(tensor.name) ?? [];
    const names = block === undefined ? ENDS : BLOCK;
    if (kind === undefined || !Object.hasOwn(names, kind)) {
      throw metadata.wrong(`tensor ${quote(tensor.name)} is none of a ${family} model's`);
    }
    const name = `${block === undefined ? "" : `model.layers.${block}.`}${names[kind]}.${suffix}`;
    if (!interleaved || block === undefined || !Object.hasOwn(headsOf, kind)) return { tensor, name };
    const headRows = tensor.shape[0] / headsOf[kind];
    if (!Number.isInteger(headRows) || headRows % 2 !== 0) {
      throw metadata.wrong(`tensor ${quote(tensor.name)}: ${headsOf[kind]} heads cannot share ${tensor.shape[0]} rows`);
    }
    if (tensor.shape.length === 1 && FORMATS[tensor.format].weights > 1) {
      throw metadata.wrong(`tensor ${quote(tensor.name)}: a bias cannot be ${formatName(tensor.format)}`);
    }
    return { tensor, name, headRows };
  });
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
  const [family, { architecture }] = familyOf(metadata);
  const number = (key: string, fallback?: number) => shortest(metadata.number(`${family}.${key}`, fallback));
  const hidden = number("embedding_length");
  const heads = number("attention.head_count");
  const headDim = number("attention.key_length", hidden / heads);
  const rotated = number("rope.dimension_count", headDim);
  if (rotated !== headDim) throw metadata.wrong(`it rotates ${rotated} of ${headDim} dimensions of a head; Pare all`);
  return {
    architectures: [architecture],
    attention_bias: names.has("model.layers.0.self_attn.o_proj.bias"),
    attention_dropout: 0,
    ...tokenIds(metadata),
    head_dim: headDim,
    hidden_act: "silu",
    hidden_size: hidden,
    intermediate_size: number("feed_forward_length"),
    max_position_embeddings: number("context_length"),
    ...family === "llama"
      ? { mlp_bias: names.has("model.layers.0.mlp.gate_proj.bias") }
      : { use_sliding_window: false },
    model_type: family,
    num_attention_heads: heads,
    num_hidden_layers: number("block_count"),
    num_key_value_heads: number("attention.head_count_kv", heads),
    rms_norm_eps: number("attention.layer_norm_rms_epsilon"),
    rope_scaling: scaling,
    rope_theta: number("rope.freq_base", 10000),
    tie_word_embeddings: !names.has("lm_head.weight"),
    torch_dtype: "float16",
    use_cache: true,
    vocab_size: vocabulary,
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
