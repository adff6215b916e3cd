/** What the stream asks of its tokens before it starts. */
import { PareError } from "../errors.ts";
import type { Shape } from "../model/config.ts";
import type { Sequences } from "./batches.ts";

/**
 * Checks that token sequences suit a model.
 * @throws PareError for no sequence at all, an id outside the vocabulary, or sequences longer than the model's positions.
 */
export function checkTokens(shape: Shape, { ids, sequences, length }: Sequences): void {
  if (sequences < 1 || length < 1) throw new PareError("no token sequences were given: expected at least one");
  if (length > shape.maxLength) {
    throw new PareError(`sequences of ${length} tokens are longer than the model's limit of ${shape.maxLength}`);
  }
  const stray = ids.findIndex((id) => id >= shape.vocabulary);
  if (stray >= 0) {
    throw new PareError(
      `token id ${ids[stray]} (token ${stray % length} of sequence ${
        Math.floor(stray / length)
      }) is outside the model's vocabulary of ${shape.vocabulary}`,
    );
  }
}
