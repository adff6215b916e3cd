/** Objects of a bucket, written: at once, or in parts where they are large; there when all of it is, or not at all. */
import { PareError } from "../../errors.ts";
import { sha256 } from "../sha256.ts";
import type { RangeClient } from "./client.ts";

/** Bytes of a part: S3 takes no smaller ones than 5 MiB, and keeping one for each request that is under way is little memory. */
const PART = 16 << 20;

/** Parts of an object at most, by S3's rules. */
const MOST_PARTS = 10_000;

/** Parts that are under way at once. */
const AT_ONCE = 4;

/** What must be allowed, in the words of AWS's policies. */
const PUT = "s3:PutObject", ABORT = "s3:AbortMultipartUpload";
/** S3 denies what is not there to whoever may not list the bucket. */
const LOOK = "s3:GetObject (and s3:ListBucket, to be told what is not there)";

/** The header that tells an object's SHA-256. */
export const SHA256_HEADER = "x-amz-meta-sha256";

/** What is written. */
export interface Content {
  readonly bytes: number;
  /** Of all of it. */
  readonly sha256: string;
  /** A range of it. */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> | Uint8Array<ArrayBuffer>;
}

/** What an object is known by; undefined if there is none. @throws PareError if it may not be looked at. */
export async function objectAt(
  client: RangeClient,
  url: string,
): Promise<{ readonly bytes: number; readonly sha256?: string } | undefined> {
  const { status, headers } = await client.send(url, { method: "HEAD", permission: LOOK });
  if (status === 404) return undefined;
  const sha256 = headers.get(SHA256_HEADER) ?? undefined;
  return { bytes: Number(headers.get("Content-Length")), ...sha256 !== undefined && { sha256 } };
}

/**
 * Writes an object, which tells its SHA-256 from then on.
 * @param signal Ends it between two parts.
 * @throws PareError if the bucket does not take it; then it is not there.
 */
export async function putObject(
  client: RangeClient,
  url: string,
  content: Content,
  signal?: AbortSignal,
): Promise<void> {
  const { bytes } = content, headers = { [SHA256_HEADER]: content.sha256 };
  if (bytes <= PART) return void await put(client, url, await content.read(0, bytes), headers);
  const upload = await beginUpload(client, url, headers), size = Math.max(PART, Math.ceil(bytes / MOST_PARTS));
  const todo = Array.from({ length: Math.ceil(bytes / size) }, (_, at) => at), etags: string[] = [];
  try {
    const work = async () => {
      for (let at = todo.shift(); at !== undefined; at = todo.shift()) {
        signal?.throwIfAborted();
        const part = await content.read(at * size, Math.min(size, bytes - at * size));
        const answer = await put(client, `${url}?partNumber=${at + 1}&uploadId=${encodeURIComponent(upload)}`, part);
        etags[at] = answer.get("ETag") ?? "";
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    await complete(client, url, upload, etags, content.sha256);
  } catch (error) {
    todo.length = 0;
    // Whatever became of it, why it ended is the news.
    await abortUpload(client, url, upload).catch((_error) => {});
    throw error;
  }
}

async function put(
  client: RangeClient,
  url: string,
  body: Uint8Array<ArrayBuffer>,
  more: Readonly<Record<string, string>> = {},
): Promise<Headers> {
  const headers = { ...more, "x-amz-content-sha256": sha256(body) };
  const { status, headers: answer } = await client.send(url, { method: "PUT", body, headers, permission: PUT });
  if (status === 404) throw new PareError(`cannot write ${url}: its bucket or its upload is gone (404)`);
  return answer;
}

/**
 * Sees whether an object may be written, and leaves nothing there.
 * @throws PareError if not.
 */
export async function tryPut(client: RangeClient, url: string): Promise<void> {
  await abortUpload(client, url, await beginUpload(client, url));
}

/** Begins an object of several parts. @returns What the upload is called. @throws PareError if that is not allowed. */
async function beginUpload(
  client: RangeClient,
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { status, text } = await client.send(`${url}?uploads=`, { method: "POST", headers, permission: PUT });
  if (status === 404) throw new PareError(`cannot write ${url}: there is no such bucket`);
  const [, upload] = /<UploadId>([^<]+)<\/UploadId>/.exec(text) ?? [];
  if (upload === undefined) throw new PareError(`cannot write ${url}: the server does not answer as S3 does`);
  return upload;
}

async function complete(
  client: RangeClient,
  url: string,
  upload: string,
  etags: readonly string[],
  sha256: string,
): Promise<void> {
  const parts = etags.map((etag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
  const body = new TextEncoder().encode(`<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`);
  const address = `${url}?uploadId=${encodeURIComponent(upload)}`;
  const { text } = await client.send(address, { method: "POST", body, permission: PUT });
  // It may fail after it has answered that all is well; and a second try finds no upload where the first one's answer was lost.
  if (/<CompleteMultipartUploadResult[\s>]/.test(text) || (await objectAt(client, url))?.sha256 === sha256) return;
  const [, code = "no result"] = /<Code>(\w+)<\/Code>/.exec(text) ?? [];
  throw new PareError(`cannot write ${url}: its parts were not put together: ${code}`);
}

/** Gives an upload up. @throws PareError if that is not allowed. */
async function abortUpload(client: RangeClient, url: string, upload: string): Promise<void> {
  const address = `${url}?uploadId=${encodeURIComponent(upload)}`;
  try {
    await client.send(address, { method: "DELETE", permission: ABORT });
  } catch (error) {
    // A store that does not know how to (s3rver) is left with the parts; S3 itself is not.
    if (!(error instanceof PareError) || !/answered (405|501)/.test(error.message)) throw error;
  }
}

/** Removes an object, if it is there. @throws PareError if that is not allowed. */
export async function deleteObject(client: RangeClient, url: string): Promise<void> {
  await client.send(url, { method: "DELETE", permission: "s3:DeleteObject" });
}
