/** The chat server as clients see it: OpenAI's own package, and raw requests for what that would never send. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import OpenAI from "openai";
import { openWasm } from "../../src/backend/wasm/mod.ts";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { type ChatServerOptions, createChatApp } from "../../src/chat/app.ts";
import { type Asked, ChatWriter, type Piece } from "../../src/chat/writer.ts";
import { PareError } from "../../src/errors.ts";
import { readEndTokens } from "../../src/generate/end_tokens.ts";
import { generate } from "../../src/generate/generate.ts";
import { ResidentModel } from "../../src/generate/resident.ts";
import { listen } from "../../src/server/listen.ts";
import { AUSTEN, tokenizerOf } from "../text/models.ts";

const PROMPT = "Anne had never been more", MODEL = "austen", TOKEN = "0123456789abcdef";

/** Sets turns one after the other. */
const TEMPLATE = {
  render: (messages: readonly { role: string; content: string }[]) =>
    messages.map(({ role, content }) => `${role[0]}: ${content} `).join(""),
};

/** A server on a free port, and a client of it that does not try again. */
async function serve(options: Pick<ChatServerOptions, "writer"> & Partial<ChatServerOptions>) {
  const app = createChatApp({ model: MODEL, queue: 16, ...options });
  const listening = await listen((request) => app.fetch(request), { host: "127.0.0.1", port: 0 });
  const address = `http://127.0.0.1:${listening.port}`;
  const client = new OpenAI({ baseURL: `${address}/v1`, apiKey: options.token ?? "none", maxRetries: 0 });
  return { address, client, [Symbol.asyncDispose]: () => listening[Symbol.asyncDispose]() };
}

Deno.test("OpenAI's client gets the texts that the library writes, whole and as a stream, with what they took", async () => {
  const tokenizer = await tokenizerOf(AUSTEN);
  await using checkpoint = await openDirectory(AUSTEN);
  await using backend = await openWasm({ workers: 1 });
  {
    using model = await ResidentModel.open({ checkpoint, backend });
    using writer = new ChatWriter(model, { tokenizer, template: TEMPLATE, endTokens: await readEndTokens(checkpoint) });
    await using server = await serve({ writer });
    const { client: { models, completions, chat } } = server, greedy = { model: MODEL, temperature: 0 };
    const library = async (prompt: string, tokens: number) => {
      const ids = tokenizer.encode(prompt, { special: true });
      const all = await Array.fromAsync(generate(model, [ids], { tokens, tokenizer }));
      return { text: all.map(({ text }) => text).join(""), prompt_tokens: ids.length };
    };
    assertEquals((await models.list()).data.map(({ id }) => id), [MODEL]);
    assertEquals((await models.retrieve(MODEL)).id, MODEL);

    const { text, prompt_tokens } = await library(PROMPT, 8);
    const { object, choices: [choice], usage } = await completions.create({ ...greedy, prompt: PROMPT, max_tokens: 8 });
    assertEquals([object, choice.text, choice.finish_reason], ["text_completion", text, "length"]);
    assertEquals(usage, { prompt_tokens, completion_tokens: 8, total_tokens: prompt_tokens + 8 });
    const stop = text.slice(5, 9), ids = [...tokenizer.encode(PROMPT, { special: true })];
    const cut = await completions.create({ ...greedy, prompt: ids, max_tokens: 8, stop });
    assertEquals([cut.choices[0].text, cut.choices[0].finish_reason], [text.slice(0, text.indexOf(stop)), "stop"]);
    const several = await completions.create({ ...greedy, prompt: [PROMPT, "It was"], max_tokens: 4, n: 2 });
    const own = (await library(PROMPT, 4)).text, other = (await library("It was", 4)).text;
    assertEquals(several.choices.map(({ index, text }) => [index, text]), [[0, own], [1, own], [2, other], [3, other]]);

    const messages: OpenAI.ChatCompletionMessageParam[] = [
      { role: "system", content: "Mind." },
      { role: "user", content: [{ type: "text", text: "She was" }] },
    ];
    const asked = { ...greedy, messages, max_completion_tokens: 6 }, answer = await library("s: Mind. u: She was ", 6);
    const whole = await chat.completions.create(asked), [{ message }] = whole.choices;
    assertEquals([whole.object, message.role, message.content], ["chat.completion", "assistant", answer.text]);
    assertEquals(whole.usage?.total_tokens, answer.prompt_tokens + 6);
    const streamed = { ...asked, stream: true, stream_options: { include_usage: true } } as const;
    const pieces = await Array.fromAsync(await chat.completions.create(streamed));
    assertEquals(pieces.map(({ choices }) => choices[0]?.delta.content ?? "").join(""), answer.text);
    assertEquals(pieces[0].choices[0].delta.role, "assistant");
    assertEquals(pieces.at(-2)!.choices[0].finish_reason, "length");
    assertEquals(pieces.at(-1)!.usage?.completion_tokens, 6);
    assert(pieces.length > 4 && pieces.every(({ id }) => id === pieces[0].id), "pieces of one answer");
  }
  assertEquals(backend.live, 0);
});

