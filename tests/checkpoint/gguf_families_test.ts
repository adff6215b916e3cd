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
];

const ENDS: Readonly<Record<string, string>> = {
  "model.embed_tokens": "token_embd",
  "model.norm": "output_norm",
  "lm_head": "output",
};

for (const { model, architecture, config = {}, metadata, block, interleaved = [], shifted, tensors = [] } of CASES) {
  Deno.test(`a ${architecture} file of tiny-${model} is the model that it was made from`, async () => {
    await using fixture = await openDirectory(`${FIXTURES}/tiny-${model}`);
    const found = fixture.config as Record<string, number>, count = (key: string): Typed => ["u32", found[key]];
    const expected = new Map<string, Float32Array>(), held: TensorBytes[] = [...tensors];
    for (const [name, bytes] of await fixture.read([...fixture.tensors.keys()])) {
      const { dtype, shape } = fixture.tensors.get(name)!, values = toFloats(bytes, dtype);
      expected.set(name, values);
      const [, number, role] = /^model\.layers\.(\d+)\.(.*)\.weight$/.exec(name) ?? [];
      const kind = role === undefined ? ENDS[name.replace(/\.weight$/, "")] : block[role];
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
      const called = `${number === undefined ? "" : `blk.${number}.`}${kind}.weight`;
      held.push({ name: called, format: F32, shape, bytes: new Uint8Array(written.buffer) });
    }
    const keys: Record<string, Typed> = {
      "block_count": count("num_hidden_layers"),
      "context_length": count("max_position_embeddings"),
      "embedding_length": count("hidden_size"),
      "feed_forward_length": count("intermediate_size"),
      "attention.head_count": count("num_attention_heads"),
      "attention.head_count_kv": count("num_key_value_heads"),
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
          const got = [...new Float16Array(bytes.slice().buffer)];
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
  await refused(as("gpt2"), TINY_TENSORS, `its architecture is "gpt2"; Pare reads llama, qwen2, qwen3, gemma2`);
  const olmo2 = TINY_TENSORS.filter(({ name }) => !/(attn|ffn)_norm/.test(name));
  await refused(as("olmo2", { "olmo2.attention.sliding_window": ["u32", 8] }), olmo2, "it has sliding windows: OLMo 3");
});
