/** Checkpoints that go to a bucket as they are made: what is sent, when, how often, and what is there when it fails. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { openTarget } from "../../src/checkpoint/remote/target.ts";
import type { SinkOptions } from "../../src/checkpoint/remote/sink.ts";
import { createWriter, type WriterOptions } from "../../src/checkpoint/writer.ts";
import { PareError } from "../../src/errors.ts";
import { type AskedOfBucket, type BucketFault, type BucketServer, s3Error, withBucket } from "./bucket_server.ts";
import { snapshot } from "./folders.ts";
import { safetensorsFile } from "./safetensors_file.ts";

/** A model of three shards, the first block in the second, the second block in the third, the head of `width` in the first. */
function shardedModel(folder: string, width = 8): string {
  const path = `${folder}/model`, weight = (at: number) => `model.layers.${at}.weight`;
  Deno.mkdirSync(path);
  const names = ["head.weight", weight(0), weight(1)], map: Record<string, string> = {};
  for (const [at, name] of names.entries()) {
    const columns = at ? 8 : width;
    const shard = map[name] = `model-0000${at + 1}-of-00003.safetensors`, bytes = 4 * columns;
    const data = new Uint8Array(Float32Array.from({ length: columns }, (_, i) => i % 251 + at).buffer);
    const header = { [name]: { dtype: "F32", shape: [columns], data_offsets: [0, bytes] } };
    Deno.writeFileSync(`${path}/${shard}`, safetensorsFile(header, data));
  }
  Deno.writeTextFileSync(`${path}/config.json`, "{}");
  Deno.writeTextFileSync(`${path}/model.safetensors.index.json`, JSON.stringify({ weight_map: map }));
  return path;
}

const WEIGHTS = ["model.layers.0.weight", "model.layers.1.weight"];
const OWN = { "pare_manifest.json": '{"planId":"a","outputs":[]}' };

/** Waits for nothing: what a test asks again comes at once. */
const QUICK = { wait: () => Promise.resolve(), random: () => 0.5 };

/** Writes a model whose blocks become zeros to `s3://models/a b`; `after` is told of every step. */
async function write(
  folder: string,
  options: Partial<SinkOptions & WriterOptions> = {},
  after: (step: number) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const out = `${folder}/out`;
  const target = await openTarget("s3://models/a b", {
    ...QUICK,
    ...options,
    directory: `${folder}/.out.partial/model`,
  });
  await using checkpoint = await openDirectory(`${folder}/model`);
  await using writer = await createWriter(checkpoint, out, {
    sink: target.sink,
    coming: new Set(WEIGHTS),
    plan: "a",
    ...options,
  });
  for (const [at, name] of WEIGHTS.entries()) {
    if (writer.steps.length > at) continue;
    await writer.write(name, new Uint8Array(checkpoint.tensors.get(name)!.bytes));
    writer.step({ at });
    await after(at);
  }
  await writer.finish(OWN);
}

/** The same on this disk: names and bytes. */
async function expected(folder: string): Promise<[string, Uint8Array][]> {
  await using checkpoint = await openDirectory(`${folder}/model`);
  await using writer = await createWriter(checkpoint, `${folder}/local`);
  for (const name of WEIGHTS) await writer.write(name, new Uint8Array(checkpoint.tensors.get(name)!.bytes));
  await writer.finish(OWN);
  return snapshot(`${folder}/local`);
}

const found = ({ objects }: BucketServer): [string, Uint8Array][] =>
  [...objects].sort(([a], [b]) => a < b ? -1 : 1).map(([key, { bytes }]) => [key.slice("a b/".length), bytes]);

