/**
 * The chat server: a model behind OpenAI's API, so that any chat client can talk to it. Requests are answered one after the
 * other; some wait, the others are asked to come again. Whoever goes away has their text stopped at the next token.
 */
import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import type { z } from "zod";
import { PareError, toldElsewhere } from "../errors.ts";
import { bearer, checkHost, headers } from "../server/guard.ts";
import {
  CHAT,
  type ChatRequest,
  ChatSchema,
  type Choice,
  COMPLETION,
  type CompletionRequest,
  CompletionSchema,
  failure,
  MOST_TEXTS,
  samplingOf,
  type Shape,
  textOf,
  type Usage,
} from "./protocol.ts";
import { Full, type Place, Turns } from "./turns.ts";
import type { Asked, ChatWriter } from "./writer.ts";

/** How a chat server behaves. */
export interface ChatServerOptions {
  /** What writes. */
  readonly writer: Pick<ChatWriter, "encode" | "encodeChat" | "write">;
  /** What the model is called. */
  readonly model: string;
  /** What `/v1` asks for; without it it is open. */
  readonly token?: string;
  /** Names of this server beside addresses and `localhost`. */
  readonly hosts?: readonly string[];
  /** Origins of other sites whose pages may ask. Default none. */
  readonly origins?: readonly string[];
  /** Requests that may wait or be answered at once. */
  readonly queue: number;
  /** Ends every answer. */
  readonly signal?: AbortSignal;
  /** Told of an error that is nobody's but Pare's. */
  readonly onBug?: (error: Error) => void;
}

/** Bytes of a request at most: more than the longest context of any model takes. */
const MOST_BYTES = 16 << 20;
/** Bytes of events that a client may be behind: a thousand tokens and more. Who reads none of them is given up. */
const MOST_UNREAD = 1 << 20;
/** Seconds after which one for whom there was no room may ask again. */
const RETRY_AFTER = 5;

/** What a request holds until it is answered: its place among those who wait. */
interface Held {
  readonly Variables: { readonly place: Place; readonly held: DisposableStack };
}

