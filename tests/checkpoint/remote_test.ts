/** Models that are read where they lie, against a server that does one thing wrong at a time. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { RangeClient } from "../../src/checkpoint/remote/client.ts";
import { locateRemote } from "../../src/checkpoint/remote/locate.ts";
import { findBucket, listBucket, objectUrl } from "../../src/checkpoint/remote/s3.ts";
import { PareError } from "../../src/errors.ts";
import { isSignedWith } from "./signature.ts";
import { type Asked, type Fault, RangeServer } from "./range_server.ts";

const AUSTEN = new URL("../fixtures/models/Austen-700K", import.meta.url).pathname;

/** Tries are not waited for, but their waits are written down. */
function patience() {
  const waits: number[] = [];
  const wait = (milliseconds: number) => {
    waits.push(milliseconds);
    return Promise.resolve();
  };
  return { waits, options: { wait, silence: 300, random: () => 0.5 } };
}

/** The bytes of all tensors. */
async function tensorsOf(reference: string, options = {}): Promise<Map<string, Uint8Array>> {
  await using checkpoint = await openCheckpoint(reference, options);
  return await checkpoint.read([...checkpoint.tensors.keys()]);
}

/** What an error says, of a PareError in a line. */
async function refused(act: () => Promise<unknown>): Promise<string> {
  const { message } = await assertRejects(act, PareError);
  assert(!message.includes("\n"));
  return message;
}

const isShard = ({ path }: Asked) => path.endsWith("model.safetensors");

Deno.test("a model on a plain server is the model on the disk, byte for byte, its files too", async () => {
  await using server = await RangeServer.of(AUSTEN);
  await using near = await openCheckpoint(AUSTEN);
  await using far = await openCheckpoint(server.url);
  assertEquals([...far.tensors], [...near.tensors]);
  assertEquals(far.config, near.config);
  const names = [...near.tensors.keys()];
  assertEquals(await far.read(names), await near.read(names));
  for (const file of far.files) assertEquals(await far.readFile(file), await near.readFile(file));
  assert(far.files.includes("tokenizer.json"));
  const { path } = far;
  assertEquals(`${path}/`, server.url);
  const [, prints] = await Promise.all([0, far.fingerprints!()]),
    shard = prints.find(({ version }) => version !== undefined)!;
  assertStringIncludes(shard.path, "model.safetensors");
});

Deno.test("rows that are asked for again and again come once, with the rest of their matrix", async () => {
  await using server = await RangeServer.of(AUSTEN);
  await using near = await openCheckpoint(AUSTEN);
  await using far = await openCheckpoint(server.url);
  const name = [...near.tensors.keys()].find((each) => each.includes("embed_tokens"))!;
  const { bytes } = near.tensors.get(name)!, before = server.sent;
  for (const row of [3, 0, 200, 3]) assertEquals(await far.readRows(name, row, 5), await near.readRows(name, row, 5));
  const pieces: number[] = [];
  for await (const piece of far.stream(name)) pieces.push(piece.length);
  assertEquals(pieces.reduce((a, b) => a + b), bytes);
  assertEquals(server.sent - before, bytes);
});

/** A fault of the first answers for the weights. */
const first = (count: number, fault: Fault) => (asked: Asked) =>
  isShard(asked) && asked.before > 0 && asked.before <= count ? fault : undefined;

const PASSING: Readonly<Record<string, Fault>> = {
  "a connection that is cut": { cutAfter: 1000 },
  "a connection that is cut before the body": { cutAfter: 0 },
  "503": { status: "503 Service Unavailable" },
  "429 with Retry-After": { status: "429 Too Many Requests", headers: { "Retry-After": "7" } },
  "a body that stalls": { stallAfter: 500 },
  "a length that is too large": { claims: 10 ** 9 },
  "a length that is too small": { claims: 100 },
};
for (const [what, fault] of Object.entries(PASSING)) {
  Deno.test(`${what} is asked for again, from where it was cut`, async () => {
    await using server = await RangeServer.of(AUSTEN);
    server.fault = first(3, fault);
    const { waits, options } = patience();
    assertEquals(await tensorsOf(server.url, options), await tensorsOf(AUSTEN));
    // What is claimed beyond what was asked for is nobody's concern once that is there.
    assertEquals(waits.length > 0, fault.claims !== 10 ** 9);
    if (fault.headers) assert(waits.some((wait) => wait >= 7000), `${waits}`);
    const size = (await Deno.stat(join(AUSTEN, "model.safetensors"))).size;
    if (fault.cutAfter === 1000) assert(server.sent < 1.5 * size, "what has come is not fetched again");
  });
}

