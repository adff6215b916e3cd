/**
 * GGUF files of families beside LLaMA and Qwen: tiny models written as llama.cpp's converter writes them must open as what they
 * were made from, rounded to F16, and be understood as the same model.
 */
import { assertEquals, assertRejects } from "@std/assert";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { PareError } from "../../src/errors.ts";
import { parseConfig, readSpec } from "../../src/model/read.ts";
import { toFloats } from "../reference/floats.ts";
import { FIXTURES } from "./folders.ts";
import { counting, F32, opened, type TensorBytes, TINY, TINY_TENSORS, type Typed } from "./gguf_file.ts";

/** A fixture as llama.cpp knows it. */
interface Case {
  readonly model: string;
  readonly architecture: string;
  /** Keys of the fixture's config that a GGUF file cannot say, as the file's reader must take them. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Metadata of its own; numbers of common keys come from the config. */
  readonly metadata: Readonly<Record<string, Typed>>;
  /** Names in a block, transformers' first. */
  readonly block: Readonly<Record<string, string>>;
  readonly interleaved?: readonly string[];
  /** q, k and v stand head by head in the fixture, one after the other in the file. */
  readonly byHead?: boolean;
  /** Weights of blocks are inputs x outputs in the fixture. */
  readonly transposed?: boolean;
  readonly shifted?: boolean;
  readonly tensors?: readonly TensorBytes[];
}