/** Makes the server's application. */
export function createChatApp(options: ChatServerOptions): Hono<Held> {
  const { writer, model, token, hosts = [], origins = [], queue, signal, onBug = console.error } = options;
  const app = new Hono<Held>(), turns = new Turns(queue), created = Math.floor(Date.now() / 1000);
  app.use(headers, checkHost(hosts, failure));
  if (origins.length) app.use(cors({ origin: [...origins], allowMethods: ["GET", "POST"] }));
  if (token !== undefined) app.use("/v1/*", bearer(token, failure));
  // Before the body is read, so that not more of them are in memory than may wait.
  app.post("/v1/*", async (context, next) => {
    using held = new DisposableStack();
    context.set("place", held.use(turns.reserve()));
    context.set("held", held);
    await next();
  });

  const described = { id: model, object: "model", created, owned_by: "pare" };
  app.get("/v1/models", (context) => context.json({ object: "list", data: [described] }));
  app.get(
    "/v1/models/:id{.+}",
    (context) => context.req.param("id") === model ? context.json(described) : unknown(context.req.param("id")),
  );
  app.get("/healthz", (context) => context.json({ status: "ok", requests: turns.taken }));
  app.post(
    "/v1/completions",
    (context) => answer(context, CompletionSchema, COMPLETION, (request) => promptsOf(request)),
  );
  app.post("/v1/chat/completions", (context) =>
    answer(context, ChatSchema, CHAT, ({ messages }) => {
      const prompt = writer.encodeChat(messages.map(({ role, content }) => ({ role, content: textOf(content) })));
      return prompt ? [prompt] : failure(400, `${model} has no chat template: it can be asked for completions only`);
    }));
  app.notFound((context) => failure(404, `there is nothing at ${context.req.method} ${context.req.path}`));
  app.onError(fail);
  return app;

  function unknown(name: string): Response {
    const message = `the model ${JSON.stringify(name)} is not here; this server has ${JSON.stringify(model)}`;
    return failure(404, message, { code: "model_not_found" });
  }

  function promptsOf({ prompt }: CompletionRequest): Uint32Array[] {
    if (typeof prompt === "string") return [writer.encode(prompt)];
    if (typeof prompt[0] === "number") return [Uint32Array.from(prompt as number[])];
    return (prompt as (string | number[])[]).map((one) =>
      typeof one === "string" ? writer.encode(one) : Uint32Array.from(one)
    );
  }

  function fail(error: Error): Response {
    if (error instanceof Full) return failure(503, error.message, { headers: { "retry-after": String(RETRY_AFTER) } });
    if (error instanceof PareError) return failure(400, error.message);
    onBug(error);
    return failure(500, "this is a bug in Pare; its terminal says more");
  }

  /** Reads a request, waits for its turn, and answers it whole or piece by piece. */
  async function answer<S extends typeof ChatSchema | typeof CompletionSchema>(
    { req: { raw }, var: { place, held } }: Context<Held>,
    schema: S,
    shape: Shape,
    prompts: (request: z.infer<S>) => Uint32Array[] | Response,
  ): Promise<Response> {
    // A page of another site can send what looks like a form without being asked whether it may.
    if (!/^application\/json\b/i.test(raw.headers.get("content-type") ?? "")) {
      return failure(415, "expected the content type application/json");
    }
    const said = await textOfBody(raw);
    if (said === undefined) return failure(413, `expected at most ${MOST_BYTES} bytes`);
    let body: unknown;
    try {
      body = JSON.parse(said);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return failure(400, "the body is not JSON");
    }
    const read = schema.safeParse(body);
    if (!read.success) {
      return failure(
        400,
        read.error.issues.map(({ path, message }) => `${path.join(".") || "body"}: ${message}`).join("; "),
      );
    }
    const request = read.data as ChatRequest & CompletionRequest & z.infer<S>;
    if (request.model !== undefined && request.model !== model) return unknown(request.model);
    const given = prompts(request);
    if (given instanceof Response) return given;
    const texts = given.flatMap((prompt) => Array.from({ length: request.n ?? 1 }, () => prompt));
    if (texts.length > MOST_TEXTS) {
      return failure(400, `n: ${texts.length} texts were asked for; expected at most ${MOST_TEXTS}`);
    }
    const gone = new AbortController();
    const asked: Asked = {
      prompts: texts,
      sampling: samplingOf(request),
      // OpenAI's own default for a completion is 16 tokens, for a chat as many as there is room for.
      tokens: request.max_completion_tokens ?? request.max_tokens ?? (shape === COMPLETION ? 16 : undefined),
      stops: [request.stop ?? []].flat(),
      signal: AbortSignal.any([gone.signal, raw.signal, ...signal ? [signal] : []]),
    };
    const head = { id: `${shape.prefix}-${crypto.randomUUID()}`, created: Math.floor(Date.now() / 1000), model };
    const usage = (written: number): Usage => {
      const prompt_tokens = given.reduce((sum, { length }) => sum + length, 0);
      return { prompt_tokens, completion_tokens: written, total_tokens: prompt_tokens + written };
    };
    try {
      await place.turn(asked.signal);
      if (request.stream) {
        const messages = pieces(), first = await messages.next(); // so that what is refused has a status
        held.move(); // the place is the stream's
        return streamed(place, gone, asked.signal, first, messages);
      }
      const choices: Choice[] = texts.map((_, index) => ({ index, text: "" }));
      let written = 0;
      for await (const { index, text, finish } of writer.write(asked)) {
        written++;
        choices[index] = { index, text: choices[index].text + text, finish };
      }
      return Response.json({ ...head, object: shape.whole, choices: choices.map(shape.choice), usage: usage(written) });
    } catch (error) {
      // The client has gone, or the server is stopped.
      if (asked.signal.aborted) return failure(503, "the request was given up");
      throw error;
    }

    async function* pieces(): AsyncGenerator<object, void> {
      const started = new Set<number>();
      let written = 0;
      for await (const piece of writer.write(asked)) {
        written++;
        const first = !started.has(piece.index);
        if (!first && !piece.text && !piece.finish) continue;
        started.add(piece.index);
        yield { ...head, object: shape.piece, choices: [shape.delta(piece, first)] };
      }
      if (request.stream_options?.include_usage) {
        yield { ...head, object: shape.piece, choices: [], usage: usage(written) };
      }
    }
  }

  /**
   * Server-sent events. The text is written as fast as it can be and waits for its reader here, within a bound: so a turn is as
   * long as a text takes, however slowly it is read, and ends with it whatever becomes of the client.
   */
  function streamed(
    place: Place,
    gone: AbortController,
    signal: AbortSignal,
    first: IteratorResult<object, void>,
    messages: AsyncGenerator<object, void>,
  ): Response {
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      start: (out) => void toldElsewhere(send(out)), // what fails in it the stream tells
      cancel: (reason) => gone.abort(reason),
    }, new ByteLengthQueuingStrategy({ highWaterMark: MOST_UNREAD }));
    return new Response(body, {
      headers: { "content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no" },
    });

    async function send(out: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
      using _ = place;
      const say = (data: string) => out.enqueue(encoder.encode(`data: ${data}\n\n`));
      try {
        for (let next = first; !next.done; next = await messages.next()) {
          signal.throwIfAborted();
          say(JSON.stringify(next.value));
          if (out.desiredSize! < 0) gone.abort(new PareError("the text was given up: its reader is too slow"));
        }
        say("[DONE]");
      } catch (error) {
        // A client that has gone reads no more; one that is too slow, or whose server is stopped, learns why.
        say(await (signal.aborted ? failure(503, (signal.reason as Error).message) : fail(error as Error)).text());
      } finally {
        await messages.return();
      }
      out.close();
    }
  }
}

/**
 * What a request says; undefined once it is more than one may say, of which no more is read. (hono's `bodyLimit` makes another
 * `Request` of one that does not tell its length, and Deno's takes none of another server's.)
 */
async function textOfBody({ headers, body }: Request): Promise<string | undefined> {
  if (Number(headers.get("content-length")) > MOST_BYTES) return undefined;
  const decoder = new TextDecoder();
  let text = "", bytes = 0;
  for await (const piece of body?.values({ preventCancel: true }) ?? []) {
    if ((bytes += piece.length) > MOST_BYTES) return undefined;
    text += decoder.decode(piece, { stream: true });
  }
  return text + decoder.decode();
}