Deno.test("a server that does nothing else is left after six tries, each waited for longer", async () => {
  await using server = await RangeServer.of(AUSTEN);
  server.fault = (asked) => isShard(asked) && asked.before > 0 ? { status: "503 Service Unavailable" } : undefined;
  const { waits, options } = patience();
  const message = await refused(() => openCheckpoint(server.url, options));
  assertStringIncludes(message, "the server answered 503 Service Unavailable");
  assertEquals(waits, [250, 500, 1000, 2000, 4000]);
});

Deno.test("a file that changes under way stops the run, by its ETag or its length", async () => {
  await using server = await RangeServer.of(AUSTEN);
  const model = await locateRemote(server.url);
  await using checkpoint = await openCheckpoint(model.path, { remote: model });
  const names = [...checkpoint.tensors.keys()];
  server.fault = (asked) => isShard(asked) ? { headers: { ETag: '"other"' } } : undefined;
  assertStringIncludes(
    await refused(() => checkpoint.read(names)),
    'has changed since the run began: ETag "other", before',
  );
  server.fault = (asked) => isShard(asked) ? { headers: { "Content-Range": "bytes 0-9/10" } } : undefined;
  assertStringIncludes(await refused(() => checkpoint.read(names)), "says it answers bytes 0-9/10");
  server.files.set("/model/model.safetensors", server.files.get("/model/model.safetensors")!.subarray(0, 5000));
  server.fault = () => undefined;
  assertStringIncludes(await refused(() => checkpoint.read(names)), "has changed since the run began");
  server.files.delete("/model/model.safetensors");
  assertStringIncludes(await refused(() => checkpoint.read(names)), "is gone");
});

Deno.test("a server that answers no ranges, compresses them, or denies is told from one that has no model", async () => {
  await using server = await RangeServer.of(AUSTEN);
  const says = async (fault: typeof server.fault) => {
    server.fault = fault;
    return await refused(() => openCheckpoint(server.url, patience().options));
  };
  assertStringIncludes(
    await says(() => ({ status: "200 OK", body: new Uint8Array(9) })),
    "does not answer range requests",
  );
  assertStringIncludes(
    await says(() => ({ headers: { "Content-Encoding": "br" }, body: new Uint8Array(0) })),
    "compresses",
  );
  assertStringIncludes(await says(() => ({ status: "403 Forbidden" })), "denied (403)");
  assertStringIncludes(await says(() => ({ status: "500 Oh" })), "the server answered 500");
  assertStringIncludes(
    await says(({ path }) => path.endsWith("config.json") ? { status: "404 No" } : undefined),
    "it has no config.json",
  );
  const closed = await RangeServer.of(AUSTEN), { url } = closed;
  await closed[Symbol.asyncDispose]();
  assertStringIncludes(await refused(() => openCheckpoint(url, patience().options)), `cannot read ${url}config.json`);
  assertStringIncludes(await refused(() => openCheckpoint("ftp://x/y")), "expected https://…, s3://bucket/prefix");
  assertStringIncludes(await refused(() => openCheckpoint("https://me:secret@x/y")), "expected one without");
  assertStringIncludes(await refused(() => openCheckpoint("https://x/y?token=1")), "without ? and #");
});

Deno.test("a file of no bytes is one, whichever of two ways a server says so", async () => {
  for (const status of ["200 OK", "416 Range Not Satisfiable"]) {
    await using server = await RangeServer.of(AUSTEN);
    server.files.set("/model/LICENSE", new Uint8Array());
    server.fault = ({ path }) =>
      path.endsWith("LICENSE")
        ? { status, headers: { "Content-Range": status[0] === "4" ? "bytes */0" : "" } }
        : undefined;
    await using checkpoint = await openCheckpoint(server.url, patience().options);
    assertEquals(await checkpoint.readFile("LICENSE"), new Uint8Array());
  }
});

