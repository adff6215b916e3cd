/** Connections that take time and give nothing are closed; those that are slow and honest are not. */
import { assertEquals, assertMatch } from "@std/assert";
import { LIMITS, type Limits, listen } from "../../src/server/listen.ts";

/** Limits that a test can wait for. */
const SHORT: Limits = { ...LIMITS, headers: 100, request: 200, idle: 100 };

/** A server of this answer. */
const serve = (limits: Partial<Limits> = {}, answer: () => Response = () => new Response("hello")) =>
  listen(answer, { host: "127.0.0.1", port: 0, limits: { ...SHORT, ...limits } });

/** Sends a text; what comes back until the server closes. */
async function talk(port: number, text: string): Promise<string> {
  using connection = await Deno.connect({ port });
  await connection.write(new TextEncoder().encode(text));
  return await new Response(connection.readable).text();
}

const REQUEST = "GET / HTTP/1.1\r\nHost: localhost\r\n";

for (
  const [what, sent, answered] of [
    ["that sends nothing", "", /^HTTP\/1.1 408 /],
    ["that stops within its headers", REQUEST, /^HTTP\/1.1 408 /],
    [
      "that stops within its body",
      `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf`,
      /^HTTP\/1.1 [24]/,
    ],
    ["that asks no more", `${REQUEST}\r\n`, /^HTTP\/1.1 200 .*hello$/s],
  ] as const
) {
  Deno.test(`a connection ${what} is closed after a while`, async () => {
    // One that is answered has all the time for its request that a busy machine may take.
    await using server = await serve(sent.endsWith("\r\n\r\n") ? { headers: 60_000, request: 60_000 } : {});
    assertMatch(await talk(server.port, sent), answered);
  });
}

Deno.test("a request to a host that can be none is a 400 problem", async () => {
  await using server = await serve();
  const answer = await talk(server.port, "GET / HTTP/1.1\r\nHost: no host\r\n\r\n");
  assertMatch(answer, /^HTTP\/1.1 400 .*application\/problem\+json.*"detail":"Invalid /s);
});

Deno.test("a connection that takes its answer in no more is closed, and nothing more is made of the answer", async () => {
  const cancelled = Promise.withResolvers<void>();
  const body = () =>
    new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(1 << 20)),
      cancel: () => cancelled.resolve(),
    });
  await using server = await serve({ stalled: 100 }, () => new Response(body()));
  using connection = await Deno.connect({ port: server.port });
  await connection.write(new TextEncoder().encode(`${REQUEST}\r\n`));
  await cancelled.promise;
});

Deno.test("an answer that takes longer than all limits comes whole as long as bytes go out", async () => {
  let sent = 0;
  const slow = () =>
    new ReadableStream({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 110));
        if (sent++ === 10) controller.close();
        else controller.enqueue(new TextEncoder().encode("x"));
      },
    });
  // The request itself has a second: ten times what is enough, on a busy machine too.
  await using server = await serve({ headers: 1000, request: 1000 }, () => new Response(slow()));
  assertEquals(await (await fetch(`http://127.0.0.1:${server.port}/`)).text(), "x".repeat(10));
});

Deno.test("more connections than there is room for are closed at once, the others stay", async () => {
  await using server = await serve({ connections: 2, headers: 60_000, request: 60_000 });
  const waiting = [await Deno.connect({ port: server.port }), await Deno.connect({ port: server.port })];
  assertEquals(await talk(server.port, ""), "");
  waiting.pop()!.close();
  using first = waiting[0];
  await first.write(new TextEncoder().encode(`${REQUEST}Connection: close\r\n\r\n`));
  assertMatch(await new Response(first.readable).text(), /hello$/);
});
