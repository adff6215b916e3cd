/**
 * Text from a model, token by token: read what is there, choose what comes next, read that. Several texts are written side by
 * side, a token of each at a time, so that each weight is read once for all of them.
 */
import { PareError } from "../errors.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { CacheDtype } from "./cache.ts";
import { Context } from "./context.ts";
import type { ResidentModel } from "./resident.ts";
import { GREEDY, Sampler, type Sampling } from "./sampler.ts";
import { TextStream } from "./text_stream.ts";

/** How text is written. */
export interface GenerateOptions {
  /** How tokens are chosen; the likeliest if not said. */
  readonly sampling?: Sampling;
  /** Tokens of each text at most; it also ends where the model's limit is reached. */
  readonly tokens: number;
  /** Tokens that end a text; none if not said. */
  readonly endTokens?: ReadonlySet<number>;
  /** Turns ids into text; without one there are ids only. */
  readonly tokenizer?: Pick<Tokenizer, "decode">;
  /** Texts that end the text, and are not part of it; they ask for a tokenizer. */
  readonly stops?: readonly string[];
  /** How keys and values are kept; F32 if not said. */
  readonly cache?: CacheDtype;
  /** What the texts are read in, which outlives them: what it has read of them already is not read again. */
  readonly context?: Context;
  /** Told of tokens of the prompts that are read, now and in all. */
  readonly onPrompt?: (tokens: number, of: number) => void;
  /** Stops it between two tokens; what was written by then was given. */
  readonly signal?: AbortSignal;
}

/** Why a text ends: a token or a stop string ends it, or it has as many tokens as it may. */
export type Finish = "stop" | "length";

/** A token that was written. */
export interface Token {
  /** Which text it belongs to: the number of its prompt. */
  readonly sequence: number;
  /** Its id. */
  readonly id: number;
  /** What the text is longer by: nothing if a character is not whole yet, more than one token's if it was waited for. */
  readonly text: string;
  /** Why it is the last one, if it is. */
  readonly finish?: Finish;
}

/** A text that is being written. */
interface Writing {
  readonly sequence: number;
  readonly ids: number[];
  readonly sampler: Sampler;
  readonly text?: TextStream;
  left: number;
}

/**
 * Writes on from prompts.
 * @param prompts Token ids of each.
 * @throws PareError for an empty prompt, one that leaves no room for a token, tokens outside the model's vocabulary, sampling
 * that is out of range, or activations that overflow; the signal's reason once it is aborted.
 */
export async function* generate(
  model: ResidentModel,
  prompts: readonly Uint32Array[],
  options: GenerateOptions,
): AsyncGenerator<Token, void, void> {
  const { sampling = GREEDY, tokens, endTokens, tokenizer, stops = [], cache = "F32", signal } = options;
  const { maxLength } = model.spec;
  for (const { length } of prompts) {
    if (!length) throw new PareError("the prompt is empty: expected at least one token");
    if (length >= maxLength) {
      throw new PareError(`the prompt has ${length} tokens: the model takes ${maxLength}, with those that it writes`);
    }
  }
  if (stops.some((stop) => !stop)) throw new PareError("a stop string is empty: expected text");
  let writing = prompts.map((prompt, sequence): Writing => ({
    sequence,
    ids: [...prompt],
    sampler: new Sampler(sampling, sequence),
    text: tokenizer && new TextStream(tokenizer, prompt, stops),
    left: Math.min(tokens, maxLength - prompt.length),
  })).filter(({ left }) => left > 0);
  if (!writing.length) return;
  // The last token of a text is never read.
  const length = writing.reduce((most, { ids, left }) => Math.max(most, ids.length + left - 1), 1);
  using own = options.context ? undefined : new Context(model, { sequences: prompts.length, length }, cache);
  const context = options.context ?? own!;
  let { onPrompt: onRead } = options;
  while (writing.length) {
    const logits = await context.read(writing, { onRead, signal });
    onRead = undefined;
    for (const [i, own] of writing.entries()) {
      checkFinite(logits[i]);
      const id = own.sampler.choose(logits[i], own.ids);
      yield take(own, id, endTokens?.has(id) ?? false);
    }
    signal?.throwIfAborted();
    writing = writing.filter(({ left }) => left > 0);
  }
}

/** @throws PareError for a logit that is no number to compare. */
function checkFinite(logits: Float32Array): void {
  for (const logit of logits) {
    if (!Number.isFinite(logit)) {
      throw new PareError(`the model's activations overflow: the logit of a token is ${logit}`);
    }
  }
}

/** Adds a token to a text. */
function take(own: Writing, id: number, ends: boolean): Token {
  own.ids.push(id);
  own.left--;
  let text = (ends ? undefined : own.text?.push(id)) ?? "";
  const finish = ends || own.text?.stopped ? "stop" : own.left === 0 ? "length" : undefined;
  if (finish) {
    own.left = 0;
    text += own.text?.end() ?? "";
  }
  return { sequence: own.sequence, id, text, finish: own.text?.stopped ? "stop" : finish };
}
