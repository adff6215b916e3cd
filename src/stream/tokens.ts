/** What the stream asks of its tokens before it starts. */
import { PareError } from "../errors.ts";
import type { ModelSpec } from "../model/spec.ts";
import { type Batch, lengthsOf, longestOf } from "../text/batch.ts";

/**
 * Checks that token sequences suit a model.
 * @throws PareError for no sequence at all, an empty one, an id outside the vocabulary, or one longer than the model's positions.
 */
export function checkTokens(spec: Pick<ModelSpec, "maxLength" | "vocabulary">, batch: Batch): void {
  const { ids, offsets } = batch, lengths = lengthsOf(batch);
  checkLengths(spec, lengths, longestOf(batch));
  for (const [sequence, length] of lengths.entries()) {
    for (let token = 0; token < length; token++) checkToken(spec, ids[offsets[sequence] + token], token, sequence);
  }
}

/**
 * The same of their lengths.
 * @param longest The longest one with what it goes on from.
 * @throws PareError as {@linkcode checkTokens}.
 */
export function checkLengths(
  { maxLength }: Pick<ModelSpec, "maxLength">,
  lengths: readonly number[],
  longest: number,
): void {
  if (!lengths.length || lengths.some((length) => length < 1)) {
    throw new PareError("no token sequences were given: expected at least one");
  }
  if (longest > maxLength) {
    throw new PareError(`sequences of ${longest} tokens are longer than the model's limit of ${maxLength}`);
  }
}

/** The same of one token of a sequence. @throws PareError as {@linkcode checkTokens}. */
export function checkToken(
  { vocabulary }: Pick<ModelSpec, "vocabulary">,
  id: number,
  token: number,
  sequence: number,
): void {
  if (id < vocabulary) return;
  throw new PareError(
    `token id ${id} (token ${token} of sequence ${sequence}) is outside the model's vocabulary of ${vocabulary}`,
  );
}
