/**
 * Which files beside the weights belong to a copy of a model: config.json, generation_config.json, the tokenizer's, the
 * licence, the model card. Weights do not: the shards are written anew, and unpruned weights in another format beside
 * pruned ones would only mislead. Subdirectories (`onnx/`, `original/`) do not either, nor hidden files (`.git*`, `.env`).
 */

/** The weights in one file, and the list of several. */
export const SINGLE = "model.safetensors", INDEX = "model.safetensors.index.json";

/** Larger files are left out. The largest tokenizer.json of a known model has 35 MB. */
export const LARGEST_SIDE_FILE = 128 << 20;

/** Endings of files that hold weights, or list files that do. */
const WEIGHTS =
  /\.(safetensors|bin|pt|pth|ckpt|gguf|ggml|h5|msgpack|onnx|ot|tflite|npz|npy|pkl)$|\.(bin|h5|msgpack)\.index\.json$/i;

/** Whether a file of this name goes along with a copy of the model. */
export function isSideFile(name: string): boolean {
  return !WEIGHTS.test(name) && !name.startsWith(".");
}

/** Whether a file of this name may be read, or goes along: weights in safetensors and what is beside them. */
export function isReadOrCopied(name: string): boolean {
  return isSideFile(name) || /^[^.].*\.safetensors$/.test(name);
}
