/** What the reader of GGUF files must know of a model family. */
import type { Metadata } from "./metadata.ts";

/** What a family's own keys are made of. */
export interface Known {
  readonly metadata: Metadata;
  /** Hugging Face names of the tensors. */
  readonly names: ReadonlySet<string>;
  readonly hidden: number;
  readonly heads: number;
  readonly headDim: number;
  /** Dimensions of a head that are rotated. */
  readonly rotated: number;
  readonly blocks: number;
  /** A number of the family's, as the config had it. */
  number(key: string, fallback?: number): number;
  /** The same, or null where the file has none. */
  nullable(key: string): number | null;
}

/** Names of tensors by what llama.cpp calls them. */
export interface Names {
  /** What comes before a block's number. */
  readonly prefix: string;
  /** Tensors of a block. */
  readonly block: Readonly<Record<string, string | null>>;
  /** Tensors outside the blocks. */
  readonly ends: Readonly<Record<string, string>>;
}

/** What a family has of its own. */
export interface Family {
  /** transformers' name of the model class. */
  readonly architecture: string;
  /** transformers' `model_type`, where it is another name. */
  readonly modelType?: string;
  /** llama.cpp interleaves the halves of every query and key head (see `shard.ts`). */
  readonly interleaved?: boolean;
  /** llama.cpp's converter adds 1 to the gain of every norm. */
  readonly shifted?: boolean;
  /** Tensors of a block that have other names than LLaMA's, or that LLaMA has not; of a null one the family has none. */
  readonly block?: Readonly<Record<string, string | null>>;
  /** All of its names, where it has none of LLaMA's. */
  readonly names?: Names;
  /** llama.cpp puts all of q before all of k before all of v, where transformers has the three head by head. */
  readonly byHead?: boolean;
  /** Tensors of a block that transformers holds as inputs x outputs. */
  readonly transposed?: ReadonlySet<string>;
  /** Whether a part of a head may be rotated. */
  readonly partial?: boolean;
  /** Keys of its config beside LLaMA's, or in their place; all that say what it is, where it has names of its own. */
  keys?(known: Known): Record<string, unknown>;
}
