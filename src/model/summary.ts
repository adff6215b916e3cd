/** A model in a few numbers, for people. */
import { expertsOf, findLayer } from "./layers.ts";
import type { ModelSpec } from "./spec.ts";

/** See the file's head; of widths that differ by block those of the first. */
export interface ModelSummary {
  /** `model_type` of the config. */
  readonly family: string;
  /** Width of the residual stream. */
  readonly hidden: number;
  /** Number of blocks. */
  readonly blocks: number;
  /** Query heads. */
  readonly heads: number;
  /** Key and value heads. */
  readonly kvHeads: number;
  /** Width of a head. */
  readonly headDim: number;
  /** Width of the MLP, or of an expert. */
  readonly intermediate: number;
  /** Experts of a block, if there are any. */
  readonly experts?: number;
  /** Number of token ids. */
  readonly vocabulary: number;
  /** The longest sequence. */
  readonly maxLength: number;
  /** The head is the embedding. */
  readonly tied: boolean;
}

/** Sums a model up. */
export function summarize({ family, hidden, blocks, vocabulary, maxLength, head }: ModelSpec): ModelSummary {
  const attention = findLayer(blocks[0], "attention")!;
  const sparse = blocks.map(expertsOf).find((experts) => experts);
  const mlp = sparse?.experts[0] ?? findLayer(blocks[0], "mlp")!;
  return {
    family,
    hidden,
    blocks: blocks.length,
    heads: attention.heads,
    kvHeads: attention.kvHeads,
    headDim: attention.headDim,
    intermediate: mlp.down.cols,
    ...sparse && { experts: sparse.experts.length },
    vocabulary,
    maxLength,
    tied: head.tied,
  };
}
