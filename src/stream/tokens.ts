/** What the stream asks of its tokens before it starts. */
import { PareError } from "../errors.ts";
import type { ModelSpec } from "../model/spec.ts";
import { type Batch, countSequences, lengthsOf, longestOf } from "../text/batch.ts";

/**
 * Checks that token sequences suit a model.
 * @throws PareError for no sequence at all, an empty one, an id outside the vocabulary, or one longer than the model's positions.
 */
export function checkTokens(spec: Pick<ModelSpec, "maxLength" | "vocabulary">, batch: Batch): void {
  const { ids, offsets } = batch, lengths = lengthsOf(batch), longest = longestOf(batch);
  if (!lengths.length || lengths.some((length) => length < 1)) {
    throw new PareError("no token sequences were given: expected at least one");
  }
  if (longest > spec.maxLength) {
    throw new PareError(`sequences of ${longest} tokens are longer than the model's limit of ${spec.maxLength}`);
  }
  const stray = ids.findIndex((id) => id >= spec.vocabulary);
  if (stray < 0) return;
  const sequence = Array.from({ length: countSequences(batch) }, (_, i) => i).findLast((i) => offsets[i] <= stray)!;
  throw new PareError(
    `token id ${ids[stray]} (token ${stray - offsets[sequence]} of sequence ${sequence}) is outside the model's ` +
      `vocabulary of ${spec.vocabulary}`,
  );
}
