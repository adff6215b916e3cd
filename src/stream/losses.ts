/**
 * The loss of every token, streamed like pruning: all sequences through one block, then the next, then through the head
 * slice by slice. Perplexity is a mean of these numbers, the log-likelihood of a text their negative sum.
 */
import type { Tensor } from "../backend/backend.ts";
import { release } from "../checkpoint/release.ts";
import { type Batch, countSequences } from "../text/batch.ts";
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
export function nextTokens({ ids, offsets }: Batch): Uint32Array {
  const next = Uint32Array.from(ids, (_, t) => ids[t + 1] ?? 0);
  for (const end of offsets.subarray(1)) next[end - 1] = 0;
  return next;
}

/**
 * Tokens that pass every slice of the head together, however many there are, and their bytes at most, which are 4096 of
 * LLaMA-7B: to multiply a row of the head by so many takes a hundred times as long as to read it again for the next ones.
 */
const HEAD_TOKENS = 8192, HEAD_INPUT_BYTES = 64 << 20;

/** What is asked of the tokens of a batch. */
export interface Asked {
  /** Rows of the batch, in any order; all of them unless given. */
  readonly rows?: Uint32Array;
  /** The token whose probability is asked for, one a row. */
  readonly targets: Uint32Array;
}

/** Numbers that `crossEntropy` keeps of a row: the largest logit, the sum of `exp(logit - largest)`, the target's logit. */
export const STATE = 3;

/** Sequences, and what is asked of them batch by batch: neither questions nor answers are ever all there at once. */
export interface Inquiry<T> {
  /** The sequences. */
  readonly batch: Batch;
  /** Says what is asked of the next batch; called once for each, in their order. */
  ask(batch: Batch): Asked;
  /** Takes the answers to a batch of which something was asked, in the same order: for every row {@linkcode STATE} numbers. */
  take(states: Float32Array): void;
  /**
   * What was found, when all is answered.
   * @param sparsity The share of zeros among the weights of all linears of all blocks.
   */
  result(sparsity: number): T;
}

/** Makes one inquiry in a pass of its own. @throws PareError as {@linkcode askHead}. */
export async function inquire<T>(inquiry: Inquiry<T>, options: StreamOptions): Promise<T> {
  return inquiry.result(await askHead([inquiry], options));
}

/** Of each batch the inquiry that it is of: those of one follow those of the one before. */
function* askersOf<T extends Pick<Inquiry<unknown>, "batch">>(inquiries: readonly T[], parts: readonly Batch[]) {
  let part = 0;
  for (const inquiry of inquiries) {
    for (let left = countSequences(inquiry.batch); left > 0; left -= countSequences(parts[part++])) yield inquiry;
  }
}

/**
 * Takes sequences through a model, and those of their tokens that are asked about through its head: those of all inquiries in
 * one pass, each in batches of its own, so that their numbers are those that it has alone.
 * @returns The share of zeros among the weights of all linears of all blocks.
 * @throws PareError if the checkpoint is not the model that its config says, or the tokens do not suit it.
 */
export async function askHead(
  inquiries: readonly Omit<Inquiry<unknown>, "result">[],
  options: StreamOptions,
): Promise<number> {
  const { checkpoint, backend } = options;
  await using end = await forward(inquiries.map(({ batch }) => batch), options);
  const { spec, stream: { parts, hidden, pace } } = end, askers = [...askersOf(inquiries, parts)];
  using input = await openHeadInput(backend, checkpoint, spec);
  let asked: Asked | undefined;
  // Some batches pass every slice of the head together.
  const { width, softCap } = spec.head;
  for (let first = 0; first < parts.length;) {
    using group = new DisposableStack();
    const inputs: { readonly asker: number; readonly x: Tensor; readonly state: Tensor; readonly next: Uint32Array }[] =
      [];
    for (let tokens = 0; first < parts.length; first++) {
      asked ??= askers[first].ask(parts[first]);
      const { rows, targets: next } = asked;
      tokens += next.length;
      const bytes = tokens * width * Float32Array.BYTES_PER_ELEMENT;
      if (inputs.length > 0 && (tokens > HEAD_TOKENS || bytes > HEAD_INPUT_BYTES)) break;
      if (next.length > 0) {
        using lease = await hidden.load(first);
        using picked = rows && lookUp(backend, lease.tensor, rows);
        const x = group.use(input.apply(picked ?? lease.tensor)),
          state = group.use(backend.allocate(next.length, STATE));
        inputs.push({ asker: first, x, state, next });
      }
      asked = undefined;
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
    for (const [i, { buffer }] of read.entries()) askers[inputs[i].asker].take(new Float32Array(buffer));
    release(...read);
  }
  return end.sparsity;
}

/** Asks for the loss of every token but the first of each sequence. */
export function lossInquiry(batch: Batch): Inquiry<TokenLosses> {
  const losses = new Float64Array(batch.ids.length);
  let filled = 0;
  return {
    batch,
    ask: (part) => ({ targets: nextTokens(part) }),
    take(states) {
      for (let row = 0; row < states.length / STATE; row++) losses[filled++] = lossOf(states, row);
    },
    result(sparsity) {
      for (const end of batch.offsets.subarray(1)) losses[end - 1] = NaN;
      return { losses, sparsity };
    },
  };
}

/**
 * Computes the loss of every token but the first of each sequence.
 * @throws PareError if the checkpoint is not the model that its config says, or the tokens do not suit it.
 */
export function tokenLosses(batch: Batch, options: StreamOptions): Promise<TokenLosses> {
  return inquire(lossInquiry(batch), options);
}

/** Whether no token of a row is likelier than its target. */
export function isGreedy(states: Float32Array, row: number): boolean {
  return states[STATE * row + 2] === states[STATE * row];
}

/** Minus the logarithm of the probability that a row's target has. */
export function lossOf(states: Float32Array, row: number): number {
  return states[STATE * row] + Math.log(states[STATE * row + 1]) - states[STATE * row + 2];
}
