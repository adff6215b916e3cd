/** What several families' specifications are made of: layers under the names that transformers gives LLaMA's tensors. */
import { type Config, count, depth, dimension, flag, positive, word } from "../config.ts";
import type { Rope } from "../rope.ts";
import type { Attention, BlockSpec, Experts, Layer, Linear, Mlp, ModelSpec, Norm } from "../spec.ts";

/** Makes the linears of a block. */
export class BlockNames {
  /** @param name What the block's tensors begin with, such as `model.layers.3`. */
  constructor(readonly name: string) {}

  /** A linear by its name within the block. */
  linear(role: string, rows: number, cols: number, options: Partial<Pick<Linear, "bias" | "transposed">> = {}): Linear {
    const { bias = false, transposed = false } = options;
    // Experts' numbers are no part of what a linear is for.
    const common = role.replace(/\.\d+\./, ".*.");
    return { kind: "linear", name: `${this.name}.${role}`, role: common, rows, cols, bias, transposed };
  }

  /** An RMS norm by its name within the block. */
  rms(role: string, cols: number, epsilon: number, unitOffset = false): Norm {
    return rmsNorm(`${this.name}.${role}`, cols, epsilon, unitOffset);
  }

  /** A layer norm by its name within the block. */
  layerNorm(role: string, cols: number, epsilon: number, bias = true): Norm {
    return layerNorm(`${this.name}.${role}`, cols, epsilon, bias);
  }
}

/** An RMS norm by its full name. */
export function rmsNorm(name: string, cols: number, epsilon: number, unitOffset = false): Norm {
  return { kind: "norm", name, form: "rms", cols, epsilon, bias: false, unitOffset };
}

/** A layer norm by its full name. */
export function layerNorm(name: string, cols: number, epsilon: number, bias = true): Norm {
  return { kind: "norm", name, form: "layer", cols, epsilon, bias, unitOffset: false };
}

/** `x + body(x)` */
export function residual(...body: Layer[]): Layer {
  return { kind: "residual", body };
}

