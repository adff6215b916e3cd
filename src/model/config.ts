/**
 * What a model is: `config.json`, as transformers 4 or 5 write it, understood as a {@linkcode Shape}. Families are data:
 * a family is a row of {@linkcode FAMILIES}, and the forward pass (`block.ts`) reads only the shape.
 */
import { z } from "npm:zod@4.6.7";
import { PareError } from "../errors.ts";

/** How positions are stretched beyond the training length. */
export type RopeScaling =
  | { readonly kind: "none" }
  /** Positions divided by `factor`. */
  | { readonly kind: "linear"; readonly factor: number }
  /** LLaMA 3.1: long wavelengths divided by `factor`, short ones kept, a ramp between. */
  | {
    readonly kind: "llama3";
    readonly factor: number;
    readonly lowFrequencyFactor: number;
    readonly highFrequencyFactor: number;
    readonly originalLength: number;
  };

/** The dimensions and switches of a LLaMA-like model. */
export interface Shape {
  /** `model_type` of the config. */
  readonly family: string;
  /** Width of the residual stream. */
  readonly hidden: number;
  /** Number of blocks (decoder layers). */
  readonly blocks: number;
  /** Query heads. */
  readonly heads: number;
  /** Key and value heads (grouped-query attention). */
  readonly kvHeads: number;
  /** Width of one head; not always hidden / heads. */
  readonly headDim: number;
  /** Width of the MLP. */
  readonly intermediate: number;
  /** Number of token ids. */
  readonly vocabulary: number;
  /** `max_position_embeddings`, or the sliding window if the family attends no further: the longest sequence that is exact. */
  readonly maxLength: number;
  /** Epsilon of the RMS norms. */
  readonly epsilon: number;
  /** The head is the embedding. */
  readonly tied: boolean;
  /** Base of the rotary frequencies. */
  readonly ropeBase: number;
  /** Scaling of the rotary frequencies. */
  readonly ropeScaling: RopeScaling;
  /** Linears that have a bias, by their name in the block. */
  readonly biased: readonly string[];
  /** RMS norm over every head of q and k before the rotation (Qwen3). */
  readonly headNorm: boolean;
}

const QKV = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"];
const O = ["self_attn.o_proj"];
const MLP = ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"];

/** What sets a family apart from LLaMA. Biases are fixed by the family, or switched by the config's own keys. */
interface Family {
  readonly biased: (config: Config) => string[];
  readonly headNorm: boolean;
  /** The config's `sliding_window` counts (Qwen has a switch for it). */
  readonly slides: (config: Config) => boolean;
}

const FAMILIES: Readonly<Record<string, Family>> = {
  llama: {
    biased: (config) => [...config.attention_bias ? [...QKV, ...O] : [], ...config.mlp_bias ? MLP : []],
    headNorm: false,
    slides: () => false,
  },
  mistral: { biased: () => [], headNorm: false, slides: () => true },
  qwen2: { biased: () => QKV, headNorm: false, slides: (config) => config.use_sliding_window },
  qwen3: {
    biased: (config) => config.attention_bias ? [...QKV, ...O] : [],
    headNorm: true,
    slides: (config) => config.use_sliding_window,
  },
};

/** Larger than any published model by a hundredfold; a config beyond it is damaged, and would overflow our sums. */
const LARGEST_DIMENSION = 1 << 24;
const dimension = z.number().int().min(1).max(LARGEST_DIMENSION);

const RopeSchema = z.object({
  rope_theta: z.number().positive().optional(),
  rope_type: z.string().optional(),
  type: z.string().optional(),
  factor: z.number().positive().optional(),
  low_freq_factor: z.number().positive().optional(),
  high_freq_factor: z.number().positive().optional(),
  original_max_position_embeddings: dimension.optional(),
  partial_rotary_factor: z.number().optional(),
});
type Rope = z.infer<typeof RopeSchema>;

