/**
 * What is asked and answered, in the shapes of OpenAI's API: `/v1/completions` and `/v1/chat/completions`. Of a request what
 * this server understands is read, what would change the answer and is not understood is refused, and the rest is left alone,
 * since clients send much that is of no consequence.
 */
import { z } from "zod";
import type { Finish } from "../generate/generate.ts";
import type { Sampling } from "../generate/sampler.ts";

/** Texts of one request at most. */
const MOST_TEXTS = 16;

/** A field that is understood only where it asks for nothing. */
const none = (what: string) =>
  z.union([z.null(), z.literal(0), z.literal(false)], { error: `${what} is not supported` }).optional();

const SAMPLING = {
  model: z.string().optional(),
  temperature: z.number().min(0).max(100).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(-1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  repetition_penalty: z.number().gt(0).nullish(),
  seed: z.int().nullish(),
  max_tokens: z.int().min(1).nullish(),
  n: z.int().min(1).max(MOST_TEXTS).nullish(),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(MOST_TEXTS)]).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  frequency_penalty: none("frequency_penalty"),
  presence_penalty: none("presence_penalty"),
  logprobs: none("logprobs"),
};

const ids = z.array(z.int().min(0)).min(1);

/** A text to go on with. */
export const CompletionSchema = z.object({
  ...SAMPLING,
  prompt: z.union([z.string(), ids, z.array(z.string()).min(1), z.array(ids).min(1)]),
  echo: none("echo"),
  suffix: z.union([z.null(), z.literal("")], { error: "suffix is not supported" }).optional(),
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
  tools: z.array(z.unknown()).max(0, { error: "tools are not supported" }).nullish(),
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

/** What OpenAI's clients expect of an error. */
export function failure(status: number, message: string, headers: Record<string, string> = {}): Response {
  const type = status < 500 ? "invalid_request_error" : "server_error";
  const code = status === 404 ? "model_not_found" : null;
  return Response.json({ error: { message, type, param: null, code } }, { status, headers });
}
