/**
 * The loss of every token, streamed like pruning: all sequences through one block, then the next, then through the head
 * slice by slice. Perplexity is a mean of these numbers, the log-likelihood of a text their negative sum.
 */
import type { Tensor } from "../backend/backend.ts";
import { release } from "../checkpoint/release.ts";
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
 * Tokens that pass every slice of the head together, however many there are, and their bytes at most, which are 4096 of
 * LLaMA-7B: to multiply a row of the head by so many takes a hundred times as long as to read it again for the next ones.
 */
const HEAD_TOKENS = 8192, HEAD_INPUT_BYTES = 64 << 20;

/** Tokens of which something is asked, and what. */
export interface Asked {
  /** Tokens of the batch, sequence after sequence; one may come several times. */
  readonly rows: Uint32Array;
  /** The token whose probability is asked for, one a row. */
  readonly targets: Uint32Array;
}

/** Numbers that `crossEntropy` keeps of a row. */
const STATE = 3;

/** What the head says of tokens. */
export interface HeadStates {
  /** For each row `crossEntropy`'s three ({@linkcode STATE}): the largest logit, the sum of `exp(logit - largest)`, the target's logit. */
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
  const each = parts.map((part) => part.ids.length), shares = asked && divide(asked, each);
  const states = new Float32Array(STATE * (asked?.rows.length ?? batch.ids.length));
  let filled = 0;
  // Some batches pass every slice of the head together.
  const { width, softCap } = spec.head;
  for (let first = 0; first < parts.length;) {
    using group = new DisposableStack();
    const inputs: { readonly x: Tensor; readonly state: Tensor; readonly next: Uint32Array }[] = [];
    for (let tokens = 0; first < parts.length; first++) {
      const share = shares?.[first], rows = share ? share.rows.length : each[first];
      tokens += rows;
      const bytes = tokens * width * Float32Array.BYTES_PER_ELEMENT;
      if (inputs.length > 0 && (tokens > HEAD_TOKENS || bytes > HEAD_INPUT_BYTES)) break;
      if (rows > 0) {
        using lease = await hidden.load(first);
        using picked = share && lookUp(backend, lease.tensor, share.rows);
        const x = group.use(input.apply(picked ?? lease.tensor)), state = group.use(backend.allocate(rows, STATE));
        inputs.push({ x, state, next: share ? share.targets : targets(parts[first]) });
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
    const read = await backend.read(...inputs.map(({ state }) => state));
    for (const { buffer } of read) {
      const own = new Float32Array(buffer);
      states.set(own, filled);
      filled += own.length;
    }
    release(...read);
  }
  return { states, sparsity: end.sparsity };
}

/** What is asked of each batch, its rows counted within it. */
function divide({ rows, targets }: Asked, lengths: readonly number[]): Asked[] {
  let start = 0, from = 0;
  return lengths.map((length) => {
    let to = from;
    while (to < rows.length && rows[to] < start + length) to++;
    const own = { rows: rows.subarray(from, to).map((row) => row - start), targets: targets.subarray(from, to) };
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
  return states[STATE * row] + Math.log(states[STATE * row + 1]) - states[STATE * row + 2];
}
