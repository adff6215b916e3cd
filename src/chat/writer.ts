/** A model that answers requests one after the other: what `app.ts` asks, without a word of HTTP. */
import { type Finish, generate } from "../generate/generate.ts";
import { Context } from "../generate/context.ts";
import type { ResidentModel } from "../generate/resident.ts";
import type { Sampling } from "../generate/sampler.ts";
import type { CacheDtype } from "../generate/cache.ts";
import type { Tongue } from "../generate/tongue.ts";
import type { Message } from "../text/chat.ts";

/** What is to be written. */
export interface Asked {
  /** Token ids of each text's prompt. */
  readonly prompts: readonly Uint32Array[];
  readonly sampling: Sampling;
  /** Tokens of each at most; as many as the model takes if not said. */
  readonly tokens?: number;
  readonly stops: readonly string[];
  readonly signal: AbortSignal;
}

/** A token of a text. */
export interface Piece {
  readonly index: number;
  readonly text: string;
  readonly finish?: Finish;
}

/** See the file's head. One request must have ended before the next begins. */
export class ChatWriter implements Disposable {
  /** What outlives a text: the next one that begins like the last, as a turn of a conversation does, goes on where that was read to. */
  readonly #kept: Context;

  /** @param cache How keys and values are kept. */
  constructor(readonly model: ResidentModel, readonly tongue: Tongue, readonly cache: CacheDtype = "F32") {
    this.#kept = new Context(model, { sequences: 1, length: model.spec.maxLength }, cache);
  }

  /** Ids of a prompt. */
  encode(text: string): Uint32Array {
    return this.tongue.tokenizer.encode(text, { special: true });
  }

  /** Ids of a conversation up to where the model goes on; undefined if it is no chat model. @throws PareError if its template refuses it. */
  encodeChat(messages: readonly Message[]): Uint32Array | undefined {
    const { template, tokenizer } = this.tongue;
    return template && tokenizer.encode(template.render(messages), { special: false });
  }

  /** Writes. @throws PareError for prompts that do not suit the model; the signal's reason once it is aborted. */
  async *write({ prompts, sampling, tokens = Infinity, stops, signal }: Asked): AsyncGenerator<Piece> {
    const { model, cache, tongue: { tokenizer, endTokens } } = this;
    const context = prompts.length === 1 ? this.#kept : undefined;
    const options = { sampling, tokens, endTokens, tokenizer, stops, cache, context, signal };
    for await (const { sequence, text, finish } of generate(model, prompts, options)) {
      yield { index: sequence, text, finish };
    }
  }

  [Symbol.dispose](): void {
    this.#kept[Symbol.dispose]();
  }
}
