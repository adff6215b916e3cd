/**
 * Perplexity. Wanda's protocol: windows of exactly T tokens, no overlap, each alone from position 0;
 * `perplexity = exp(mean over windows of the mean of its T - 1 losses)`, the means in f64.
 */
import { PareError } from "../errors.ts";
import { type Batch, lengthsOf } from "../text/batch.ts";
import { inquire, type Inquiry, lossInquiry } from "./losses.ts";
import type { StreamOptions } from "./stream.ts";

/** What {@linkcode evaluate} found. */
export interface Evaluation {
  /** exp of the mean loss. */
  readonly perplexity: number;
  /** Mean loss of every window, nats per token. */
  readonly losses: readonly number[];
  /** The share of zeros among the weights of all linears of all blocks. */
  readonly sparsity: number;
}

/**
 * Asks for the perplexity of windows of tokens.
 * @param windows Each a sequence of two tokens or more.
 * @returns What throws a PareError, when its result is asked for, if activations overflow.
 * @throws PareError for a window that is too short.
 */
export function perplexityInquiry(windows: Batch): Inquiry<Evaluation> {
  const lengths = lengthsOf(windows), short = lengths.find((length) => length < 2);
  if (short !== undefined) throw new PareError(`a window of ${short} token predicts nothing: expected 2 or more`);
  const { result, ...inquiry } = lossInquiry(windows);
  return {
    ...inquiry,
    result(sparsity) {
      const { losses: all } = result(sparsity);
      const losses = lengths.map((length, window) => {
        let sum = 0;
        for (let t = 0; t < length - 1; t++) sum += all[windows.offsets[window] + t];
        return sum / (length - 1);
      });
      const lost = losses.findIndex((loss) => !Number.isFinite(loss));
      if (lost >= 0) {
        throw new PareError(`the model's activations overflow: the loss of window ${lost} is ${losses[lost]}`);
      }
      return { perplexity: Math.exp(losses.reduce((a, b) => a + b) / losses.length), losses, sparsity };
    },
  };
}

/**
 * Computes the perplexity of a model on windows of tokens.
 * @param windows Each a sequence of two tokens or more.
 * @throws PareError if the checkpoint is not the model that its config says, a token id is outside its vocabulary, or
 * activations overflow.
 */
export async function evaluate(windows: Batch, options: StreamOptions): Promise<Evaluation> {
  return await inquire(perplexityInquiry(windows), options);
}
