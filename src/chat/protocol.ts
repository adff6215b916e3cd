/**
 * What is asked and answered, in the shapes of OpenAI's API: `/v1/completions` and `/v1/chat/completions`. Of a request what
 * this server understands is read, what would change the answer and is not understood is refused, and the rest is left alone,
 * since clients send much that is of no consequence.
 */
import { z } from "zod";
import type { Finish } from "../generate/generate.ts";
import type { Sampling } from "../generate/sampler.ts";

/** Texts of one request at most. */
export const MOST_TEXTS = 16;

/** A field that is understood only where it asks for nothing: for one of these, or nothing that could be counted. */
const none = (what: string, ...nothing: readonly (string | number | boolean)[]) =>
  z.unknown().refine(
    (asked) =>
      asked == null || nothing.includes(asked as string) ||
      Object.keys(Object(asked)).length === 0 && typeof asked === "object",
    { error: `${what} is not supported` },
  ).optional();

const SAMPLING = {
  model: z.string().optional(),
  temperature: z.number().min(0).max(100).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(-1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  repetition_penalty: z.number().gt(0).nullish(),
  seed: z.int().min(0).nullish(),
  max_tokens: z.int().min(1).nullish(),
  n: z.int().min(1).max(MOST_TEXTS).nullish(),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(MOST_TEXTS)]).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  frequency_penalty: none("frequency_penalty", 0),
  presence_penalty: none("presence_penalty", 0),
  logit_bias: none("logit_bias"),
  logprobs: none("logprobs", 0, false),
};

/** Token ids: which of them the model has, it says itself. */
const ids = z.array(z.int().min(0).max(2 ** 32 - 1)).min(1);
/** Prompts of one request. */
const several = <T extends z.ZodType>(prompt: T) => z.array(prompt).min(1).max(MOST_TEXTS);

/** A text to go on with. */
export const CompletionSchema = z.object({
  ...SAMPLING,
  prompt: z.union([z.string(), ids, several(z.string()), several(ids)]),
  best_of: none("best_of", 1),
  echo: none("echo", false),
  suffix: none("suffix", ""),
});

/** What was said, as one text or as parts of which all are text. */
const content = z.union([
  z.string(),
  z.array(z.object({ type: z.literal("text", { error: "only parts of type text are supported" }), text: z.string() })),
]).nullish();

/** A conversation to answer. */
export const ChatSchema = z.object({
  ...SAMPLING,
  max_completion_tokens: z.int().min(1).nullish(),
  messages: z.array(z.object({ role: z.string().min(1), content })).min(1),
  top_logprobs: none("top_logprobs", 0),
  // Without tools it is as good as left out whether the model may use them.
  tools: none("tools"),
  tool_choice: none("tool_choice", "none", "auto"),
  functions: none("functions"),
  function_call: none("function_call", "none", "auto"),
  modalities: z.array(z.literal("text", { error: "only the modality text is supported" })).nullish(),
  audio: none("audio"),
  prediction: none("prediction"),
  response_format: z.object({ type: z.literal("text", { error: "only the response_format text is supported" }) })
    .nullish(),
});

/** What is said of a message or a prompt. */
export type ChatRequest = z.infer<typeof ChatSchema>;
/** The same of a text. */
export type CompletionRequest = z.infer<typeof CompletionSchema>;

/** How tokens are chosen for a request, with OpenAI's defaults: drawn, from all. */
export function samplingOf(request: ChatRequest | CompletionRequest): Sampling {
  return {
    temperature: request.temperature ?? 1,
    topK: Math.max(0, request.top_k ?? 0),
    topP: request.top_p ?? 1,
    minP: request.min_p ?? 0,
    repetitionPenalty: request.repetition_penalty ?? 1,
    seed: request.seed ?? crypto.getRandomValues(new Uint32Array(1))[0],
  };
}

/** A message's text. */
export function textOf(said: z.infer<typeof content>): string {
  return typeof said === "string" ? said : (said ?? []).map(({ text }) => text).join("");
}

/** Tokens that were read and written. */
export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
}

/** A text that is whole, or the next piece of one. */
export interface Choice {
  readonly index: number;
  readonly text: string;
  readonly finish?: Finish;
}

/** How the answers of one kind of request look. */
export interface Shape {
  /** What its id begins with. */
  readonly prefix: string;
  /** `object` of a whole answer, and of a piece of a stream. */
  readonly whole: string;
  readonly piece: string;
  /** A whole text. */
  choice(choice: Choice): object;
  /** A piece of one; `first` of its text. */
  delta(choice: Choice, first: boolean): object;
}

const reason = ({ finish }: Choice) => ({ logprobs: null, finish_reason: finish ?? null });

/** Of `/v1/completions`. */
export const COMPLETION: Shape = {
  prefix: "cmpl",
  whole: "text_completion",
  piece: "text_completion",
  choice: (choice) => ({ index: choice.index, text: choice.text, ...reason(choice) }),
  delta: (choice) => ({ index: choice.index, text: choice.text, ...reason(choice) }),
};

/** Of `/v1/chat/completions`. */
export const CHAT: Shape = {
  prefix: "chatcmpl",
  whole: "chat.completion",
  piece: "chat.completion.chunk",
  choice: (choice) => ({
    index: choice.index,
    message: { role: "assistant", content: choice.text, refusal: null },
    ...reason(choice),
  }),
  delta: (choice, first) => ({
    index: choice.index,
    delta: { ...first && { role: "assistant" }, content: choice.text },
    ...reason(choice),
  }),
};

/** What OpenAI calls some errors beside their status. */
const CODES: Readonly<Record<number, string>> = { 401: "invalid_api_key" };

/** What OpenAI's clients expect of an error. */
export function failure(
  status: number,
  message: string,
  { headers, code = CODES[status] ?? null }: {
    readonly headers?: Record<string, string>;
    readonly code?: string | null;
  } = {},
): Response {
  const type = status < 500 ? "invalid_request_error" : "server_error";
  return Response.json({ error: { message, type, param: null, code } }, { status, headers });
}
