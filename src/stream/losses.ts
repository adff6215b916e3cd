/**
 * The loss of every token, streamed like pruning: all sequences through one block, then the next, then through the head
 * slice by slice. Perplexity is a mean of these numbers, the log-likelihood of a text their negative sum.
 */
import type { Tensor } from "../backend/backend.ts";
import type { Batch } from "../text/batch.ts";
import { headSlices, lookUp, openHeadInput } from "./ends.ts";
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
 * What passes every slice of the head together, on the backend however many tokens there are: 4096 of LLaMA-7B. To read its
 * head again for the next is little beside multiplying by it.
 */
const HEAD_INPUT_BYTES = 64 << 20;

/** Tokens of which something is asked, and what. */
export interface Asked {
  /** Tokens of the batch, sequence after sequence; one may come several times. */
  readonly rows: Uint32Array;
  /** The token whose probability is asked for, one a row. */
  readonly targets: Uint32Array;
}

/** What the head says of tokens. */
export interface HeadStates {
  /** For each row `crossEntropy`'s three: the largest logit, the sum of `exp(logit - largest)`, the target's logit. */
  readonly states: Float32Array;
  /** The share of zeros among the weights of all linears of all blocks. */
  readonly sparsity: number;
}

/**
 * Takes sequences through a model, and those of their tokens that are asked about through its head.
 * @param asked Without it every token is asked for the next one.
 * @throws PareError if the checkpoint is not the model that its config says, or the tokens do not suit it.
 */
export async function headStates(batch: Batch, options: StreamOptions, asked?: Asked): Promise<HeadStates> {
  const { checkpoint, backend } = options;
  await using end = await forward(batch, options);
  const { spec, stream: { parts, hidden, pace } } = end;
  using input = await openHeadInput(backend, checkpoint, spec);
  using held = new DisposableStack();
  const each = parts.map((part) => part.ids.length), shares = asked && divide(asked, each);
  const states: Tensor[] = [];
  // Some batches pass every slice of the head together.
  const { width, softCap } = spec.head;
  for (let first = 0; first < parts.length;) {
    using group = new DisposableStack();
    const inputs: { readonly x: Tensor; readonly state: Tensor; readonly next: Uint32Array }[] = [];
    for (let bytes = 0; first < parts.length; first++) {
      const share = shares?.[first], rows = share ? share.rows.length : each[first];
      bytes += rows * width * Float32Array.BYTES_PER_ELEMENT;
      if (inputs.length > 0 && bytes > HEAD_INPUT_BYTES) break;
      if (rows > 0) {
        using lease = await hidden.load(first);
        using picked = share && lookUp(backend, lease.tensor, share.rows);
        const x = group.use(input.apply(picked ?? lease.tensor)), state = held.use(backend.allocate(rows, 3));
        inputs.push({ x, state, next: share ? share.targets : targets(parts[first]) });
        states.push(state);
      }
      // They will not be asked for again.
      hidden.drop(first);
      await pace.step();
    }
    for await (const { weight, firstRow } of headSlices(backend, checkpoint, spec)) {
      for (const { x, state, next } of inputs) {
        backend.crossEntropy(state, x, weight, firstRow, next, { start: firstRow === 0, softCap });
        await pace.step();
      }
    }
  }
  const read = await backend.read(...states);
  const all = new Float32Array(read.reduce((sum, { length }) => sum + length, 0) / Float32Array.BYTES_PER_ELEMENT);
  let at = 0;
  for (const bytes of read) {
    const state = new Float32Array(bytes.buffer);
    all.set(state, at);
    at += state.length;
  }
  return { states: all, sparsity: end.sparsity };
}

/** What is asked of each batch, its rows counted within it. */
function divide({ rows, targets }: Asked, lengths: readonly number[]): Asked[] {
  let start = 0, from = 0;
  return lengths.map((length) => {
    let to = from;
    while (to < rows.length && rows[to] < start + length) to++;
    const own = { rows: rows.slice(from, to).map((row) => row - start), targets: targets.slice(from, to) };
    from = to;
    start += length;
    return own;
  });
}

/**
 * Computes the loss of every token but the first of each sequence.
 * @throws PareError if the checkpoint is not the model that its config says, or the tokens do not suit it.
 */
export async function tokenLosses(batch: Batch, options: StreamOptions): Promise<TokenLosses> {
  const { states, sparsity } = await headStates(batch, options);
  const losses = Float64Array.from(batch.ids, (_, t) => lossOf(states, t));
  for (const end of batch.offsets.subarray(1)) losses[end - 1] = NaN;
  return { losses, sparsity };
}

/** Minus the logarithm of the probability that a row's target has. */
export function lossOf(states: Float32Array, row: number): number {
  return states[3 * row] + Math.log(states[3 * row + 1]) - states[3 * row + 2];
}
