/**
 * Records of runs (`record_file.ts`) in a bucket. A record grows while its run is on its way, and objects do not: it is written
 * in a folder of this machine, and put into the bucket when the process that started the run ends, however the run did.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { RangeClient, type RangeOptions } from "../checkpoint/remote/client.ts";
import { findBucket, listObjects, objectUrl } from "../checkpoint/remote/s3.ts";
import { objectAt, putObject, tryPut } from "../checkpoint/remote/s3_put.ts";
import { PareError } from "../errors.ts";
import { digest } from "./digest.ts";
import { ENDING, isRecord, recordNames } from "./record_file.ts";

/** Larger records are none: a run of 405B with all its documents has a few dozen MB. */
const LARGEST = 1 << 30;

/** Whether records are kept in a bucket. @throws PareError for another place that is not on this machine. */
export function isRecordBucket(reference: string): boolean {
  if (/^s3:/i.test(reference)) return true;
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(reference)) return false;
  throw new PareError(`${reference}: expected a folder or s3://bucket/prefix`);
}

/**
 * Fetches all records under a prefix into an empty folder.
 * @throws PareError if the bucket is not there or may not be read.
 */
export async function fetchRecords(reference: string, folder: string, options: RangeOptions = {}): Promise<void> {
  const bucket = await findBucket(reference), client = new RangeClient(bucket.credentials, options);
  const records: { readonly name: string; readonly url: string; readonly bytes: number }[] = [];
  for await (const { key, bytes } of listObjects(client, reference, bucket, bucket.prefix, "/")) {
    const name = key.slice(bucket.prefix.length), url = objectUrl(bucket, key);
    if (!isRecord(name) || bytes === 0) continue;
    if (bytes > LARGEST) throw new PareError(`${url}: ${bytes} bytes; expected a run's record`);
    records.push({ name, url, bytes });
  }
  await Promise.all(records.map(async ({ name, url, bytes }) => {
    const found = await client.read(url, 0, bytes);
    if (found) await Deno.writeFile(join(folder, name), found.bytes);
  }));
}

/**
 * Sees whether records may be written to a bucket, before hours of work that they are of; nothing is left there.
 * @throws PareError if the bucket is not there, or does not take them.
 */
export async function tryRecords(reference: string, options: RangeOptions = {}): Promise<void> {
  const bucket = await findBucket(reference), client = new RangeClient(bucket.credentials, options);
  const url = objectUrl(bucket, `${bucket.prefix}none${ENDING}`);
  await tryPut(client, url);
  await objectAt(client, url);
}

/**
 * Puts the records of a folder into a bucket, those that are not there as they are. One that grows meanwhile is another
 * process's; it is put again, so that what comes last is not the half that was read before its end.
 * @throws PareError if the bucket does not take them.
 */
export async function sendRecords(folder: string, reference: string, options: RangeOptions = {}): Promise<void> {
  const bucket = await findBucket(reference), client = new RangeClient(bucket.credentials, options);
  await Promise.all(
    recordNames(folder).map(async (name) => {
      const url = objectUrl(bucket, bucket.prefix + name);
      for (let there = (await objectAt(client, url))?.sha256;;) {
        const body = new Uint8Array(await readFile(join(folder, name))), sha256 = digest(body);
        if (there === sha256) return;
        const read = (offset: number, length: number) => body.subarray(offset, offset + length);
        await putObject(client, url, { bytes: body.length, sha256, read });
        there = sha256;
      }
    }),
  );
}