/** The widths that LLaMA's config keys give. */
export interface Widths {
  readonly hidden: number;
  readonly blocks: number;
  readonly vocabulary: number;
  readonly intermediate: number;
  readonly maxLength: number;
  readonly epsilon: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

/** Reads {@linkcode Widths}; the defaults are those of transformers' own config classes. */
export function readWidths(
  config: Config,
  defaults: Partial<Pick<Widths, "epsilon" | "maxLength" | "headDim" | "kvHeads">> = {},
): Widths {
  const hidden = config.get("hidden_size", dimension);
  return {
    hidden,
    blocks: config.get("num_hidden_layers", depth),
    ...config.heads(hidden, defaults),
    intermediate: config.get("intermediate_size", dimension),
    vocabulary: config.get("vocab_size", dimension),
    maxLength: config.or("max_position_embeddings", dimension, defaults.maxLength ?? 2048),
    epsilon: config.or("rms_norm_eps", positive, defaults.epsilon ?? 1e-6),
  };
}

/** What sets an attention apart from LLaMA's. */
export interface AttentionOptions extends Partial<Omit<Attention, "kind" | "projections" | "output">> {
  /** q, k and v have biases. */
  readonly qkvBias?: boolean;
  /** The output projection has one. */
  readonly outputBias?: boolean;
}

/** Attention under LLaMA's names: `self_attn.q_proj`, `k_proj`, `v_proj`, `o_proj`. */
export function llamaAttention(block: BlockNames, widths: Widths, options: AttentionOptions): Attention {
  const { qkvBias: bias = false, outputBias = false, ...own } = options, { hidden, heads, kvHeads, headDim } = widths;
  return {
    kind: "attention",
    heads,
    kvHeads,
    headDim,
    projections: {
      kind: "separate",
      q: block.linear("self_attn.q_proj", heads * headDim, hidden, { bias }),
      k: block.linear("self_attn.k_proj", kvHeads * headDim, hidden, { bias }),
      v: block.linear("self_attn.v_proj", kvHeads * headDim, hidden, { bias }),
    },
    output: block.linear("self_attn.o_proj", hidden, heads * headDim, { bias: outputBias }),
    scale: 1 / Math.sqrt(headDim),
    ...own,
  };
}

/** Attention of as many key as query heads whose q, k and v are one linear, and an MLP without gate: the halves of GPT's kin. */
export function gptHalves(
  block: BlockNames,
  { hidden, heads, headDim, inner }: {
    readonly hidden: number;
    readonly heads: number;
    readonly headDim: number;
    readonly inner: number;
  },
  options: {
    readonly names: { readonly qkv: string; readonly output: string; readonly up: string; readonly down: string };
    readonly byHead: boolean;
    readonly activation: Mlp["activation"];
    /** Of the attention's linears, and of the MLP's. */
    readonly stored?: Partial<Pick<Linear, "bias" | "transposed">>;
    readonly mlpStored?: Partial<Pick<Linear, "bias" | "transposed">>;
  } & Pick<AttentionOptions, "rope" | "slopes" | "scale">,
): { attention: Attention; mlp: Mlp } {
  const { names, byHead, activation, stored, mlpStored = stored, ...own } = options;
  return {
    attention: {
      kind: "attention",
      heads,
      kvHeads: heads,
      headDim,
      projections: { kind: "fused", qkv: block.linear(names.qkv, 3 * hidden, hidden, stored), byHead },
      output: block.linear(names.output, hidden, hidden, stored),
      scale: 1 / Math.sqrt(headDim),
      ...own,
    },
    mlp: {
      kind: "mlp",
      input: { kind: "plain", up: block.linear(names.up, inner, hidden, mlpStored) },
      activation,
      down: block.linear(names.down, hidden, inner, mlpStored),
    },
  };
}

/** A gated MLP of three linears, by default under LLaMA's names. */
export function gatedMlp(
  block: BlockNames,
  { hidden, intermediate }: Pick<Widths, "hidden" | "intermediate">,
  { bias = false, activation = "silu", names = ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"] }: {
    readonly bias?: boolean;
    readonly activation?: Mlp["activation"];
    readonly names?: readonly [gate: string, up: string, down: string];
  } = {},
): Mlp {
  const [gate, up, down] = names;
  return {
    kind: "mlp",
    input: {
      kind: "gated",
      gate: block.linear(gate, intermediate, hidden, { bias }),
      up: block.linear(up, intermediate, hidden, { bias }),
    },
    activation,
    down: block.linear(down, hidden, intermediate, { bias }),
  };
}

/** Experts of a model at most: an untrusted config must not ask for more than a process can hold. */
const MOST_EXPERTS = 1 << 16;

/** A mixture of gated experts. */
export function mixture(
  config: Config,
  block: BlockNames,
  widths: Pick<Widths, "hidden" | "intermediate">,
  { router, names, experts, chosen, normalized, activation }: {
    readonly router: string;
    readonly names: (expert: number) => readonly [gate: string, up: string, down: string];
    readonly experts: number;
    readonly chosen: number;
    readonly normalized: boolean;
    readonly activation: Mlp["activation"];
  },
): Experts {
  if (chosen > experts) config.fail(`a token takes ${chosen} experts, but there are ${experts}`);
  const blocks = config.get("num_hidden_layers", depth);
  if (experts * blocks > MOST_EXPERTS) {
    config.fail(`${experts} experts in each of ${blocks} blocks: more than any model has`);
  }
  return {
    kind: "experts",
    router: block.linear(router, experts, widths.hidden),
    experts: Array.from(
      { length: experts },
      (_, expert) => gatedMlp(block, widths, { activation, names: names(expert) }),
    ),
    chosen,
    normalized,
  };
}

/** A model under LLaMA's names: `model.embed_tokens`, `model.layers`, `model.norm`, `lm_head`. */
export function llamaModel(
  config: Config,
  widths: Widths,
  block: (names: BlockNames, index: number) => Layer[],
  options: {
    readonly tied?: boolean;
    readonly maxLength?: number;
    readonly embeddingScale?: number;
    readonly norm?: Norm;
    readonly logitScale?: number;
    readonly softCap?: number;
  } = {},
): ModelSpec {
  const { hidden, blocks, vocabulary, epsilon } = widths;
  return {
    family: config.get("model_type", word),
    hidden,
    vocabulary,
    maxLength: options.maxLength ?? widths.maxLength,
    embedding: {
      tensor: "model.embed_tokens.weight",
      width: hidden,
      ...options.embeddingScale !== undefined && { scale: options.embeddingScale },
    },
    blocks: Array.from({ length: blocks }, (_, index): BlockSpec => {
      const names = new BlockNames(`model.layers.${index}`);
      return { index, name: names.name, layers: block(names, index) };
    }),
    head: {
      norm: options.norm ?? rmsNorm("model.norm", hidden, epsilon),
      ...config.head(options.tied ?? false, "model.embed_tokens.weight", "lm_head.weight"),
      width: hidden,
      ...options.logitScale !== undefined && { scale: options.logitScale },
      ...options.softCap !== undefined && { softCap: options.softCap },
    },
  };
}

/** Qwen's sliding windows by block: if switched on, the blocks from `max_window_layers` on slide, or those of `layer_types`. */
export function laterWindows(config: Config, blocks: number): (number | undefined)[] {
  const window = config.or("use_sliding_window", flag, false)
    ? config.nullable("sliding_window", dimension, 4096)
    : undefined;
  const from = config.or("max_window_layers", count, 28);
  return config.slides(blocks, (index) => window !== undefined && index >= from).map((slides) =>
    slides ? window : undefined
  );
}

/** The longest sequence of a model with this rotation: dynamic scaling goes beyond the config's by its factor. */
export function longest(maxLength: number, { scaling }: Rope): number {
  return scaling.kind === "dynamic" ? Math.floor(maxLength * scaling.factor) : maxLength;
}