/** A writer whose texts have no end, but when a piece's wait refuses them, and what becomes of them. */
function endless(
  piece = "on ",
  wait: (asked: Asked) => Promise<void> = () => new Promise((resolve) => setTimeout(resolve, 5)),
) {
  const begun = Promise.withResolvers<Asked>(), ended = Promise.withResolvers<unknown>();
  let running = 0;
  return {
    begun: begun.promise,
    ended: ended.promise,
    encode: () => Uint32Array.of(1),
    encodeChat: () => undefined,
    async *write(asked: Asked): AsyncGenerator<Piece> {
      assertEquals(++running, 1, "texts at once");
      begun.resolve(asked);
      try {
        for (;;) {
          await wait(asked);
          asked.signal.throwIfAborted();
          yield { index: 0, text: piece };
        }
      } finally {
        running--;
        ended.resolve(asked.signal.reason);
      }
    },
  };
}

/** What a server that has room for one says to the next one: its first piece, once there is room. */
async function nextOne({ address, client }: { readonly address: string; readonly client: OpenAI }): Promise<string> {
  const status = async () => (await (await fetch(`${address}/healthz`)).json()).requests;
  for (let look = 0; await status() > 0; look++) {
    assert(look < 200, "the place was never given back");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  // A place that is free is no turn yet.
  const signal = AbortSignal.timeout(5000);
  for await (
    const { choices } of await client.completions.create({ model: MODEL, prompt: "a", stream: true }, { signal })
  ) {
    return choices[0].text;
  }
  throw new Error("a stream without a piece");
}

for (const stream of [true, false]) {
  Deno.test(`a text ends when its client goes${stream ? " from a stream" : ""}, and the next one has its turn`, async () => {
    const writer = endless(), stop = new AbortController(), bugs: Error[] = [];
    await using server = await serve({ writer, queue: 1, onBug: (error) => bugs.push(error) });
    const body = { model: MODEL, prompt: "a", stream };
    const asked = server.client.completions.create(body, { signal: stop.signal }).then(async (answer) => {
      for await (const _ of answer as AsyncIterable<unknown>) stop.abort();
    });
    await writer.begun;
    if (!stream) stop.abort();
    await asked.catch(() => {});
    await writer.ended;
    assertEquals([await nextOne(server), bugs], ["on ", []]);
  });
}

Deno.test("a stream that is refused, or given up, before its first piece leaves its turn to the next one", async () => {
  const bugs: Error[] = [],
    hurdles = [
      () => Promise.reject(new PareError("no room for it")),
      () => Promise.reject(new Error("a bug")),
      (asked: Asked) => new Promise<void>((_, reject) => asked.signal.addEventListener("abort", reject)),
    ];
  const writer = endless("on ", (asked) => hurdles.shift()?.(asked) ?? Promise.resolve());
  await using server = await serve({ writer, queue: 1, onBug: (error) => bugs.push(error) });
  const ask = (signal?: AbortSignal) =>
    server.client.completions.create({ model: MODEL, prompt: "a", stream: true }, { signal });
  assertEquals((await assertRejects(() => ask(), OpenAI.APIError)).message, "400 no room for it");
  assertEquals((await assertRejects(() => ask(), OpenAI.APIError)).status, 500);
  await assertRejects(() => ask(AbortSignal.timeout(200)));
  assertEquals([await nextOne(server), bugs.map(({ message }) => message)], ["on ", ["a bug"]]);
});

Deno.test("a client that does not read what is written for it is given up, and the next one has its turn", async () => {
  // More than what the system and HTTP hold on its way, besides what waits here.
  const writer = endless("on ".repeat(1 << 14));
  await using server = await serve({ writer, queue: 1 });
  const sent = await fetch(`${server.address}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: MODEL, prompt: "a", stream: true }),
  });
  await writer.ended;
  assertEquals((await nextOne(server)).length, 3 << 14);
  const [error, end] = (await sent.text()).split("\n\n").slice(-2);
  assertEquals([JSON.parse(error.slice(6)).error.message, end], ["the text was given up: its reader is too slow", ""]);
});

Deno.test("who sends a request takes a place before it is read, and keeps nobody waiting who has sent theirs", async () => {
  const writer = endless(), { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const app = createChatApp({ writer, model: MODEL, queue: 1 }), bodies = writable.getWriter();
  const headers = { "content-type": "application/json" };
  const slow = app.request("/v1/completions", { method: "POST", headers, body: readable });
  await new Promise((resolve) => setTimeout(resolve)); // until it is heard
  const full = await app.request("/v1/completions", { method: "POST", headers, body: "{}" });
  assertEquals(full.status, 503);
  await bodies.write(new TextEncoder().encode("{"));
  await bodies.close();
  assertEquals((await slow).status, 400);
  assertEquals((await (await app.request("/healthz")).json()).requests, 0);
});

Deno.test("a body that does not tell its length is read as any other, up to how long one may be", async () => {
  const writer = endless();
  await using server = await serve({ writer });
  const json = { "content-type": "application/json" };
  const said = async (response: Response) => [response.status, (await response.json()).error.message];
  const post = async (...pieces: string[]) => {
    const body = ReadableStream.from(pieces).pipeThrough(new TextEncoderStream());
    return await said(await fetch(`${server.address}/v1/completions`, { method: "POST", headers: json, body }));
  };
  const other = [404, 'the model "größe" is not here; this server has "austen"'];
  assertEquals(await post('{"prompt":"a", "mod', 'el":"größe"}'), other);
  assertEquals(await post("{", "}"), [400, "prompt: Invalid input"]);
  for (const [method, path] of [["DELETE", "/v1/models"], ["PUT", "/v1/completions"], ["OPTIONS", "/v1/models"]]) {
    const response = await fetch(`${server.address}${path}`, { method, body: method === "PUT" ? "{}" : undefined });
    assertEquals(await said(response), [404, `there is nothing at ${method} ${path}`]);
  }
  const app = createChatApp({ writer, model: MODEL, queue: 1 }), most = 16 << 20;
  const asks = async (body: BodyInit, headers = {}) =>
    await said(await app.request("/v1/completions", { method: "POST", headers: { ...json, ...headers }, body }));
  const spaces = (bytes: number) => new Blob([" ".repeat(bytes)]).stream();
  assertEquals(await asks(spaces(most)), [400, "the body is not JSON"]);
  assertEquals(await asks(spaces(most + 1)), [413, "expected at most 16777216 bytes"]);
  assertEquals(await asks("{}", { "content-length": `${most + 1}` }), [413, "expected at most 16777216 bytes"]);
});

Deno.test("who comes when as many wait as may is asked to come again", async () => {
  const writer = endless(), stop = new AbortController();
  await using server = await serve({ writer, queue: 1, signal: stop.signal });
  const ask = () => server.client.completions.create({ model: MODEL, prompt: "a" }), first = assertRejects(ask);
  await writer.begun;
  const second = await assertRejects(ask);
  assert(second instanceof OpenAI.InternalServerError && second.status === 503);
  assertEquals(second.headers.get("retry-after"), "5");
  stop.abort(new Error("the server is stopped"));
  await first;
});

Deno.test("what is not understood, not allowed or not here is refused as OpenAI's API refuses it", async () => {
  await using server = await serve({ writer: endless(), token: TOKEN });
  const { client, address } = server;
  const refuse = async (act: () => Promise<unknown>) => {
    const error = await assertRejects(act);
    assert(error instanceof OpenAI.APIError);
    return error.message;
  };
  const wrong = (more: object) => refuse(() => client.completions.create({ model: MODEL, prompt: "a", ...more }));
  assertEquals(await wrong({ model: "gpt" }), '404 the model "gpt" is not here; this server has "austen"');
  assertEquals(await wrong({ logprobs: 3 }), "400 logprobs: logprobs is not supported");
  assertStringIncludes(await wrong({ top_p: 2 }), "400 top_p: ");
  assertStringIncludes(await wrong({ prompt: [] }), "400 prompt: ");
  assertStringIncludes(await wrong({ prompt: [2 ** 32] }), "400 prompt.0: Too big");
  assertStringIncludes(await wrong({ seed: -1 }), "400 seed: ");
  assertEquals(
    await wrong({ prompt: Array(6).fill("a"), n: 3 }),
    "400 n: 18 texts were asked for; expected at most 16",
  );
  assertEquals(await wrong({ logit_bias: { 5: 1 } }), "400 logit_bias: logit_bias is not supported");
  assertEquals(await wrong({ best_of: 2 }), "400 best_of: best_of is not supported");
  const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "a" }];
  assertStringIncludes(
    await refuse(() => client.chat.completions.create({ model: MODEL, messages })),
    "400 austen has no chat template",
  );
  const asks = (more: object) => refuse(() => client.chat.completions.create({ model: MODEL, messages, ...more }));
  for (
    const [name, value] of [["tool_choice", "required"], ["functions", [{}]], ["tools", [{}]], ["top_logprobs", 2]]
  ) {
    assertEquals(await asks({ [name as string]: value }), `400 ${name}: ${name} is not supported`);
  }
  const nothing = { tool_choice: "auto", functions: [], tools: [], top_logprobs: 0, logit_bias: {}, logprobs: false };
  assertStringIncludes(await asks(nothing), "400 austen has no chat template");
  const stranger = new OpenAI({ baseURL: `${address}/v1`, apiKey: "wrong", maxRetries: 0 });
  assertStringIncludes(await refuse(() => stranger.models.list()), "401");

  const post = async (type: string, body: string) => {
    const headers = { authorization: `Bearer ${TOKEN}`, "content-type": type };
    const response = await fetch(`${address}/v1/completions`, { method: "POST", headers, body });
    return [response.status, (await response.json()).error.message];
  };
  assertEquals(await post("text/plain", "{}"), [415, "expected the content type application/json"]);
  assertEquals(await post("application/json", "{"), [400, "the body is not JSON"]);
  const app = createChatApp({ writer: endless(), model: MODEL, token: TOKEN, queue: 1 });
  const said = async (url: string) => {
    const response = await app.request(url), { error } = await response.json();
    return [response.status, error.type, error.code, error.message];
  };
  const type = "invalid_request_error", unnamed = '"evil.example" is not a name of this server; --allow-host adds one';
  assertEquals(await said("http://evil.example/v1/models"), [421, type, null, unnamed]);
  assertEquals((await said("/v1/models")).slice(0, 3), [401, type, "invalid_api_key"]);
  assertEquals(await said("/v2"), [404, type, null, "there is nothing at GET /v2"]);
});