/** Defaults are those of transformers' own config classes. */
const ConfigSchema = z.object({
  model_type: z.string(),
  hidden_size: dimension,
  num_hidden_layers: dimension,
  num_attention_heads: dimension,
  num_key_value_heads: dimension.nullish(),
  head_dim: dimension.nullish(),
  intermediate_size: dimension,
  vocab_size: dimension,
  max_position_embeddings: dimension.default(2048),
  rms_norm_eps: z.number().positive().default(1e-6),
  hidden_act: z.string().default("silu"),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  sliding_window: dimension.nullish(),
  use_sliding_window: z.boolean().default(false),
  partial_rotary_factor: z.number().optional(),
  rope_theta: z.number().positive().optional(),
  rope_scaling: RopeSchema.nullish(),
  rope_parameters: RopeSchema.nullish(),
});
type Config = z.infer<typeof ConfigSchema>;

/** transformers' default base where a config names none. */
const DEFAULT_ROPE_BASE = 10000;

function ropeScaling(rope: Rope, maxLength: number, fail: (what: string) => never): RopeScaling {
  const kind = rope.rope_type ?? rope.type ?? "default";
  if (kind === "default") return { kind: "none" };
  if (kind !== "linear" && kind !== "llama3") {
    fail(`rope type "${kind}" is not known; known are default, linear, llama3`);
  }
  const need = (key: keyof Rope): number => {
    const value = rope[key];
    return typeof value === "number" ? value : fail(`rope type "${kind}" needs a number "${key}"`);
  };
  if (kind === "linear") return { kind, factor: need("factor") };
  const factor = need("factor"), low = need("low_freq_factor"), high = need("high_freq_factor");
  // Between the two is the ramp; without one its slope is a division by zero.
  if (low >= high) fail(`rope type "llama3": expected low_freq_factor < high_freq_factor, found ${low} and ${high}`);
  const originalLength = rope.original_max_position_embeddings ?? maxLength;
  return { kind: "llama3", factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalLength };
}

/**
 * Understands a parsed `config.json`.
 * @param name What to call the model in an error.
 * @throws PareError for a family that is not known, a value that is missing or out of range, or a feature (activation,
 * rope type) that the forward pass does not have.
 */
export function parseConfig(config: Readonly<Record<string, unknown>>, name: string): Shape {
  const fail = (what: string): never => {
    throw new PareError(`${name}: config.json: ${what}`);
  };
  const { model_type: type } = config, families = Object.keys(FAMILIES).join(", ");
  if (typeof type !== "string") return fail(`expected a "model_type", one of ${families}`);
  if (!Object.hasOwn(FAMILIES, type)) return fail(`the family "${type}" is not known; known are ${families}`);
  const family = FAMILIES[type];
  const parsed = ConfigSchema.safeParse(config);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return fail(`"${issue.path.join(".")}": ${issue.message}`);
  }
  const known = parsed.data;
  const heads = known.num_attention_heads, kvHeads = known.num_key_value_heads ?? heads;
  const headDim = known.head_dim ?? known.hidden_size / heads;
  if (!Number.isInteger(headDim) || headDim % 2) fail(`expected an even head width, found ${headDim}`);
  if (heads % kvHeads) fail(`${heads} heads cannot share ${kvHeads} key-value heads evenly`);
  if (known.hidden_act !== "silu") fail(`the activation "${known.hidden_act}" is not known; known is silu`);
  const rope: Rope = known.rope_parameters ?? known.rope_scaling ?? {};
  if ((rope.partial_rotary_factor ?? known.partial_rotary_factor ?? 1) !== 1) {
    fail(`a partial rotary embedding is not known`);
  }
  const window = family.slides(known) ? known.sliding_window ?? Infinity : Infinity;
  return {
    family: known.model_type,
    hidden: known.hidden_size,
    blocks: known.num_hidden_layers,
    heads,
    kvHeads,
    headDim,
    intermediate: known.intermediate_size,
    vocabulary: known.vocab_size,
    maxLength: Math.min(known.max_position_embeddings, window),
    epsilon: known.rms_norm_eps,
    tied: known.tie_word_embeddings,
    ropeBase: rope.rope_theta ?? known.rope_theta ?? DEFAULT_ROPE_BASE,
    ropeScaling: ropeScaling(rope, known.max_position_embeddings, fail),
    biased: family.biased(known),
    headNorm: family.headNorm,
  };
}
