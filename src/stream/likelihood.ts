/**
 * How likely continuations are after their contexts: what benchmarks ask. All requests go through the model in one streamed
 * pass, each sequence once however many requests end in it, what several begin with once, and only the rows that predict a
 * continuation meet the head.
 */
import { sha256 } from "../checkpoint/sha256.ts";
import { PareError } from "../errors.ts";
import { findLayer } from "../model/layers.ts";
import { readSpec } from "../model/read.ts";
import { sharedLength } from "../model/rope.ts";
import { rowOf, startsOf } from "../text/batch.ts";
import { headStates, lossOf } from "./losses.ts";
import { sharePrefixes } from "./prefixes.ts";
import type { StreamOptions } from "./stream.ts";

/** A continuation of one token or more, and what stands before it, one token or more. */
export interface Continued {
  /** What stands before. */
  readonly context: Uint32Array;
  /** What is asked about. */
  readonly continuation: Uint32Array;
}

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

/** A sequence that goes through the model, and the requests that it answers. */
interface Sequence {
  readonly ids: Uint32Array;
  /** Requests by what they are. */
  readonly asked: Map<string, { readonly continuation: Uint32Array; readonly requests: number[] }>;
}

/**
 * Computes log-likelihoods.
 * @param longest Tokens that the model can take: of a longer request the front is left out.
 * @throws PareError if a continuation alone is longer, the checkpoint is not the model that its config says, the tokens do
 * not suit it, or activations overflow.
 */
export async function logLikelihoods(
  requests: readonly Continued[],
  { longest, ...options }: StreamOptions & { readonly longest: number },
): Promise<Likelihoods> {
  const { checkpoint, backend } = options;
  const sequences = sequencesFor(requests, longest);
  const attentions = readSpec(checkpoint).blocks.map((block) => findLayer(block, "attention"));
  const shareable = Math.min(...attentions.map((own) => own?.rope ? sharedLength(own.rope) : Infinity));
  const { batch, ends } = sharePrefixes(sequences.map(({ ids }) => ids), backend.limits.batchTokens, shareable);
  const starts = startsOf(batch), rows: number[] = [], targets: number[] = [];
  const places: { readonly from: number; readonly count: number; readonly requests: readonly number[] }[] = [];
  // In the order of the batch.
  for (const i of [...sequences.keys()].sort((a, b) => ends[a] - ends[b])) {
    const { ids, asked } = sequences[i];
    for (const { continuation, requests } of asked.values()) {
      places.push({ from: rows.length, count: continuation.length, requests });
      for (const [t, target] of continuation.entries()) {
        rows.push(rowOf(batch, starts, ends[i], ids.length - continuation.length + t));
        targets.push(target);
      }
    }
  }
  const { states, sparsity } = await headStates(batch, options, {
    rows: Uint32Array.from(rows),
    targets: Uint32Array.from(targets),
  });
  const answers = new Array<Likelihood>(requests.length);
  for (const { from, count, requests } of places) {
    let logLikelihood = 0, greedy = true;
    for (let row = from; row < from + count; row++) {
      logLikelihood -= lossOf(states, row);
      greedy &&= states[3 * row + 2] === states[3 * row];
    }
    if (!Number.isFinite(logLikelihood)) {
      throw new PareError(`the model's activations overflow: the log-likelihood of a request is ${logLikelihood}`);
    }
    for (const request of requests) answers[request] = { logLikelihood, greedy };
  }
  const requestTokens = requests.reduce(
    (sum, { context, continuation }) => sum + Math.min(longest, context.length + continuation.length - 1),
    0,
  );
  return { answers, tokens: batch.ids.length, requestTokens, sparsity };
}

/** What ids are told apart by. */
function digest(ids: Uint32Array): string {
  return sha256(new Uint8Array(ids.slice().buffer));
}

/** The sequences of all requests. The last token of a continuation predicts nothing that is asked. */
function sequencesFor(requests: readonly Continued[], longest: number): Sequence[] {
  const sequences = new Map<string, Sequence>();
  for (const [request, { context, continuation }] of requests.entries()) {
    if (continuation.length > longest) {
      throw new PareError(`a continuation of ${continuation.length} tokens: the model takes ${longest}`);
    }
    const all = new Uint32Array(context.length + continuation.length);
    all.set(context);
    all.set(continuation, context.length);
    const ids = all.subarray(Math.max(0, all.length - longest - 1), all.length - 1), key = digest(ids);
    let sequence = sequences.get(key);
    if (!sequence) sequences.set(key, sequence = { ids, asked: new Map() });
    const last = digest(continuation), same = sequence.asked.get(last);
    if (same) same.requests.push(request);
    else sequence.asked.set(last, { continuation, requests: [request] });
  }
  return [...sequences.values()];
}
