/**
 * What a checkpoint is to the rest of Pare: named tensors of a known dtype and shape, and the files beside them.
 * `directory.ts` (Hugging Face), `gguf.ts` and `hub.ts` give one; `writer.ts` writes one. No model is known here.
 */
import type { Dtype, PackedData } from "../backend/backend.ts";
import type { HeldShape } from "./packed/format.ts";

/** Where a tensor stands and what it is, of whatever dtype. */
export interface StoredTensor {
  /** As in the file: `model.layers.0.mlp.up_proj.weight`. */
  readonly name: string;
  /** How its numbers are stored, as the file spells it: `F16`, `I64`, … */
  readonly dtype: string;
  /** As in the file: `[out, in]` for a linear, `[n]` for a norm. */
  readonly shape: readonly number[];
  /** The shard that holds it (a file name, such as `model-00001-of-00002.safetensors`). */
  readonly shard: string;
  /** Its first byte, counted from the start of the shard. */
  readonly offset: number;
  /** Bytes of the tensor in its dtype. */
  readonly bytes: number;
}

/** A matrix that is stored packed. */
export interface HeldPacked {
  /** What it is. */
  readonly packed: HeldShape;
  /** Bytes of its parts. */
  readonly packedBytes: number;
  /**
   * It, as it is.
   * @throws PareError if its parts contradict each other, or a number is NaN or Inf.
   */
  readPacked(): Promise<PackedData>;
}

/** A tensor that can be computed with. */
export interface TensorInfo extends StoredTensor {
  /** How its numbers are stored. */
  readonly dtype: Dtype;
}

/** What a file is known by. */
export interface Fingerprint {
  /** Where it is. */
  readonly path: string;
  /** Its size. */
  readonly bytes: number;
  /** Of its content; of a file that gives a version, of that and its size. */
  readonly sha256: string;
  /** What a server tells versions of it apart by, where its content was not hashed: an ETag. */
  readonly version?: string;
}

/**
 * An open checkpoint, as a Hugging Face directory holds it. A GGUF file is one too: its tensors come dequantised to
 * F16, under their Hugging Face names, out of the one shard that a writer would make of them.
 */
export interface Checkpoint extends AsyncDisposable {
  /** The directory or file. */
  readonly path: string;
  /** Every file that it is read from: a writer must not touch them. */
  readonly sources: readonly string[];
  /** What its files are known by, where they are not on this machine. */
  fingerprints?(): Promise<Fingerprint[]>;
  /** `config.json`, parsed but not yet understood (from GGUF: rebuilt from the metadata). */
  readonly config: Readonly<Record<string, unknown>>;
  /** Every tensor that can be computed with, in the order of the shards and of the bytes in them. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** The tensors of all other dtypes, such as masks of integers that old files carry: they are copied, and never looked at. */
  readonly others: ReadonlyMap<string, StoredTensor>;
  /** Of the tensors, those that are stored packed; `read` and all others give them dense. */
  readonly packed?: ReadonlyMap<string, HeldPacked>;
  /** The bytes that stand before the first tensor of each shard, by the shard's file name. */
  readonly headers: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  /** The files beside the shards that belong to the model: config.json, the tokenizer, the licence, … */
  readonly files: readonly string[];
  /** The files beside the shards that a copy of the model leaves out: weights in other formats, and what is too large. */
  readonly omitted: readonly string[];
  /**
   * The bytes of these tensors, by name, read in a few coalesced ranges: the caller's own, though maybe views into one
   * buffer.
   * @throws PareError naming the tensor if it is missing or holds NaN or Inf.
   */
  read(names: readonly string[]): Promise<Map<string, Uint8Array<ArrayBuffer>>>;
  /**
   * The bytes of `rows` rows of a matrix from `firstRow` on.
   * @throws PareError as `read`.
   * @throws RangeError if the matrix has no such rows.
   */
  readRows(name: string, firstRow: number, rows: number): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * The bytes of a tensor from first to last, in bounded pieces and whatever they hold: for copying, not for computing.
   * A piece is the caller's own.
   * @throws PareError if it is missing.
   */
  stream(name: string): AsyncIterable<Uint8Array<ArrayBuffer>>;
  /**
   * A file beside the shards; undefined if there is none.
   * @throws PareError if it cannot be read or, from GGUF, not be rebuilt.
   */
  readFile(file: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** The same as text, such as `tokenizer.json`. */
  readText(file: string): Promise<string | undefined>;
}