Deno.test("where there is no ETag the date tells versions apart; where there is neither, the model is refused", async () => {
  await using whole = await RangeServer.of(AUSTEN);
  await using server = new RangeServer(whole.files, () => "");
  let modified = "Tue, 01 Dec 2026 00:00:00 GMT";
  server.fault = () => ({ headers: { "Last-Modified": modified } });
  await using checkpoint = await openCheckpoint(server.url);
  await checkpoint.read([...checkpoint.tensors.keys()]);
  modified = "Tue, 01 Dec 2026 00:00:01 GMT";
  assertStringIncludes(
    await refused(() => checkpoint.read([...checkpoint.tensors.keys()])),
    "Last-Modified Tue, 01 Dec 2026 00:00:01 GMT, before Tue, 01 Dec 2026 00:00:00 GMT",
  );
  server.fault = () => undefined;
  assertStringIncludes(
    await refused(() => openCheckpoint(server.url)),
    "tells neither an ETag nor when it was changed",
  );
});

Deno.test("a redirect is followed without the token, to the servers of the beginning alone", async () => {
  await using mirror = await RangeServer.of(AUSTEN);
  await using hub = await RangeServer.of(AUSTEN);
  await using stranger = await RangeServer.of(AUSTEN);
  let to = mirror.url;
  hub.fault = ({ path }) => ({ status: "302 Found", headers: { Location: to + path.split("/").at(-1) } });
  const credentials = { kind: "bearer", origin: new URL(hub.url).origin, token: "hf_secret" } as const;
  const client = new RangeClient(credentials, { ...patience().options, hosts: [hub.host, mirror.host] });
  const url = `${hub.url}model.safetensors`, found = await client.read(url, 10, 100);
  assertEquals(found!.bytes, mirror.files.get("/model/model.safetensors")!.slice(10, 110));
  assertEquals(hub.requests[0].headers.get("Authorization"), "Bearer hf_secret");
  assertEquals(mirror.requests.map(({ headers }) => headers.get("Authorization")), [null]);
  // Where it leads is remembered for a while.
  await client.read(url, 0, 1);
  assertEquals([hub.requests.length, mirror.requests.length], [1, 2]);
  to = stranger.url;
  const message = await refused(() => client.read(`${hub.url}config.json`, 0, 1));
  assertStringIncludes(message, `it redirects to ${stranger.host}, which it did not when the run began`);
  assertEquals(stranger.requests, []);
  assert(!message.includes("hf_secret"));
  to = hub.url;
  assertStringIncludes(await refused(() => client.read(`${hub.url}tokenizer.json`, 0, 1)), "more than 5 redirects");
  to = "file:///etc/";
  assertStringIncludes(await refused(() => client.read(`${hub.url}tokenizer.json`, 0, 1)), "which is not https");
});

Deno.test("a signed address that has run out is asked for anew", async () => {
  await using mirror = await RangeServer.of(AUSTEN);
  await using hub = await RangeServer.of(AUSTEN);
  let number = 0;
  hub.fault = ({ path }) => ({
    status: "302 Found",
    headers: { Location: `${mirror.url}${path.split("/").at(-1)}?${++number}` },
  });
  mirror.fault = ({ path }) =>
    path.endsWith("?1") && mirror.requests.length > 1 ? { status: "403 Expired" } : undefined;
  const client = new RangeClient({ kind: "none" }, patience().options), url = `${hub.url}config.json`;
  await client.read(url, 0, 1);
  assertEquals((await client.read(url, 1, 3))!.bytes, mirror.files.get("/model/config.json")!.slice(1, 4));
  assertEquals(hub.requests.length, 2);
});

