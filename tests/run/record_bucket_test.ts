/** Records of runs in a bucket: as many as there are, whole when all is done, and refused before a run that could not leave its own. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { PareError } from "../../src/errors.ts";
import { fetchRecords, sendRecords, tryRecords } from "../../src/run/record_bucket.ts";
import { s3Error, withBucket } from "../checkpoint/bucket_server.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const QUICK = { wait: () => Promise.resolve() };

Deno.test("records of three pages of a listing come all, and what is no record does not", () =>
  withBucket(async (bucket, folder) => {
    const names = Array.from({ length: 2100 }, (_, at) => `${at}-x.run.jsonl`);
    for (const name of names) bucket.objects.set(`all/${name}`, { bytes: bytesOf(`of ${name}`), sha256: null });
    for (const key of ["all/notes.txt", "all/deeper/1-x.run.jsonl", "other/1-x.run.jsonl"]) {
      bucket.objects.set(key, { bytes: bytesOf("no"), sha256: null });
    }
    await fetchRecords("s3://models/all", folder);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), names.sort());
    for (const name of names) assertEquals(Deno.readTextFileSync(join(folder, name)), `of ${name}`);
    assertEquals(bucket.asked.filter(({ query }) => query.has("list-type")).length, 3);
  }));

Deno.test("a record that another process ends while it is put is there to its end", () =>
  withBucket(async (bucket, folder) => {
    const path = join(folder, "a-b.run.jsonl");
    await Deno.writeTextFile(path, "begin\n");
    let puts = 0;
    bucket.fault = ({ method }) => {
      // Its own process has put the whole of it, and this one's half comes after that.
      if (method === "PUT" && puts++ === 0) Deno.writeTextFileSync(path, "begin\nfinish\n");
      return undefined;
    };
    await sendRecords(folder, "s3://models/all");
    assertEquals([bucket.objects.get("all/a-b.run.jsonl")?.bytes, puts], [bytesOf("begin\nfinish\n"), 2]);
    await sendRecords(folder, "s3://models/all");
    assertEquals(puts, 2);
  }));

Deno.test("a bucket that takes no records is known before the run, and nothing is left by the question", () =>
  withBucket(async (bucket) => {
    const refused = async (place: string) => (await assertRejects(() => tryRecords(place, QUICK), PareError)).message;
    assertStringIncludes(await refused("s3://nobody/x"), "there is no such bucket");
    bucket.fault = ({ method }) => method === "POST" ? s3Error(403, "AccessDenied") : undefined;
    assertStringIncludes(await refused("s3://models/x"), "the credentials in use do not allow s3:PutObject");
    bucket.fault = ({ method }) => method === "HEAD" ? s3Error(403, "") : undefined;
    assertStringIncludes(await refused("s3://models/x"), "do not allow s3:GetObject (and s3:ListBucket, to be told");
    bucket.fault = () => undefined;
    Deno.env.set("AWS_SECRET_ACCESS_KEY", "another");
    assertStringIncludes(await refused("s3://models/x"), "AWS_SECRET_ACCESS_KEY is not that of the AWS_ACCESS_KEY_ID");
    Deno.env.set("AWS_SECRET_ACCESS_KEY", "s");
    await tryRecords("s3://models/x");
    assertEquals([bucket.objects.size, bucket.pending], [0, 0]);
  }));
