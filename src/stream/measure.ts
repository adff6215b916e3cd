/**
 * What a model is measured by, in one streamed pass: a perplexity and log-likelihoods of requests each go through a block while
 * its weights are on the backend, so both cost the reading of the model once.
 */
import type { Batch } from "../text/batch.ts";
import { type Evaluation, perplexityInquiry } from "./evaluate.ts";
import { likelihoodInquiry, type LikelihoodRequests, type Likelihoods } from "./likelihood.ts";
import { askHead } from "./losses.ts";
import type { StreamOptions } from "./stream.ts";

/** What is asked; one of them at least. */
export interface Measures {
  /** What a perplexity is computed of: each a sequence of two tokens or more. */
  readonly windows?: Batch;
  /** What log-likelihoods are computed of. */
  readonly likelihoods?: LikelihoodRequests;
}

/** What was found, of what was asked. */
export interface Measured {
  /** As `evaluate` finds it, to the bit. */
  readonly perplexity?: Evaluation;
  /** As `logLikelihoods` finds them, to the bit. */
  readonly likelihoods?: Likelihoods;
  /** The share of zeros among the weights of all linears of all blocks. */
  readonly sparsity: number;
}

/** Measures a model. @throws PareError as `evaluate` and `logLikelihoods`. */
export async function measure(asked: Measures, options: StreamOptions): Promise<Measured> {
  const windows = asked.windows && perplexityInquiry(asked.windows);
  const likelihoods = asked.likelihoods && likelihoodInquiry(asked.likelihoods, options);
  const sparsity = await askHead([windows, likelihoods].filter((inquiry) => inquiry !== undefined), options);
  return { perplexity: windows?.result(sparsity), likelihoods: likelihoods?.result(sparsity), sparsity };
}
