/**
 * Records of runs (`record_file.ts`) in a bucket. A record grows while its run is on its way, and objects do not: it is written
 * in a folder of this machine, and put into the bucket when the process that started the run ends, however the run did.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { RangeClient, type RangeOptions } from "../checkpoint/remote/client.ts";
import { findBucket, listBucket, objectUrl } from "../checkpoint/remote/s3.ts";
import { objectAt, putObject } from "../checkpoint/remote/s3_put.ts";
import { PareError } from "../errors.ts";
import { digest } from "./digest.ts";
import { isRecord, recordNames } from "./record_file.ts";

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
  const bucket = await findBucket(reference), { files } = await listBucket(reference, bucket, options);
  const client = new RangeClient(bucket.credentials, options);
  await Promise.all(
    files.filter(({ name }) => isRecord(name)).map(async ({ name, url, ...version }) => {
      if (version.bytes > LARGEST) throw new PareError(`${url}: ${version.bytes} bytes; expected a run's record`);
      const found = version.bytes ? await client.read(url, 0, version.bytes) : undefined;
      if (found) await Deno.writeFile(join(folder, name), found.bytes);
    }),
  );
}

/**
 * Puts the records of a folder into a bucket, those that are not there as they are.
 * @throws PareError if the bucket does not take them.
 */
export async function sendRecords(folder: string, reference: string, options: RangeOptions = {}): Promise<void> {
  const bucket = await findBucket(reference), client = new RangeClient(bucket.credentials, options);
  await Promise.all(
    recordNames(folder).map(async (name) => {
      const url = objectUrl(bucket, bucket.prefix + name), body = new Uint8Array(await readFile(join(folder, name)));
      const sha256 = digest(body);
      if ((await objectAt(client, url))?.sha256 === sha256) return;
      const read = (offset: number, length: number) => body.subarray(offset, offset + length);
      await putObject(client, url, { bytes: body.length, sha256, read });
    }),
  );
}