const until = async (holds: () => boolean) => {
  for (let tries = 0; !holds(); tries++) {
    assert(tries < 1000, "it does not come");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

Deno.test("shards go as they are finished, what makes it a model last, and the bytes are those of a directory", () =>
  withBucket(async (bucket, folder) => {
    shardedModel(folder);
    const shard = (at: number) => `a b/model-0000${at}-of-00003.safetensors`;
    await write(folder, {}, (step) => until(() => bucket.objects.has(shard(step + 2))));
    assertEquals(found(bucket), await expected(folder));
    // That nothing of the first shard is to come is known before the first step.
    assertEquals(bucket.writes(), [
      ...[1, 2, 3].map((at) => `PUT ${shard(at)}`),
      ...["pare_manifest.json", "model.safetensors.index.json", "config.json"].map((name) => `PUT a b/${name}`),
    ]);
    assertEquals([bucket.pending, [...Deno.readDirSync(folder)].map(({ name }) => name).sort()], [
      0,
      ["local", "model"],
    ]);
  }));

Deno.test("a file of several parts is the same file, whatever happens to its requests", () =>
  withBucket(async (bucket, folder) => {
    shardedModel(folder, 9 << 20); // 36 MiB: three parts
    const faults: [(asked: AskedOfBucket) => boolean, () => BucketFault][] = [
      [({ query }) => query.get("partNumber") === "2", () => s3Error(503, "SlowDown")],
      [({ query }) => query.get("partNumber") === "2", () => "cut"],
      [({ query }) => query.get("partNumber") === "3", () => s3Error(500, "InternalError")],
      [({ method, key }) => method === "PUT" && key.endsWith("config.json"), () => "cut"],
      [({ method, query }) => method === "POST" && query.has("uploadId"), () => s3Error(503, "SlowDown")],
    ];
    let count = 0;
    bucket.fault = (asked) => {
      const at = faults.findIndex(([hits]) => hits(asked));
      if (at < 0) return undefined;
      count++;
      return faults.splice(at, 1)[0][1]();
    };
    await write(folder);
    assertEquals([count, faults.length], [5, 0]);
    assertEquals(found(bucket), await expected(folder));
    assertEquals(bucket.pending, 0);
  }));

Deno.test("what does not come to its end leaves no model, and what is there by its hash is not sent again", () =>
  withBucket(async (bucket, folder) => {
    shardedModel(folder);
    bucket.fault = ({ method, key }) =>
      method === "PUT" && key.endsWith("index.json") ? s3Error(403, "AccessDenied") : undefined;
    const error = await assertRejects(() => write(folder), PareError);
    assertStringIncludes(error.message, "index.json: denied (403)");
    assertStringIncludes(
      error.message,
      "do not allow s3:PutObject (AccessDenied); --resume goes on with 2 finished steps",
    );
    assert(![...bucket.objects.keys()].some((key) => key.endsWith("config.json")));
    bucket.fault = () => undefined;
    const before = bucket.writes().length, told: string[] = [];
    await write(folder, { resume: true, onSent: (name, was) => told.push(`${name} ${was}`) });
    assertEquals(bucket.writes().slice(before), [
      // It is no manifest of a model that is being replaced.
      "DELETE a b/pare_manifest.json",
      ...["pare_manifest.json", "model.safetensors.index.json", "config.json"].map((name) => `PUT a b/${name}`),
    ]);
    assertEquals(
      told.filter((each) => each.endsWith("there")),
      [1, 2, 3].map((at) => `model-0000${at}-of-00003.safetensors there`),
    );
    assertEquals(found(bucket), await expected(folder));
  }));

Deno.test("what is replaced is no model any more before its first shard is another, and loses what it had beside", () =>
  withBucket(async (bucket, folder) => {
    shardedModel(folder);
    await write(folder);
    bucket.objects.set("a b/old.safetensors", { bytes: new Uint8Array(1), sha256: "0" });
    bucket.objects.set("a b/notes.txt", { bytes: new Uint8Array(1), sha256: null });
    const before = bucket.writes().length;
    bucket.objects.delete("a b/model-00002-of-00003.safetensors");
    await write(folder, { force: true });
    const writes = bucket.writes().slice(before);
    assertEquals(writes.slice(0, 3).sort(), [
      "DELETE a b/config.json",
      "DELETE a b/model.safetensors.index.json",
      "DELETE a b/pare_manifest.json",
    ]);
    assertEquals(writes.filter((each) => each.includes("-of-")), ["PUT a b/model-00002-of-00003.safetensors"]);
    assertEquals(writes.at(-1), "DELETE a b/old.safetensors");
    assert(bucket.objects.has("a b/notes.txt"));
  }));

Deno.test("what cannot be written to is refused before anything is computed, in words that say what to do", () =>
  withBucket(async (bucket, folder) => {
    const refused = async (reference = "s3://models/a b", force = false) => {
      const { message } = await assertRejects(
        () => openTarget(reference, { ...QUICK, directory: folder, force }),
        PareError,
      );
      return message;
    };
    assertStringIncludes(await refused("s3://nobody/x"), "there is no such bucket");
    assertStringIncludes(await refused("gs://bucket/x"), "expected a directory, s3://bucket/prefix or hf://");
    assertStringIncludes(await refused("s3://B/x"), "expected s3://bucket/prefix");
    bucket.fault = ({ query }) => query.has("uploads") ? s3Error(403, "AccessDenied") : undefined;
    assertStringIncludes(await refused(), "denied (403): the credentials in use do not allow s3:PutObject");
    bucket.fault = ({ query }) => query.has("list-type") ? s3Error(403, "AccessDenied") : undefined;
    assertStringIncludes(await refused(), "s3:ListBucket");
    bucket.fault = () => s3Error(403, "RequestTimeTooSkewed", { Date: "Thu, 01 Jan 1970 00:00:00 GMT" });
    assertStringIncludes(await refused(), "its clock says Thu, 01 Jan 1970 00:00:00 GMT, this machine's ");
    bucket.fault = () => s3Error(301, "PermanentRedirect", { "x-amz-bucket-region": "eu-west-1" });
    assertStringIncludes(await refused(), "the bucket is in eu-west-1: set AWS_REGION=eu-west-1");
    bucket.fault = () => undefined;
    bucket.objects.set("a b/model.safetensors", { bytes: new Uint8Array(1), sha256: null });
    assertStringIncludes(await refused(undefined, true), "holds model.safetensors, which is not Pare's");
    for (const name of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]) Deno.env.delete(name);
    assertStringIncludes(await refused(), "no AWS credentials were found, and to write needs them");
    assertEquals(bucket.writes(), []);
  }));

Deno.test("a tensor that comes after its shard has gone is a bug", () =>
  withBucket(async (_bucket, folder) => {
    shardedModel(folder);
    const target = await openTarget("s3://models/x", { directory: `${folder}/.out.partial/model` });
    await using checkpoint = await openDirectory(`${folder}/model`);
    await using writer = await createWriter(checkpoint, `${folder}/out`, { sink: target.sink, coming: new Set() });
    await assertRejects(
      () => writer.write("head.weight", new Uint8Array(32)),
      RangeError,
      "was sent already: head.weight was not to come",
    );
  }));
