/**
 * Token ids that were made elsewhere: a safetensors file with one I32 matrix, sequences x tokens, such as the published
 * code's own calibration. No tokenizer is needed.
 */
import { openFile } from "../checkpoint/file.ts";
import { readSafetensors } from "../checkpoint/safetensors.ts";
import { PareError } from "../errors.ts";

/** A matrix of token ids, row-major. */
export interface TokenMatrix {
  /** The ids, `sequences` x `length`. */
  readonly ids: Uint32Array<ArrayBuffer>;
  /** Rows. */
  readonly sequences: number;
  /** Tokens of a row. */
  readonly length: number;
}

/**
 * Reads the I32 matrix `name` of a safetensors file.
 * @throws PareError if there is no such file or matrix, or if it has another dtype, another rank or no element. Ids are
 * not checked: a negative one comes out as a very large one, and {@linkcode checkVocabulary} finds it.
 */
export async function readTokens(path: string, name: string): Promise<TokenMatrix> {
  await using file = await openFile(path);
  const tensors = await readSafetensors(file);
  const entry = tensors.entries.get(name);
  const found = entry
    ? `${entry.dtype} [${entry.shape.join(", ")}]`
    : [...tensors.entries.keys()].join(", ") || "nothing";
  if (entry?.dtype !== "I32" || entry.shape.length !== 2 || entry.bytes === 0) {
    throw new PareError(`${path}: expected token ids as I32 "${name}" [sequences, tokens], found ${found}`);
  }
  const [sequences, length] = entry.shape;
  return { ids: new Uint32Array((await tensors.read(name)).buffer), sequences, length };
}

/**
 * Checks that a model knows every id.
 * @param what What the ids are, for the error.
 * @throws PareError naming the first id outside `[0, vocabulary)`.
 */
export function checkVocabulary(ids: Uint32Array, vocabulary: number, what: string): void {
  const at = ids.findIndex((id) => id >= vocabulary);
  if (at >= 0) {
    throw new PareError(`${what}: token ${at} has id ${ids[at] | 0}; the model's vocabulary has ${vocabulary} ids`);
  }
}
