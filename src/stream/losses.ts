/**
 * The loss of every token, streamed like pruning: all sequences through one block, then the next, then through the head
 * slice by slice. Perplexity is a mean of these numbers, the log-likelihood of a text their negative sum.
 */
import type { Tensor } from "../backend/backend.ts";
import type { Batch } from "../text/batch.ts";
import { headSlices, openHeadInput } from "./ends.ts";
import { forward } from "./forward.ts";
import type { StreamOptions } from "./stream.ts";

/** What {@linkcode tokenLosses} found. */
export interface TokenLosses {
  /**
   * Nats, for every token of the batch: `-log p(next token | this one and those before it)`, NaN for the last token of each
   * sequence, which predicts nothing.
   */
  readonly losses: Float64Array;
  /** The share of zeros among the weights of all linears of all blocks. */
  readonly sparsity: number;
}

/** The token that each position predicts; the last of a sequence predicts nothing and gets token 0, which is not counted. */
function targets({ ids, offsets }: Batch): Uint32Array {
  const next = ids.map((_, t) => ids[t + 1] ?? 0);
  for (const end of offsets.subarray(1)) next[end - 1] = 0;
  return next;
}

/**
 * Computes the loss of every token but the first of each sequence.
 * @throws PareError if the checkpoint is not the model that its config says, or the tokens do not suit it.
 */
export async function tokenLosses(batch: Batch, options: StreamOptions): Promise<TokenLosses> {
  const { checkpoint, backend } = options;
  await using end = await forward(batch, options);
  const { spec, stream: { parts, hidden, pace } } = end;
  using input = await openHeadInput(backend, checkpoint, spec);
  using held = new DisposableStack();
  const states: Tensor[] = parts.map((part) => held.use(backend.allocate(part.ids.length, 3)));
  // As many batches as fit pass every slice of the head together: hidden states in a file are read once.
  const most = parts.reduce((most, { ids }) => Math.max(most, ids.length), 1);
  const batchBytes = most * spec.head.width * Float32Array.BYTES_PER_ELEMENT;
  const together = Math.max(1, Math.floor(backend.limits.spoolAbove / batchBytes));
  for (let first = 0; first < parts.length; first += together) {
    using group = new DisposableStack();
    const inputs: Tensor[] = [];
    for (let i = first; i < Math.min(parts.length, first + together); i++) {
      using loan = await hidden.load(i);
      inputs.push(group.use(input.apply(loan.tensor)));
      // They will not be asked for again.
      hidden.drop(i);
      await pace.step();
    }
    for await (const { weight, firstRow } of headSlices(backend, checkpoint, spec)) {
      for (const [i, x] of inputs.entries()) {
        const next = targets(parts[first + i]), { softCap } = spec.head;
        backend.crossEntropy(states[first + i], x, weight, firstRow, next, { start: firstRow === 0, softCap });
        await pace.step();
      }
    }
  }
  const losses = new Float64Array(batch.ids.length);
  let token = 0;
  for (const bytes of await backend.read(...states)) {
    const state = new Float32Array(bytes.buffer);
    for (let at = 0; at < state.length; at += 3) losses[token++] = state[at] + Math.log(state[at + 1]) - state[at + 2];
  }
  for (const end of batch.offsets.subarray(1)) losses[end - 1] = NaN;
  return { losses, sparsity: end.sparsity };
}