const SEPARATE = {
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};
const TWO_NORMS = { input_layernorm: "attn_norm", post_attention_layernorm: "ffn_norm" };
const FOUR_NORMS = {
  input_layernorm: "attn_norm",
  post_attention_layernorm: "post_attention_norm",
  pre_feedforward_layernorm: "ffn_norm",
  post_feedforward_layernorm: "post_ffw_norm",
};
const HEAD_NORMS = { "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm" };
const FUSED = {
  "self_attn.qkv_proj": "attn_qkv",
  "self_attn.o_proj": "attn_output",
  "mlp.gate_up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};
const GPT_BLOCK = (attention: string) => ({
  input_layernorm: "attn_norm",
  [`${attention}.query_key_value`]: "attn_qkv",
  [`${attention}.dense`]: "attn_output",
  post_attention_layernorm: "ffn_norm",
  "mlp.dense_h_to_4h": "ffn_up",
  "mlp.dense_4h_to_h": "ffn_down",
});
const RMS: Typed = ["f32", 1e-6], RMS5: Typed = ["f32", 1e-5];

/** LongRoPE's divisors of the fixture. */
const SHORT = [1.0, 1.05, 1.2, 1.3, 1.5, 2.0], LONG = [1.1, 1.6, 2.5, 4.0, 6.0, 9.0];
const divisors = (name: string, values: number[]): TensorBytes => ({
  name,
  format: F32,
  shape: [values.length],
  bytes: new Uint8Array(Float32Array.from(values).buffer),
});

const CASES: readonly Case[] = [
  {
    model: "gemma2",
    architecture: "gemma2",
    config: { query_pre_attn_scalar: 16 },
    metadata: {
      "attention.layer_norm_rms_epsilon": RMS,
      "attention.key_length": ["u32", 16],
      "attn_logit_softcapping": ["f32", 2],
      "final_logit_softcapping": ["f32", 5],
      "attention.sliding_window": ["u32", 16],
    },
    block: { ...SEPARATE, ...FOUR_NORMS },
    shifted: true,
  },
  {
    model: "gemma3",
    architecture: "gemma3",
    config: { query_pre_attn_scalar: 16 },
    metadata: {
      "attention.layer_norm_rms_epsilon": RMS,
      "attention.key_length": ["u32", 16],
      "attention.sliding_window": ["u32", 16],
      "attention.sliding_window_pattern": ["u32", 3],
      "rope.freq_base": ["f32", 10000],
      "rope.freq_base_swa": ["f32", 100],
    },
    block: { ...SEPARATE, ...FOUR_NORMS, ...HEAD_NORMS },
    shifted: true,
  },
  {
    model: "phi3",
    architecture: "phi3",
    metadata: {
      "attention.layer_norm_rms_epsilon": RMS5,
      "attention.sliding_window": ["u32", 16],
      "rope.dimension_count": ["u32", 6],
      "rope.freq_base": ["f32", 10000],
      "rope.scaling.original_context_length": ["u32", 64],
    },
    block: { ...FUSED, ...TWO_NORMS },
  },
  {
    model: "phi3-longrope",
    architecture: "phi3",
    metadata: {
      "attention.layer_norm_rms_epsilon": RMS5,
      "attention.sliding_window": ["u32", 0],
      "rope.dimension_count": ["u32", 12],
      "rope.freq_base": ["f32", 10000],
      "rope.scaling.original_context_length": ["u32", 32],
    },
    block: { ...FUSED, ...TWO_NORMS },
    tensors: [divisors("rope_factors_long.weight", LONG), divisors("rope_factors_short.weight", SHORT)],
  },
  {
    model: "olmo2",
    architecture: "olmo2",
    metadata: { "attention.layer_norm_rms_epsilon": RMS5, "rope.freq_base": ["f32", 10000] },
    block: {
      ...SEPARATE,
      ...HEAD_NORMS,
      post_attention_layernorm: "post_attention_norm",
      post_feedforward_layernorm: "post_ffw_norm",
    },
  },
  {
    model: "smollm3",
    architecture: "smollm3",
    config: { no_rope_layers: [1, 1] },
    metadata: { "attention.layer_norm_rms_epsilon": RMS, "rope.freq_base": ["f32", 10000] },
    block: { ...SEPARATE, ...TWO_NORMS },
    interleaved: ["attn_q", "attn_k"],
  },
  {
    model: "cohere",
    architecture: "command-r",
    metadata: {
      "attention.layer_norm_epsilon": RMS5,
      "logit_scale": ["f32", 0.25],
      "rope.freq_base": ["f32", 10000],
      "rope.scaling.type": ["string", "none"],
    },
    block: { ...SEPARATE, input_layernorm: "attn_norm" },
  },
  {
    model: "pythia",
    architecture: "gptneox",
    metadata: {
      "attention.layer_norm_epsilon": RMS5,
      "rope.dimension_count": ["u32", 4],
      "use_parallel_residual": ["bool", 1],
    },
    block: GPT_BLOCK("attention"),
    byHead: true,
  },
  {
    model: "gpt-neox",
    architecture: "gptneox",
    metadata: {
      "attention.layer_norm_epsilon": RMS5,
      "rope.dimension_count": ["u32", 6],
      "use_parallel_residual": ["bool", 0],
    },
    block: GPT_BLOCK("attention"),
    byHead: true,
  },
  {
    model: "bloom",
    architecture: "bloom",
    metadata: { "attention.layer_norm_epsilon": RMS5, "context_length": ["u32", 2048] },
    block: GPT_BLOCK("self_attention"),
    byHead: true,
  },
  {
    model: "gpt2",
    architecture: "gpt2",
    metadata: { "attention.layer_norm_epsilon": RMS5, "feed_forward_length": ["u32", 80] },
    block: {
      "ln_1": "attn_norm",
      "attn.c_attn": "attn_qkv",
      "attn.c_proj": "attn_output",
      "ln_2": "ffn_norm",
      "mlp.c_fc": "ffn_up",
      "mlp.c_proj": "ffn_down",
    },
    transposed: true,
  },
];

const ENDS: Readonly<Record<string, string>> = {
  "model.embed_tokens": "token_embd",
  "model.norm": "output_norm",
  "lm_head": "output",
  "gpt_neox.embed_in": "token_embd",
  "gpt_neox.final_layer_norm": "output_norm",
  "embed_out": "output",
  "transformer.word_embeddings": "token_embd",
  "transformer.word_embeddings_layernorm": "token_embd_norm",
  "transformer.wte": "token_embd",
  "transformer.wpe": "position_embd",
  "transformer.ln_f": "output_norm",
};

for (const each of CASES) {
  const {
    model,
    architecture,
    config = {},
    metadata,
    block,
    interleaved = [],
    shifted,
    byHead,
    transposed,
    tensors = [],
  } = each;
  Deno.test(`a ${architecture} file of tiny-${model} is the model that it was made from`, async () => {
    await using fixture = await openDirectory(`${FIXTURES}/tiny-${model}`);
    const found = fixture.config as Record<string, number>,
      count = (...keys: string[]): Typed => [
        "u32",
        keys.map((key) => found[key]).find((value) => value !== undefined) ?? 1,
      ];
    const expected = new Map<string, Float32Array>(), held: TensorBytes[] = [...tensors];
    for (const [name, bytes] of await fixture.read([...fixture.tensors.keys()])) {
      const { dtype, shape } = fixture.tensors.get(name)!, values = toFloats(bytes, dtype);
      expected.set(name, values);
      const [, number, role] = /^(?:model\.layers|gpt_neox\.layers|transformer\.h)\.(\d+)\.(.*)\.\w+$/.exec(name) ?? [];
      const [, whole, suffix] = /^(.*)\.(weight|bias)$/.exec(name)!;
      const kind = role === undefined ? ENDS[whole] : block[role];
      const written = values.slice(), cols = shape.at(-1)!;
      if (shifted && name.endsWith("norm.weight")) written.forEach((value, i) => written[i] = value + 1);
      if (interleaved.includes(kind)) {
        // Row j of a head's first half goes to 2j, of its second to 2j + 1.
        const heads = kind === "attn_q" ? found.num_attention_heads : found.num_key_value_heads;
        const each = shape[0] / heads;
        for (let row = 0; row < shape[0]; row++) {
          const j = row % each, to = row - j + (j < each / 2 ? 2 * j : 2 * (j - each / 2) + 1);
          written.set(values.subarray(row * cols, (row + 1) * cols), to * cols);
        }
      }
      if (byHead && kind === "attn_qkv") {
        const heads = found.num_attention_heads ?? found.n_head, size = values.length / (3 * heads);
        for (let head = 0; head < heads; head++) {
          for (let part = 0; part < 3; part++) {
            const from = (3 * head + part) * size;
            written.set(values.subarray(from, from + size), (part * heads + head) * size);
          }
        }
      }
      const turn = transposed && role !== undefined && shape.length === 2;
      if (turn) values.forEach((value, i) => written[(i % cols) * shape[0] + Math.floor(i / cols)] = value);
      const called = `${number === undefined ? "" : `blk.${number}.`}${kind}.${suffix}`;
      held.push({
        name: called,
        format: F32,
        shape: turn ? shape.toReversed() : shape,
        bytes: new Uint8Array(written.buffer),
      });
    }
    const keys: Record<string, Typed> = {
      "block_count": count("num_hidden_layers", "n_layer"),
      "context_length": count("max_position_embeddings", "n_positions"),
      "embedding_length": count("hidden_size", "n_embd"),
      "feed_forward_length": count("intermediate_size"),
      "attention.head_count": count("num_attention_heads", "n_head"),
      "attention.head_count_kv": count("num_key_value_heads", "num_attention_heads", "n_head"),
      ...metadata,
    };
    const named = Object.entries(keys).map(([key, typed]) => [`${architecture}.${key}`, typed] as const);
    await opened(
      { "general.architecture": ["string", architecture], ...Object.fromEntries(named) },
      held,
      async (checkpoint) => {
        assertEquals(readSpec(checkpoint), parseConfig({ ...fixture.config, ...config }, "m"));
        assertEquals([...checkpoint.tensors.keys()].sort(), [...expected.keys()].sort());
        for (const [name, bytes] of await checkpoint.read([...checkpoint.tensors.keys()])) {
          // What was shifted was rounded on the way.
          const values = expected.get(name)!, exact = !(shifted && name.endsWith("norm.weight"));
          const got = [...new Float16Array(bytes.slice().buffer)], { shape } = checkpoint.tensors.get(name)!;
          assertEquals(shape, fixture.tensors.get(name)!.shape, name);
          if (shape.length === 2) {
            const [first, rows] = [shape[0] >> 1, shape[0] - (shape[0] >> 1)];
            assertEquals(await checkpoint.readRows(name, first, rows), bytes.slice(first * shape[1] * 2), name);
          }
          const wanted = exact ? values : values.map((value) => Math.fround(Math.fround(value + 1) - 1));
          assertEquals(got, [...new Float16Array(wanted)], name);
        }
      },
    );
  });
}

Deno.test("what a family has not is refused by name: experts, windows in OLMo 2, a gate beside Phi-3's fused one", async () => {
  const as = (architecture: string, more: Record<string, Typed> = {}) => ({
    ...Object.fromEntries(Object.entries(TINY).map(([key, typed]) => [key.replace(/^llama/, architecture), typed])),
    "general.architecture": ["string", architecture] as const,
    ...more,
  });
  const refused = async (metadata: Readonly<Record<string, Typed>>, tensors: readonly TensorBytes[], says: string) =>
    void await assertRejects(() => opened(metadata, tensors, () => Promise.resolve()), PareError, says);
  const experts = counting("blk.0.ffn_gate_exps.weight", [2, 12, 8]);
  await refused(TINY, [...TINY_TENSORS, experts], `tensor "blk.0.ffn_gate_exps.weight" is none of a llama model's`);
  await refused(as("phi3"), TINY_TENSORS, `is none of a phi3 model's`);
  await refused(as("falcon"), TINY_TENSORS, `its architecture is "falcon"; Pare reads llama, qwen2, qwen3, gemma2`);
  const olmo2 = TINY_TENSORS.filter(({ name }) => !/(attn|ffn)_norm/.test(name));
  await refused(as("olmo2", { "olmo2.attention.sliding_window": ["u32", 8] }), olmo2, "it has sliding windows: OLMo 3");
});