Deno.test("credentials of AWS: variables before profile files, both or none, a profile that is there", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pare-aws-" });
  try {
    const [config, credentials] = ["config", "credentials"].map((name) => join(folder, name));
    await Deno.writeTextFile(
      config,
      "[default]\nregion = eu-west-1\n[profile lab]\nregion=eu-north-1\nendpoint_url = https://s3.lab\n",
    );
    await Deno.writeTextFile(
      credentials,
      "[default]\naws_access_key_id = A\naws_secret_access_key = B\n[lab]\naws_access_key_id=C\naws_secret_access_key=D/+=\naws_session_token=E\n",
    );
    const find = (more: Record<string, string> = {}, reference = "s3://bucket/some/model/") => {
      const all: Record<string, string> = {
        AWS_CONFIG_FILE: config,
        AWS_SHARED_CREDENTIALS_FILE: credentials,
        ...more,
      };
      return findBucket(reference, (name) => all[name]);
    };
    assertEquals(await find(), {
      base: "https://bucket.s3.eu-west-1.amazonaws.com/",
      prefix: "some/model/",
      credentials: {
        kind: "s3",
        origin: "https://bucket.s3.eu-west-1.amazonaws.com",
        region: "eu-west-1",
        accessKeyId: "A",
        secretAccessKey: "B",
      },
    });
    const lab = await find({ AWS_PROFILE: "lab" });
    assertEquals(lab.base, "https://s3.lab/bucket/");
    assertEquals(lab.credentials, {
      ...{ kind: "s3", origin: "https://s3.lab", region: "eu-north-1", accessKeyId: "C", secretAccessKey: "D/+=" },
      sessionToken: "E",
    });
    const own = { AWS_ACCESS_KEY_ID: "X", AWS_SECRET_ACCESS_KEY: "Y", AWS_REGION: "us-west-2" };
    assertEquals(
      (await find(own, "s3://bucket.with.dots")).base,
      "https://s3.us-west-2.amazonaws.com/bucket.with.dots/",
    );
    assertEquals((await find({ AWS_SHARED_CREDENTIALS_FILE: "/nowhere" })).credentials, { kind: "none" });
    assertStringIncludes(await refused(() => find({ AWS_ACCESS_KEY_ID: "X" })), "expected both");
    assertStringIncludes(await refused(() => find({ AWS_PROFILE: "nobody" })), "AWS_PROFILE nobody");
    assertStringIncludes(await refused(() => find({}, "s3:///x")), "expected s3://bucket/prefix");
    assertStringIncludes(await refused(() => find({}, "s3://No_Bucket/x")), "expected s3://bucket/prefix");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("requests to a bucket are signed by AWS's rules, listings and keys that are escaped too", async () => {
  await using server = new RangeServer(new Map([["/bucket/a b/ü+1.bin", new TextEncoder().encode("0123456789")]]));
  const origin = new URL(server.url).origin, keys = { accessKeyId: "A", secretAccessKey: "topsecret" };
  const credentials = { kind: "s3", origin, region: "eu-west-1", ...keys } as const;
  const bucket = { base: `${origin}/bucket/`, prefix: "a b/", credentials };
  const client = new RangeClient(credentials, patience().options);
  const found = await client.read(objectUrl(bucket, "a b/ü+1.bin"), 2, 3);
  assertEquals(new TextDecoder().decode(found!.bytes), "234");
  const listing =
    `<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>t/+=</NextContinuationToken>
    <Contents><Key>a+b/x%26y.json</Key><ETag>&quot;e&quot;</ETag><Size>7</Size></Contents>
    <Contents><Key>a+b/deeper/z</Key><Size>7</Size></Contents></ListBucketResult>`;
  // s3rver does not encode what it is asked to.
  const last = "<ListBucketResult><Contents><Key>a b/t+w%o</Key><Size>1</Size></Contents></ListBucketResult>";
  server.fault = ({ path }) => ({
    status: "200 OK",
    body: new TextEncoder().encode(path.includes("token=") ? last : listing),
  });
  const { files } = await listBucket("s3://bucket/a b", bucket);
  assertEquals(files, [
    { name: "x&y.json", url: `${origin}/bucket/a%20b/x%26y.json`, bytes: 7, etag: '"e"' },
    { name: "t+w%o", url: `${origin}/bucket/a%20b/t%2Bw%25o`, bytes: 1 },
  ]);
  assertEquals(server.requests.length, 3);
  for (const asked of server.requests) {
    assert(isSignedWith(asked, "topsecret"), asked.path);
    assert(!isSignedWith(asked, "another"));
  }
  server.fault = () => ({ status: "200 OK", body: new TextEncoder().encode(listing.replace(/<Next.*Token>/, "")) });
  assertStringIncludes(await refused(() => listBucket("s3://bucket/a b", bucket)), "ends its listing in the middle");
  server.fault = () => ({ status: "200 OK", body: new TextEncoder().encode(listing.replace("%26", "%zz")) });
  assertStringIncludes(await refused(() => listBucket("s3://bucket/a b", bucket)), "not encoded as it says: a+b/x%zz");
});
