/** Requests as token ids, by the harness's rules. */
import { parseObject } from "../checkpoint/json.ts";
import { PareError } from "../errors.ts";
import { stripEnd } from "../text/python.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { Request } from "./task.ts";

/** What stands before a text that has no context, and how it is written. */
export interface Prefix {
  /** The token. */
  readonly id: number;
  /** As the tokenizer reads it. */
  readonly text?: string;
}

/** A request as token ids. */
export interface Pair {
  /** What stands before. */
  readonly context: Uint32Array;
  /** What is asked about. */
  readonly continuation: Uint32Array;
}

/** A model's files. */
export interface Files {
  /** `config.json`. */
  readonly config: unknown;
  /** A file's text; undefined if there is none. */
  readText(file: string): Promise<string | undefined>;
}

/**
 * What a model takes for the beginning of a text: BOS, else EOS. None if its files name neither.
 * @throws PareError if a file of it is damaged.
 */
export async function readPrefix({ config, readText }: Files, tokenizer: Tokenizer): Promise<Prefix | undefined> {
  const text = await readText("tokenizer_config.json");
  const named = text === undefined ? {} : parseObject(new TextEncoder().encode(text), "tokenizer_config.json");
  for (const which of ["bos", "eos"]) {
    const token = named[`${which}_token`], content = typeof token === "string" ? token : Object(token).content;
    if (typeof content === "string" && content !== "") {
      const [id, ...rest] = tokenizer.encode(content, { special: false });
      if (id !== undefined && rest.length === 0) return { id, text: content };
    }
  }
  for (const which of ["bos", "eos"]) {
    const [id] = [Object(config)[`${which}_token_id`]].flat();
    if (Number.isInteger(id)) return { id };
  }
  return undefined;
}

/**
 * Encodes requests: white space at the end of a context counts to the continuation, whose ids are those of the whole text
 * behind as many as the context alone has; the tokenizer's own special tokens stand before it, once.
 * @throws PareError if a continuation is no token, or a context is empty and the model has no prefix.
 */
export function encodeRequests(
  requests: readonly Request[],
  tokenizer: Tokenizer,
  prefix: Prefix | undefined,
): Pair[] {
  const begins = (text: string) => prefix?.text !== undefined && text.startsWith(prefix.text);
  const encode = (text: string) => tokenizer.encode(text, { special: !begins(text) });
  // Neighbours have the same context.
  let last: { readonly context: string; readonly ids: Uint32Array } | undefined;
  return requests.map(({ context: given, continuation: rest }) => {
    const pair = given === "" ? behindPrefix(rest) : behind(given, rest);
    if (pair.continuation.length === 0) throw new PareError(`a continuation has no token: ${JSON.stringify(rest)}`);
    return pair;
  });

  function behind(given: string, rest: string): Pair {
    const context = stripEnd(given), whole = encode(given + rest);
    if (last?.context !== context) last = { context, ids: encode(context) };
    // Nothing but white space, and no BOS.
    if (last.ids.length === 0) return behindPrefix(given + rest);
    return { context: last.ids, continuation: whole.subarray(last.ids.length) };
  }

  function behindPrefix(rest: string): Pair {
    if (prefix === undefined) throw new PareError("an empty context: the model names no token that begins a text");
    const ids = tokenizer.encode(rest, { special: false });
    return ids[0] === prefix.id
      ? { context: ids.subarray(0, 1), continuation: ids.subarray(1) }
      : { context: Uint32Array.of(prefix.id), continuation: ids };
  }
}
