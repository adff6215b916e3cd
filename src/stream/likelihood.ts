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
import { Growing, type Integers } from "../text/growing.ts";
import { inquire, type Inquiry, isGreedy, lossOf, STATE } from "./losses.ts";
import { sharePrefixes } from "./prefixes.ts";
import { compareIds, Continuations, type Continued } from "../text/continuations.ts";
import type { StreamOptions } from "./stream.ts";

/** The answer to one. */
export interface Likelihood {
  /** Nats: the sum of its tokens' log-probabilities. */
  readonly logLikelihood: number;
  /** Whether each token was the one of the largest logit. */
  readonly greedy: boolean;
}

/** Answers to requests, in their order: numbers of nine bytes each, of which an answer is made when it is asked for. */
export class LikelihoodList {
  readonly #logLikelihoods: Float64Array;
  readonly #greedy: Uint8Array;

  /** Makes room. @param length How many there are. */
  constructor(readonly length: number) {
    this.#logLikelihoods = new Float64Array(length);
    this.#greedy = new Uint8Array(length);
  }

  /** One of them. */
  at(request: number): Likelihood {
    return { logLikelihood: this.#logLikelihoods[request], greedy: this.#greedy[request] === 1 };
  }

  /** Some of them. */
  slice(from: number, end: number = this.length): Likelihood[] {
    return Array.from({ length: end - from }, (_, i) => this.at(from + i));
  }

  /** Sets one. */
  set(request: number, { logLikelihood, greedy }: Likelihood): void {
    this.#logLikelihoods[request] = logLikelihood;
    this.#greedy[request] = Number(greedy);
  }

  /** All of them. */
  *[Symbol.iterator](): Generator<Likelihood> {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }
}

/** What {@linkcode logLikelihoods} found. */
export interface Likelihoods {
  /** In the order of the requests. */
  readonly answers: LikelihoodList;
  /** Tokens that went through the model. */
  readonly tokens: number;
  /** Tokens of the requests if each were a sequence of its own. */
  readonly requestTokens: number;
  /** The share of zeros among the weights of all linears of all blocks. */
  readonly sparsity: number;
}

/** Requests, and how long they may be. */
export interface LikelihoodRequests {
  /** What is asked. */
  readonly requests: Continuations | readonly Continued[];
  /** Tokens that the model can take: of a longer request the front is left out. */
  readonly longest: number;
  /** Whether nobody asks them again: they are let go of as soon as their tokens are in order. */
  readonly once?: boolean;
}

/**
 * Asks for log-likelihoods.
 * @throws PareError if a continuation alone is longer than the model takes; later, if activations overflow.
 */
export function likelihoodInquiry(
  { requests, longest, once }: LikelihoodRequests,
  options: Pick<StreamOptions, "checkpoint" | "backend">,
): Inquiry<Likelihoods> {
  const all = requests instanceof Continuations ? requests : Continuations.of(requests);
  const { batch, ends, asked, sequences, counts, last, first, requestTokens } = arrange(all, longest, options);
  if (once) all.release();
  const starts = startsOf(batch), { ids, offsets } = batch, answers = new LikelihoodList(first.length);
  let start = 0, said = 0, taken = 0;
  return {
    batch,
    ask({ ids: { length } }) {
      const rows: number[] = [], targets: number[] = [];
      for (; said < asked.length && offsets[ends[sequences[said]]] < start + length; said++) {
        const end = ends[sequences[said]], behind = starts[end] + offsets[end + 1] - offsets[end];
        // What a continuation's tokens but the last predict goes through the model itself.
        for (let position = behind - counts[said]; position < behind; position++) {
          rows.push(rowOf(batch, starts, end, position) - start);
          targets.push(position + 1 < behind ? ids[rowOf(batch, starts, end, position + 1)] : last[said]);
        }
      }
      start += length;
      return { rows: Uint32Array.from(rows), targets: Uint32Array.from(targets) };
    },
    take(states) {
      for (let row = 0; STATE * row < states.length; taken++) {
        let logLikelihood = 0, greedy = true;
        for (const end = row + counts[taken]; row < end; row++) {
          logLikelihood -= lossOf(states, row);
          greedy &&= isGreedy(states, row);
        }
        if (!Number.isFinite(logLikelihood)) {
          throw new PareError(`the model's activations overflow: the log-likelihood of a request is ${logLikelihood}`);
        }
        answers.set(asked[taken], { logLikelihood, greedy });
      }
    },
    result(sparsity) {
      first.forEach((same, request) => {
        if (same !== request) answers.set(request, answers.at(same));
      });
      return { answers, tokens: batch.ids.length, requestTokens, sparsity };
    },
  };
}

/**
 * Computes log-likelihoods.
 * @param longest Tokens that the model can take: of a longer request the front is left out.
 * @throws PareError if a continuation alone is longer, the checkpoint is not the model that its config says, the tokens do
 * not suit it, or activations overflow.
 */
export async function logLikelihoods(
  requests: LikelihoodRequests["requests"],
  { longest, ...options }: StreamOptions & Pick<LikelihoodRequests, "longest">,
): Promise<Likelihoods> {
  return await inquire(likelihoodInquiry({ requests, longest }, options), options);
}

/** What goes through the model for requests, and what is asked of it. */
interface Arranged {
  readonly batch: Batch;
  /** Where each sequence ends in it. */
  readonly ends: Uint32Array;
  /** Requests in the order of the batch, of equal ones the first, and the sequence of each. */
  readonly asked: Integers;
  readonly sequences: Integers;
  /** Tokens of the continuation of each of these, and its last one, which is in no sequence. */
  readonly counts: Integers;
  readonly last: Integers;
  /** Of each request the first that is equal. */
  readonly first: Uint32Array;
  /** Tokens of the requests if each were a sequence of its own. */
  readonly requestTokens: number;
}

/** Arranges requests: each sequence once, and what several begin with once. */
function arrange(
  requests: Continuations,
  longest: number,
  { checkpoint, backend }: Pick<StreamOptions, "checkpoint" | "backend">,
): Arranged {
  let requestTokens = 0;
  for (let request = 0; request < requests.length; request++) {
    const { context, continuation } = requests.at(request);
    if (continuation.length > longest) {
      throw new PareError(`a continuation of ${continuation.length} tokens: the model takes ${longest}`);
    }
    requestTokens += lengthOf({ context, continuation }, longest);
  }
  const idsOf = (request: number) => sequenceOf(requests.at(request), longest);
  const order = sorted(requests, longest), found = new Growing();
  for (const [at, request] of order.entries()) {
    if (at === 0 || compareIds(idsOf(order[at - 1]), idsOf(request)) !== 0) found.push(at);
  }
  const heads = found.all;
  const attentions = readSpec(checkpoint).blocks.map((block) => findLayer(block, "attention"));
  const shareable = Math.min(...attentions.map((own) => own?.rope ? sharedLength(own.rope) : Infinity));
  const each = { count: heads.length, ids: (sequence: number) => idsOf(order[heads[sequence]]) };
  const { batch, ends } = sharePrefixes(each, backend.limits.batchTokens, shareable);
  const asked = new Growing(), sequences = new Growing(), first = new Uint32Array(requests.length);
  const counts = new Growing(), last = new Growing();
  for (const sequence of Uint32Array.from(heads.keys()).sort((a, b) => ends[a] - ends[b])) {
    const end = heads[sequence + 1] ?? order.length;
    let before: number | undefined;
    for (const request of order.subarray(heads[sequence], end)) {
      const continuation = (request: number) => requests.at(request).continuation;
      if (before === undefined || compareIds(continuation(before), continuation(request)) !== 0) {
        before = request;
        asked.push(request);
        sequences.push(sequence);
        counts.push(continuation(request).length);
        last.push(continuation(request).at(-1)!);
      }
      first[request] = before;
    }
  }
  const [all, own, tokens, ids] = [asked, sequences, counts, last].map((numbers) => numbers.fitted());
  return { batch, ends, asked: all, sequences: own, counts: tokens, last: ids, first, requestTokens };
}

/** Tokens that go through the model for a request: all but the last, which predicts nothing that is asked. */
function lengthOf({ context, continuation }: Continued, longest: number): number {
  return Math.min(longest, context.length + continuation.length - 1);
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
