/** Logits, for comparison with other software on a few tokens; perplexity never makes them. */
import type { Sequences } from "./batches.ts";
import { finalNorm, headSlices } from "./ends.ts";
import { forward, type ForwardOptions } from "./forward.ts";

/**
 * Computes every logit of some sequences.
 * @returns F32, tokens x vocabulary.
 * @throws PareError as {@linkcode forward}.
 */
export async function logits(sequences: Sequences, options: ForwardOptions): Promise<Float32Array> {
  const { checkpoint, backend } = options;
  await using end = await forward(sequences, options);
  const { vocabulary } = end.shape, out = new Float32Array(sequences.ids.length * vocabulary);
  const norm = await finalNorm(backend, checkpoint, end.shape);
  for await (const { weight, firstRow } of headSlices(backend, checkpoint, end.shape)) {
    let token = 0;
    for (const [i, part] of end.parts.entries()) {
      using lent = await end.hidden.load(i);
      using normed = norm(lent.tensor);
      using slice = backend.linear(normed, weight);
      const values = new Float32Array((await backend.read(slice))[0].buffer);
      for (let t = 0; t < part.ids.length; t++, token++) {
        out.set(values.subarray(t * weight.rows, (t + 1) * weight.rows), token * vocabulary + firstRow);
      }
    }
  }
  return out;
}
