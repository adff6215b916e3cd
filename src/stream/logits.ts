/** Logits, for comparison with other software on a few tokens; perplexity never makes them. */
import type { Tensor, Weight } from "../backend/backend.ts";
import type { Batch } from "../text/batch.ts";
import { headSlices, openHeadInput } from "./ends.ts";
import { forward } from "./forward.ts";
import type { StreamOptions } from "./stream.ts";

/**
 * Computes every logit of some sequences.
 * @returns F32, tokens x vocabulary.
 * @throws PareError as {@linkcode forward}.
 */
export async function logits(batch: Batch, options: StreamOptions): Promise<Float32Array> {
  const { checkpoint, backend } = options;
  await using end = await forward([batch], options);
  const { spec, stream: { parts, hidden } } = end, { vocabulary } = spec;
  const out = new Float32Array(batch.ids.length * vocabulary);
  using input = await openHeadInput(backend, checkpoint, spec);
  for await (const { weight, firstRow } of headSlices(backend, checkpoint, spec)) {
    let token = 0;
    for (const [i, part] of parts.entries()) {
      using lease = await hidden.load(i);
      using x = input.apply(lease.tensor);
      using slice = headLogits(backend, x, weight, spec.head.softCap);
      const values = new Float32Array((await backend.read(slice))[0].buffer);
      for (let t = 0; t < part.ids.length; t++, token++) {
        out.set(values.subarray(t * weight.rows, (t + 1) * weight.rows), token * vocabulary + firstRow);
      }
    }
  }
  return out;
}

/** Logits of some rows of the head, capped where the model has a cap: F32 tokens x rows. */
export function headLogits(
  backend: StreamOptions["backend"],
  x: Tensor,
  weight: Weight,
  softCap: number | undefined,
): Tensor {
  const raw = backend.linear(x, weight);
  if (softCap === undefined) return raw;
  using _ = raw;
  return backend.map(raw, { kind: "soft_cap", cap: softCap });
}
