/** How the server keeps to HTTP: conditional requests, compression, who may ask, and what browsers are told. */
import { gunzipSync } from "node:zlib";
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { linear } from "../run/runs.ts";
import { ask, NAMES, openFixture } from "./fixture.ts";

const TOKEN = "a token that is long enough".replaceAll(" ", "-");

Deno.test("who has an answer already gets 304 until something is written", async () => {
  await using fixture = await openFixture();
  const { app, registry, ids: [, , live] } = fixture;
  for (const path of [`/api/runs/${live}/layers`, `/api/runs/${live}`, "/api/runs"]) {
    const etag = (await ask(app, path)).headers.get("etag")!;
    for (const tag of [etag, etag.replace("W/", ""), `"other", ${etag}`, "*"]) {
      const again = await ask(app, path, { "if-none-match": tag });
      assertEquals([again.status, await again.text(), again.headers.get("etag")], [304, "", etag]);
    }
    registry.linear(live, linear(NAMES[0]));
    registry.perplexity(live, {
      label: path,
      perplexity: 3,
      evaluation: registry.get(fixture.ids[0])!.perplexities[0].evaluation,
    });
    const after = await ask(app, path, { "if-none-match": etag });
    assertEquals(after.status, 200);
    assertNotEquals(after.headers.get("etag"), etag);
  }
});

Deno.test("a client that takes gzip gets the same bytes compressed, one that refuses it does not", async () => {
  await using fixture = await openFixture();
  const path = `/api/runs/${fixture.ids[0]}/layers/${NAMES[0]}`;
  const plain = await ask(fixture.app, path), bytes = await plain.bytes();
  for (const accept of ["gzip", "br;q=1.0, gzip;q=0.8", "deflate, gzip"]) {
    const response = await ask(fixture.app, path, { "accept-encoding": accept });
    assertEquals(response.headers.get("content-encoding"), "gzip");
    assertMatch(response.headers.get("vary")!, /accept-encoding/);
    const compressed = await response.bytes();
    assert(compressed.length < bytes.length);
    assertEquals(new Uint8Array(gunzipSync(compressed)), bytes);
  }
  for (const accept of ["gzip;q=0", "gzip;q=0.0, br", "br", ""]) {
    const response = await ask(fixture.app, path, { "accept-encoding": accept });
    assertEquals(response.headers.get("content-encoding"), null, accept);
    await response.body?.cancel();
  }
});

Deno.test("HEAD has the headers of GET and no body; what would write is 405 with what is allowed", async () => {
  await using fixture = await openFixture();
  const url = `http://localhost/api/runs/${fixture.ids[0]}`;
  const head = await fixture.app.request(url, { method: "HEAD" });
  assertEquals([head.status, await head.text()], [200, ""]);
  assertMatch(head.headers.get("etag")!, /^W\/".{22}"$/);
  for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
    const response = await fixture.app.request(url, { method });
    assertEquals([response.status, response.headers.get("allow")], [405, "GET, HEAD"], method);
    assertEquals((await response.json()).status, 405);
  }
});

Deno.test("a name that another site may own is refused; addresses, localhost and allowed names are not", async () => {
  await using fixture = await openFixture({ hosts: ["gpu-box"] });
  const status = async (host: string) => (await ask(fixture.app, "/api/runs", { host })).status;
  for (const host of ["127.0.0.1:7273", "localhost", "LOCALHOST:80", "[::1]:7273", "10.0.0.7", "gpu-box:7273"]) {
    assertEquals(await status(host), 200, host);
  }
  for (const host of ["evil.example", "localhost.evil.example:7273", "127.0.0.1.evil.example", "gpu-box.evil", ""]) {
    assertEquals(await status(host), 421, host);
  }
});

Deno.test("with a token, data needs it and nothing else does", async () => {
  await using fixture = await openFixture({ token: TOKEN });
  const { app, ids: [id] } = fixture;
  const data = ["/api/runs", `/api/runs/${id}/layers`, `/api/runs/${id}/events`, "/api/compare", "/metrics"];
  for (const path of data) {
    for (const authorization of [undefined, "Bearer wrong", `Bearer ${TOKEN}x`, `Basic ${TOKEN}`, TOKEN]) {
      const response = await ask(app, path, authorization ? { authorization } : {});
      assertEquals(response.status, 401, `${path} ${authorization}`);
      assertMatch(response.headers.get("www-authenticate")!, /^Bearer realm="Pare"/);
      await response.body?.cancel();
    }
    const response = await ask(app, path, { authorization: `Bearer ${TOKEN}` });
    assertNotEquals(response.status, 401);
    await response.body?.cancel();
  }
  for (const path of ["/", "/docs", "/openapi.json", "/healthz"]) assertEquals((await ask(app, path)).status, 200);
});

Deno.test("every answer forbids scripts and connections that are not the server's own", async () => {
  await using fixture = await openFixture();
  for (const path of ["/", "/docs", "/api/runs", "/unknown", "/api/runs?limit=0"]) {
    const { headers } = await ask(fixture.app, path);
    const policy = headers.get("content-security-policy")!;
    assertMatch(policy, /default-src 'none'/);
    assertMatch(policy, /script-src 'self'(;|$)/);
    assert(!policy.includes("unsafe"));
    assertEquals(headers.get("x-content-type-options"), "nosniff");
    assertEquals(headers.get("access-control-allow-origin"), null);
  }
});

Deno.test("another site may read only if it was named, and caches keep sites apart", async () => {
  await using fixture = await openFixture({ origins: ["http://localhost:3000"], token: TOKEN });
  const authorization = `Bearer ${TOKEN}`;
  const allowed = async (origin: string) => {
    const { headers } = await ask(fixture.app, "/api/runs", { origin, authorization });
    assertMatch(headers.get("vary")!, /origin/i);
    assertMatch(headers.get("vary")!, /accept-encoding/i);
    return headers.get("access-control-allow-origin");
  };
  assertEquals(await allowed("http://localhost:3000"), "http://localhost:3000");
  assertEquals(await allowed("http://evil.example"), null);
  // A browser asks first whether it may send the token, without it.
  const preflight = await fixture.app.request("http://127.0.0.1/api/runs", {
    method: "OPTIONS",
    headers: {
      origin: "http://localhost:3000",
      "access-control-request-method": "GET",
      "access-control-request-headers": "authorization",
    },
  });
  assertEquals([preflight.status, preflight.headers.get("access-control-allow-headers")], [204, "authorization"]);
  assertEquals(preflight.headers.get("access-control-allow-methods"), "GET,HEAD");
});
