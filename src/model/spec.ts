/**
 * What a model is, as data: a specification that a family's file (`families/`) reads from `config.json` once. A block is a
 * small tree of typed layers that carry their tensors' names in the file. Everything else walks the tree: the forward
 * pass (`walk.ts`), the linears that can be pruned and which of them share an input, the tensors to check, bytes and
 * floating-point operations (`layers.ts`). Nobody but a family's file names a linear.
 */
import type { Activation } from "../backend/backend.ts";
import type { Rope } from "./rope.ts";

/** A linear: `y = x Wᵀ (+ b)`. Its weight is the tensor `<name>.weight`, its bias `<name>.bias`. */
export interface Linear {
  /** A linear. */
  readonly kind: "linear";
  /** Its full name in the file, such as `model.layers.3.mlp.up_proj`. */
  readonly name: string;
  /** Its name within its block, the number of an expert as `*`: the same for all blocks. */
  readonly role: string;
  /** Output width. */
  readonly rows: number;
  /** Input width. */
  readonly cols: number;
  /** Whether it has a bias. */
  readonly bias: boolean;
  /** Whether the file holds the weight as inputs x outputs (GPT-2's Conv1D). */
  readonly transposed: boolean;
}

/** A norm over every run of `cols` neighbouring columns. Its gain is `<name>.weight`, its bias `<name>.bias`. */
export interface Norm {
  /** A norm. */
  readonly kind: "norm";
  /** What its tensors' names begin with. */
  readonly name: string;
  /** Root mean square (Zhang and Sennrich, 2019), or with the mean taken off (Ba et al., 2016). */
  readonly form: "rms" | "layer";
  /** Columns of a run; divides the columns of what is normalized. */
  readonly cols: number;
  /** Gains one after the other, each for its own run of columns: a norm with a gain for every head, be it one head. */
  readonly rows?: number;
  /** Added under the root. */
  readonly epsilon: number;
  /** Whether it has a bias. */
  readonly bias: boolean;
  /** The gain is `1 + weight` (Gemma). */
  readonly unitOffset: boolean;
}

/** Where queries, keys and values come from. */
export type Projections =
  | { readonly kind: "separate"; readonly q: Linear; readonly k: Linear; readonly v: Linear }
  /**
   * One linear for the three. Its rows are all of q, then all of k, then all of v; or `byHead`: head after head, of each its
   * rows of q, k and v.
   */
  | { readonly kind: "fused"; readonly qkv: Linear; readonly byHead: boolean };

/** Causal self-attention with its projections. */
export interface Attention {
  /** Attention. */
  readonly kind: "attention";
  /** Query heads. */
  readonly heads: number;
  /** Key and value heads (grouped queries); divides `heads`. */
  readonly kvHeads: number;
  /** Width of a head. */
  readonly headDim: number;
  /** Where queries, keys and values come from. */
  readonly projections: Projections;
  /** The linear after it. */
  readonly output: Linear;
  /** Norms of q and k before the rotation, by head or over all heads, as their `cols` say. */
  readonly queryNorm?: Norm;
  /** The same of k. */
  readonly keyNorm?: Norm;
  /** Rotary positions; none without. */
  readonly rope?: Rope;
  /** Scores are multiplied by it, `1 / sqrt(headDim)` in most families. */
  readonly scale: number;
  /** Token i sees the keys `i - window + 1` to `i`; all before it without. */
  readonly window?: number;
  /** Scores become `softCap * tanh(score / softCap)`. */
  readonly softCap?: number;
  /** ALiBi (Press et al., 2022): a slope for every head. */
  readonly slopes?: Float32Array;
}

/** What goes into an MLP's activation. */
export type MlpInput =
  /** `activation(up x)` */
  | { readonly kind: "plain"; readonly up: Linear }
  /** `activation(gate x) * up x` (Shazeer, 2020) */
  | { readonly kind: "gated"; readonly gate: Linear; readonly up: Linear }
  /** The same with one linear whose rows are those of the gate, then those of up. */
  | { readonly kind: "fused"; readonly gateUp: Linear };

/** An MLP. */
export interface Mlp {
  /** An MLP. */
  readonly kind: "mlp";
  /** What goes into the activation. */
  readonly input: MlpInput;
  /** The activation. */
  readonly activation: Activation;
  /** The linear after it. */
  readonly down: Linear;
}

/**
 * A mixture of experts: `Σ weight_e expert_e(x)` over the `chosen` experts whose router logits are largest; the weights are
 * the softmax of all logits (Fedus et al., 2022), made to sum to 1 over the chosen if `normalized`.
 */
export interface Experts {
  /** A mixture of experts. */
  readonly kind: "experts";
  /** experts x hidden; it is not pruned. */
  readonly router: Linear;
  /** The experts. */
  readonly experts: readonly Mlp[];
  /** How many experts a token takes. */
  readonly chosen: number;
  /** Whether the weights of a token's experts sum to 1. */
  readonly normalized: boolean;
}

/** `x + body(x)` */
export interface Residual {
  /** A residual connection. */
  readonly kind: "residual";
  /** Layers one after the other. */
  readonly body: readonly Layer[];
}

/** The sum of what several branches make of the same input. */
export interface Parallel {
  /** Side by side. */
  readonly kind: "parallel";
  /** Layers one after the other, of each branch. */
  readonly branches: readonly (readonly Layer[])[];
}

/** A layer: a function of hidden states. */
export type Layer = Norm | Attention | Mlp | Experts | Residual | Parallel;

/** A block: its layers one after the other. */
export interface BlockSpec {
  /** Its number, from 0. */
  readonly index: number;
  /** What its tensors' names begin with, such as `model.layers.3`. */
  readonly name: string;
  /** One after the other. */
  readonly layers: readonly Layer[];
}

/** From token ids to hidden states. */
export interface Embedding {
  /** The table's tensor, vocabulary x width. */
  readonly tensor: string;
  /** Width of a row of the table. */
  readonly width: number;
  /** Rows are multiplied by it (Gemma). */
  readonly scale?: number;
  /** From the table's width to the hidden width, where it is another (OPT-350m). */
  readonly project?: Linear;
  /** Learned positions, of the hidden width, that are added then: the row of position p is `p + offset`. */
  readonly positions?: { readonly tensor: string; readonly rows: number; readonly offset: number };
  /** A norm after all that (BLOOM). */
  readonly norm?: Norm;
}

/** From hidden states to logits. */
export interface Head {
  /** The last norm, if there is one. */
  readonly norm?: Norm;
  /** From the hidden width to the head's, where it is another. */
  readonly project?: Linear;
  /** The weight, vocabulary x width: its own tensor, or the embedding's. */
  readonly tensor: string;
  /** Width of a row. */
  readonly width: number;
  /** The tensor is the embedding's. */
  readonly tied: boolean;
  /** Logits are multiplied by it (Cohere). */
  readonly scale?: number;
  /** Logits become `softCap * tanh(logit / softCap)`. */
  readonly softCap?: number;
}

/** A model. */
export interface ModelSpec {
  /** `model_type` of the config. */
  readonly family: string;
  /** Width of the residual stream. */
  readonly hidden: number;
  /** Number of token ids. */
  readonly vocabulary: number;
  /** The longest sequence that the model was made for, tokens. */
  readonly maxLength: number;
  /** From token ids to hidden states. */
  readonly embedding: Embedding;
  /** The blocks, in order. */
  readonly blocks: readonly BlockSpec[];
  /** From hidden states to logits. */
  readonly head: Head;
}
