/**
 * How likely continuations are after their contexts: what benchmarks ask. All requests go through the model in one streamed
 * pass, each sequence once however many requests end in it, what several begin with once, and only the rows that predict a
 * continuation meet the head.
 */
import { PareError } from "../errors.ts";
import { findLayer } from "../model/layers.ts";
import { readSpec } from "../model/read.ts";
import { sharedLength } from "../model/rope.ts";
import { type Batch, rowOf, startsOf } from "../text/batch.ts";
import { headStates, lossOf } from "./losses.ts";
import { sharePrefixes } from "./prefixes.ts";
import { compareIds, Continuations, type Continued } from "./continuations.ts";
import type { StreamOptions } from "./stream.ts";

/** The answer to one. */
export interface Likelihood {
  /** Nats: the sum of its tokens' log-probabilities. */
  readonly logLikelihood: number;
  /** Whether each token was the one of the largest logit. */
  readonly greedy: boolean;
}

/** What {@linkcode logLikelihoods} found. */
export interface Likelihoods {
  /** In the order of the requests. */
  readonly answers: readonly Likelihood[];
  /** Tokens that went through the model. */
  readonly tokens: number;
  /** Tokens of the requests if each were a sequence of its own. */
  readonly requestTokens: number;
  /** The share of zeros among the weights of all linears of all blocks. */
  readonly sparsity: number;
}

/**
 * Computes log-likelihoods.
 * @param longest Tokens that the model can take: of a longer request the front is left out.
 * @throws PareError if a continuation alone is longer, the checkpoint is not the model that its config says, the tokens do
 * not suit it, or activations overflow.
 */
export async function logLikelihoods(
  requests: Continuations | readonly Continued[],
  { longest, ...options }: StreamOptions & { readonly longest: number },
): Promise<Likelihoods> {
  const all = requests instanceof Continuations ? requests : Continuations.of(requests);
  const { batch, rows, targets, firsts, requestTokens } = arrange(all, longest, options);
  const { states, sparsity } = await headStates(batch, options, { rows, targets });
  const answers = Array.from({ length: all.length }, (_, request): Likelihood => {
    let logLikelihood = 0, greedy = true;
    const end = firsts[request] + all.at(request).continuation.length;
    for (let row = firsts[request]; row < end; row++) {
      logLikelihood -= lossOf(states, row);
      greedy &&= states[3 * row + 2] === states[3 * row];
    }
    if (!Number.isFinite(logLikelihood)) {
      throw new PareError(`the model's activations overflow: the log-likelihood of a request is ${logLikelihood}`);
    }
    return { logLikelihood, greedy };
  });
  return { answers, tokens: batch.ids.length, requestTokens, sparsity };
}

/** What goes through the model for requests, and what is asked of it. */
interface Arranged {
  readonly batch: Batch;
  /** Rows of the batch, in order, and what token each is asked for. */
  readonly rows: Uint32Array;
  readonly targets: Uint32Array;
  /** Of each request the place of its first row among those; those of its other tokens follow. */
  readonly firsts: Uint32Array;
  /** Tokens of the requests if each were a sequence of its own. */
  readonly requestTokens: number;
}

/** Arranges requests: each sequence once, and what several begin with once. */
function arrange(requests: Continuations, longest: number, { checkpoint, backend }: StreamOptions): Arranged {
  let requestTokens = 0, asked = 0;
  for (let request = 0; request < requests.length; request++) {
    const { context, continuation } = requests.at(request);
    if (continuation.length > longest) {
      throw new PareError(`a continuation of ${continuation.length} tokens: the model takes ${longest}`);
    }
    requestTokens += Math.min(longest, context.length + continuation.length - 1);
    asked += continuation.length;
  }
  const idsOf = (request: number) => sequenceOf(requests.at(request), longest);
  const order = sorted(requests, longest), heads: number[] = [];
  for (const [at, request] of order.entries()) {
    if (at === 0 || compareIds(idsOf(order[at - 1]), idsOf(request)) !== 0) heads.push(at);
  }
  const attentions = readSpec(checkpoint).blocks.map((block) => findLayer(block, "attention"));
  const shareable = Math.min(...attentions.map((own) => own?.rope ? sharedLength(own.rope) : Infinity));
  const sequences = { count: heads.length, ids: (sequence: number) => idsOf(order[heads[sequence]]) };
  const { batch, ends } = sharePrefixes(sequences, backend.limits.batchTokens, shareable);
  const starts = startsOf(batch), firsts = new Uint32Array(requests.length);
  const rows = new Uint32Array(asked), targets = new Uint32Array(asked);
  let row = 0;
  // In the order of the batch.
  for (const sequence of Uint32Array.from(heads.keys()).sort((a, b) => ends[a] - ends[b])) {
    const length = idsOf(order[heads[sequence]]).length, end = heads[sequence + 1] ?? order.length;
    let before: number | undefined;
    for (const request of order.subarray(heads[sequence], end)) {
      const { continuation } = requests.at(request);
      // The same request again.
      if (before !== undefined && compareIds(requests.at(before).continuation, continuation) === 0) {
        firsts[request] = firsts[before];
        continue;
      }
      before = request;
      firsts[request] = row;
      for (const [t, target] of continuation.entries()) {
        rows[row] = rowOf(batch, starts, ends[sequence], length - continuation.length + t);
        targets[row++] = target;
      }
    }
  }
  return { batch, rows: rows.slice(0, row), targets: targets.slice(0, row), firsts, requestTokens };
}

/** What goes through the model for a request: its end, without the last token, which predicts nothing that is asked. */
function sequenceOf({ context, continuation }: Continued, longest: number): Uint32Array {
  const most = longest + 1 - continuation.length, kept = context.subarray(Math.max(0, context.length - most));
  const ids = new Uint32Array(kept.length + continuation.length - 1);
  ids.set(kept);
  ids.set(continuation.subarray(0, -1), kept.length);
  return ids;
}

/** Requests by their sequences, those of the same sequence by their continuations. */
function sorted(requests: Continuations, longest: number): Uint32Array {
  const begin = ({ context, continuation }: Continued) =>
    Math.max(0, context.length + continuation.length - 1 - longest);
  return Uint32Array.from({ length: requests.length }, (_, i) => i).sort((a, b) => {
    const one = requests.at(a), other = requests.at(b);
    return compareJoined(one, begin(one), other, begin(other)) || one.continuation.length - other.continuation.length ||
      // The sequences are the same, and with them all but the last tokens.
      one.continuation.at(-1)! - other.continuation.at(-1)! || a - b;
  });
}

/** {@linkcode compareIds} of two sequences that are not put together: sorting compares each many times. */
function compareJoined(a: Continued, beginA: number, b: Continued, beginB: number): number {
  const [lengthA, lengthB] = [a, b].map(({ context, continuation }) => context.length + continuation.length - 1);
  const at = ({ context, continuation }: Continued, t: number) =>
    t < context.length ? context[t] : continuation[t - context.length];
  const most = Math.min(lengthA - beginA, lengthB - beginB);
  let t = 0;
  while (t < most && at(a, beginA + t) === at(b, beginB + t)) t++;
  return (beginA + t < lengthA ? at(a, beginA + t) : -1) - (beginB + t < lengthB ? at(b, beginB + t) : -1);
}
