/**
 * Models that are pruned where they lie, by whole commands: from a server of the test's own, from nginx, and from a bucket of
 * an S3 server, each with the bytes that the local directory gives.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import S3rver from "s3rver";
import { AwsV4Signer } from "aws4fetch";
import { withHub } from "../hub/fake_hub.ts";
import { RangeServer } from "../checkpoint/range_server.ts";
import { AUSTEN, DATA_HOME, type Ended, HELD_OUT, ROOT, TOKENS } from "./commands.ts";
import { IN_PROCESS } from "./in_process.ts";

/** Runs a command with variables of its own. */
async function run(env: Record<string, string>, command: string, ...args: string[]): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", `${ROOT}scripts/${command}.ts`, ...args],
    env: { NO_COLOR: "1", XDG_DATA_HOME: DATA_HOME, ...env },
    stdin: "null",
  }).output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

async function withFolder<T>(test: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "pare-remote-" });
  try {
    return await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What a model is calibrated on here: a little, since where it is read from is the claim. */
const LITTLE = ["--calibration", TOKENS, "--samples", "4", "--seqlen", "64"];

/**
 * Prunes a model, here or with variables in a process of its own, and gives the bytes of every file of the result but those
 * that say where it came from.
 */
async function pruned(model: string, method: string, env?: Record<string, string>, ...flags: string[]) {
  return await withFolder(async (folder) => {
    const out = join(folder, "out"), runs = join(folder, "runs.db");
    const asked = ["--method", method, "--pattern", "2:4", ...LITTLE, "--out", out, "--runs", runs];
    let said = "";
    if (env) {
      const { code, out, err } = await run(env, "prune", "--model", model, ...asked, ...flags);
      assertEquals(code, 0, err);
      said = out + err;
    } else await IN_PROCESS.prune("--model", model, ...asked, ...flags);
    const files = new Map<string, Uint8Array>();
    for await (const { name } of Deno.readDir(out)) {
      if (!["README.md", "pare_manifest.json"].includes(name)) files.set(name, await Deno.readFile(join(out, name)));
    }
    const manifest = await Deno.readTextFile(join(out, "pare_manifest.json")), registry = await Deno.readFile(runs);
    return { files, manifest, everything: said + manifest + new TextDecoder("latin1").decode(registry) };
  });
}

const local = new Map<string, ReturnType<typeof pruned>>();
/** What the local directory gives, computed once. */
function expected(method: string) {
  if (!local.has(method)) local.set(method, pruned(AUSTEN, method));
  return local.get(method)!;
}

/** Bytes of the model: its weights and what stands beside them. */
const MODEL_BYTES = [...Deno.readDirSync(AUSTEN)].reduce(
  (sum, { name }) => sum + Deno.statSync(join(AUSTEN, name)).size,
  0,
);

for (const method of ["wanda", "sparsegpt"]) {
  Deno.test(`${method} of a model on a server gives the bytes of the local one, and reads the model once`, async () => {
    await using server = await RangeServer.of(AUSTEN);
    const { files } = await pruned(server.url, method), share = server.sent / MODEL_BYTES;
    assertEquals(files, (await expected(method)).files);
    // Norms are read with their block and again when they are copied; a kept promise of what the plan says.
    assert(share <= 1.02, `read ${share} of the model's bytes`);
    assert(server.requests.every(({ headers }) => !headers.has("authorization")));
  });
}

Deno.test("the sandbox of such a run opens the model's server and nothing else", async () => {
  await using server = await RangeServer.of(AUSTEN);
  const { code, out, err } = await run(
    {},
    "prune",
    server.url,
    "--out",
    "x",
    "--calibration",
    TOKENS,
    "--explain-permissions",
  );
  assertEquals(code, 0, err);
  assertEquals(out.split("\n").filter((line) => line.includes("allow-net") || line.startsWith("and")), [
    `--allow-net=${server.host}`,
    "and nothing else: no other address, no environment, no subprocess",
  ]);
});

Deno.test("a perplexity is the same of a model on a server", async () => {
  await using server = await RangeServer.of(AUSTEN);
  const asked = ["--corpus", HELD_OUT, "--windows", "2", "--runs", "none"];
  const of = async (model: string) => (await IN_PROCESS.eval(model, ...asked)).json.perplexity;
  assertEquals(await of(server.url), await of(AUSTEN));
});

Deno.test("a file that changes while it is pruned ends the run in a line, and leaves no output", async () => {
  await using server = await RangeServer.of(AUSTEN);
  let ranges = 0;
  server.fault = ({ path }) =>
    path.endsWith("model.safetensors") && ++ranges > 6 ? { headers: { ETag: '"changed"' } } : undefined;
  await withFolder(async (folder) => {
    const out = join(folder, "out");
    const { code, err } = await run(
      {},
      "prune",
      server.url,
      "--out",
      out,
      ...LITTLE,
      "--runs",
      "none",
      "--progress",
      "none",
    );
    assertEquals(code, 2);
    assertStringIncludes(err.trimEnd().split("\n").at(-1)!, "has changed since the run began: ETag");
    assertEquals([...Deno.readDirSync(folder)], []);
  });
});

Deno.test("commands that read models on this machine alone say so", async () => {
  const { code, err } = await run({}, "generate", "https://example.org/model", "--prompt", "x");
  assertEquals(code, 2);
  assertStringIncludes(err, "prune and eval read a model where it lies");
});

/** An S3 server with the model in a bucket, under a key that has to be escaped. */
async function withBucket(test: (env: Record<string, string>, endpoint: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const server = new S3rver({
      address: "127.0.0.1",
      port: 0,
      silent: true,
      directory: folder,
      configureBuckets: [{ name: "models", configs: [] }],
    });
    const { port } = await server.run(), endpoint = `http://127.0.0.1:${port}`;
    const keys = { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" };
    try {
      for (const { name } of Deno.readDirSync(AUSTEN)) {
        const url = `${endpoint}/models/a%20b/austen/${name}`, body = await Deno.readFile(join(AUSTEN, name));
        const signed = await new AwsV4Signer({ method: "PUT", url, body, service: "s3", region: "us-east-1", ...keys })
          .sign();
        const answer = await fetch(signed.url, { method: "PUT", headers: signed.headers, body });
        assertEquals(answer.status, 200, await answer.text());
      }
      await test(
        { AWS_ENDPOINT_URL_S3: endpoint, AWS_ACCESS_KEY_ID: "S3RVER", AWS_SECRET_ACCESS_KEY: "S3RVER" },
        endpoint,
      );
    } finally {
      await server.close();
    }
  });
}

Deno.test("a model in a bucket gives the same bytes, by signed requests whose key is written down nowhere", () =>
  withBucket(async (env) => {
    for (const method of ["wanda", "sparsegpt"]) {
      const { files, everything } = await pruned("s3://models/a b/austen", method, env);
      assertEquals(files, (await expected(method)).files);
      assert(!everything.includes("S3RVER"));
    }
    const refused = async (more: Record<string, string>, model = "s3://models/a b/austen") => {
      const { code, err } = await run(
        { ...env, ...more },
        "prune",
        model,
        "--out",
        "x",
        "--calibration",
        TOKENS,
        "--dry-run",
      );
      assertEquals([code, err.trimEnd().split("\n").length], [2, 1], err);
      return err;
    };
    assertStringIncludes(
      await refused({ AWS_ACCESS_KEY_ID: "nobody" }),
      "denied (403): it knows no such AWS_ACCESS_KEY_ID (InvalidAccessKeyId)",
    );
    assertStringIncludes(await refused({}, "s3://nobody/x"), "there is no such bucket");
    assertStringIncludes(await refused({}, "s3://models/empty"), "it has no config.json");
  }));

const nginx = await new Deno.Command("nginx", { args: ["-v"], stderr: "null" }).output().then(() => true, () => false);
Deno.test({
  name: "a model behind nginx gives the same bytes",
  ignore: !nginx,
  fn: () =>
    withFolder(async (folder) => {
      const port = (() => {
        using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
        return (listener.addr as Deno.NetAddr).port;
      })();
      const config = join(folder, "nginx.conf"), paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
      await Deno.writeTextFile(
        config,
        `daemon off; pid ${folder}/pid; error_log ${folder}/error; worker_processes 1; user root;
         events { worker_connections 64; }
         http { access_log ${folder}/access; ${paths.map((each) => `${each}_temp_path ${folder}/${each};`).join(" ")}
           server { listen 127.0.0.1:${port}; location /austen/ { alias ${AUSTEN}/; } } }`,
      );
      const server = new Deno.Command("nginx", { args: ["-c", config, "-p", folder], stdin: "null" }).spawn();
      try {
        for (let tries = 0; tries < 100; tries++) {
          const there = await fetch(`http://127.0.0.1:${port}/`).then(
            (answer) => answer.body?.cancel().then(() => true) ?? true,
            () => false,
          );
          if (there) break;
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        const { files } = await pruned(`http://127.0.0.1:${port}/austen/`, "wanda");
        assertEquals(files, (await expected("wanda")).files);
        // What nginx says that it has sent.
        const log = await Deno.readTextFile(join(folder, "access"));
        const sent = [...log.matchAll(/" 206 (\d+) /g)].reduce((sum, [, bytes]) => sum + Number(bytes), 0);
        assert(sent <= 1.02 * MODEL_BYTES, `nginx sent ${sent} bytes of ${MODEL_BYTES}`);
      } finally {
        server.kill("SIGTERM");
        await server.status;
      }
    }),
});

Deno.test("a model on the Hub, streamed, is the same plan and the same bytes as a copy of it, and comes to no cache", () =>
  withHub((hub) =>
    withFolder(async (folder) => {
      for (const { name } of Deno.readDirSync(AUSTEN)) {
        hub.put("models/o/Austen-700K", name, await Deno.readFile(join(AUSTEN, name)));
      }
      const env = { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: join(folder, "cache"), HF_TOKEN: "hf_of_the_test" };
      const streamed = await pruned("o/Austen-700K", "wanda", env, "--stream");
      assertEquals([...Deno.readDirSync(folder)], []);
      assertEquals(streamed.files, (await expected("wanda")).files);
      assert(!streamed.everything.includes("hf_of_the_test"));
      assert(hub.seen.some(({ origin, token }) => origin === "hub" && token === "Bearer hf_of_the_test"));
      assert(hub.seen.every(({ origin, token }) => origin === "hub" || token === null));
      const copied = await pruned("o/Austen-700K", "wanda", env);
      const [one, other] = [streamed, copied].map(({ manifest }) => JSON.parse(manifest));
      assertEquals([one.planId, one.plan.model], [other.planId, other.plan.model]);
    })
  ));
