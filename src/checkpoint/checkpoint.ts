/**
 * What a checkpoint is to the rest of Pare: named tensors of a known dtype and shape, and the JSON files beside them.
 * `directory.ts` (Hugging Face), `gguf.ts` and `hub.ts` give one; `writer.ts` writes one. No model is known here.
 */
import type { Dtype } from "../backend/backend.ts";

/** Where a tensor stands and what it is. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: Dtype;
  /** As in the file: `[out, in]` for a linear, `[n]` for a norm. */
  readonly shape: readonly number[];
  /** The shard that holds it (a file name, such as `model-00001-of-00002.safetensors`). */
  readonly shard: string;
  /** Bytes of the tensor in its dtype. */
  readonly bytes: number;
}

/** An open checkpoint. Reading a tensor gives its bytes in `TensorInfo.dtype` (a quantised one comes dequantised). */
export interface Checkpoint extends AsyncDisposable {
  /** The directory or file, as the user named it. */
  readonly path: string;
  /** `config.json`, parsed but not yet understood (from GGUF: rebuilt from the metadata). */
  readonly config: Readonly<Record<string, unknown>>;
  /** Every tensor, in the order of the shards and of the bytes in them. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /**
   * The bytes of these tensors, by name, read in a few coalesced ranges.
   * @throws PareError naming the tensor if it is missing or holds NaN or Inf.
   */
  read(names: readonly string[]): Promise<Map<string, Uint8Array<ArrayBuffer>>>;
  /**
   * The bytes of `rows` rows of a matrix from `firstRow` on.
   * @throws PareError as `read`.
   */
  readRows(name: string, firstRow: number, rows: number): Promise<Uint8Array<ArrayBuffer>>;
  /** A file beside the weights as text, such as `tokenizer.json`; undefined if there is none. */
  readText(file: string): Promise<string | undefined>;
}
