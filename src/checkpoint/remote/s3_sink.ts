/**
 * A bucket as a {@linkcode Sink}: shards as they are finished, in parts, then what stands beside them, the index, and
 * config.json the last. An object appears when all of it is there, so a run that is killed leaves whole shards and no model; the
 * next one knows them by the SHA-256 that each carries (`x-amz-meta-sha256`) and sends the others.
 */
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { PareError } from "../../errors.ts";
import { OWN_FILE } from "../disk.ts";
import { digestAll, readAll } from "../handle.ts";
import { sha256 } from "../sha256.ts";
import { INDEX } from "../side_files.ts";
import { RangeClient } from "./client.ts";
import { type Bucket, findBucket, listBucket, objectUrl } from "./s3.ts";
import { MANIFEST } from "../owned.ts";
import { CONFIG, refuseOccupied, type Sink, type SinkOptions, type SunkFile, type Target } from "./sink.ts";

/** Bytes of a part: S3 takes no smaller ones than 5 MiB, and keeping one for each request that is under way is little memory. */
const PART = 16 << 20;

/** Parts of an object at most, by S3's rules. */
const MOST_PARTS = 10_000;

/** Parts of a file that are under way at once. */
const AT_ONCE = 4;

/** What must be allowed, in the words of AWS's policies. */
const PUT = "s3:PutObject", ABORT = "s3:AbortMultipartUpload", DELETE = "s3:DeleteObject", GET = "s3:GetObject";

/**
 * Looks at a place in a bucket, and whether it may be written to; nothing is left there by that.
 * @param reference `s3://bucket/prefix`.
 * @throws PareError if there is no such bucket, something is not allowed, or what lies there may not be replaced.
 */
export async function openBucket(reference: string, options: SinkOptions): Promise<Target> {
  const path = reference.replace(/\/+$/, ""), bucket = await findBucket(path);
  if (bucket.credentials.kind === "none") {
    throw new PareError(
      `${path}: no AWS credentials were found, and to write needs them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile`,
    );
  }
  const client = new RangeClient(bucket.credentials, options);
  const { files: listed } = await listBucket(path, bucket, options);
  const files = await Promise.all(listed.map(async ({ name, bytes, url }): Promise<SunkFile> => {
    const known = await stored(client, url);
    return { name, bytes, ...known?.sha256 !== undefined && { sha256: known.sha256 } };
  }));
  refuseOccupied(path, files, ({ sha256 }) => sha256 !== undefined, options.force ?? false);
  const there = new Map(files.map(({ name, sha256 }) => [name, sha256 !== undefined]));
  const sink = new BucketSink(path, bucket, client, there, options);
  await sink.tryWriting();
  const found = listed.find(({ name }) => name === MANIFEST);
  const read = found && await client.read(found.url, 0, found.bytes);
  return { sink, files, ...read && { manifest: new TextDecoder().decode(read.bytes) } };
}

/** What an object is known by; undefined if there is none. */
async function stored(client: RangeClient, url: string): Promise<{ sha256?: string; bytes: number } | undefined> {
  const { status, headers } = await client.send(url, { method: "HEAD", permission: GET });
  if (status === 404) return undefined;
  const sha256 = headers.get("x-amz-meta-sha256") ?? undefined;
  return { bytes: Number(headers.get("Content-Length")), ...sha256 !== undefined && { sha256 } };
}

/** See the file's head. */
class BucketSink implements Sink {
  #cleared = false;
  /** What this process has sent, or found to be there. */
  readonly #sent = new Set<string>();

  constructor(
    readonly path: string,
    private readonly bucket: Bucket,
    private readonly client: RangeClient,
    /** What lies there, and whether Pare wrote it. */
    private readonly there: Map<string, boolean>,
    private readonly options: SinkOptions,
  ) {}

  /** @throws PareError if nothing may be written: that is to be known before hours of work. */
  async tryWriting(): Promise<void> {
    const url = this.#url(CONFIG);
    await this.#abort(url, await this.#begin(url, {}));
  }

  async send(name: string): Promise<void> {
    await this.#clear();
    await this.#send(name);
  }

  async commit(names: readonly string[]): Promise<void> {
    await this.#clear();
    const late = [MANIFEST, INDEX, CONFIG], early = names.filter((name) => !late.includes(name));
    for (const name of [...early, ...late.filter((name) => names.includes(name))]) await this.#send(name);
    for (const [name, own] of this.there) if (own && !names.includes(name)) await this.#delete(name);
  }

  /** What is replaced is no model from here on. */
  async #clear(): Promise<void> {
    if (this.#cleared) return;
    for (const name of [CONFIG, INDEX, MANIFEST]) if (this.there.has(name)) await this.#delete(name);
    this.#cleared = true;
  }

  async #delete(name: string): Promise<void> {
    await this.client.send(this.#url(name), { method: "DELETE", permission: DELETE });
    this.there.delete(name);
  }

  async #send(name: string): Promise<void> {
    if (this.#sent.has(name)) return;
    this.options.signal?.throwIfAborted();
    await using file = await open(join(this.options.directory, name), OWN_FILE);
    const { bytes, sha256 } = await digestAll(file), url = this.#url(name);
    const before = this.there.has(name) ? await stored(this.client, url) : undefined;
    const same = before?.bytes === bytes && before.sha256 === sha256;
    if (!same) {
      const headers = { "x-amz-meta-sha256": sha256 };
      if (bytes <= PART) await this.#put(url, await readAll(file, 0, bytes), headers);
      else await this.#putParts(url, file, bytes, headers);
      this.there.set(name, true);
    }
    this.#sent.add(name);
    this.options.onSent?.(name, same ? "there" : "sent");
  }

  async #put(url: string, body: Uint8Array<ArrayBuffer>, more: Record<string, string> = {}): Promise<Headers> {
    const headers = { ...more, "x-amz-content-sha256": sha256(body) };
    const { status, headers: answer } = await this.client.send(url, { method: "PUT", body, headers, permission: PUT });
    if (status === 404) throw new PareError(`cannot write ${url}: it is gone (404)`);
    return answer;
  }

  async #putParts(url: string, file: FileHandle, bytes: number, headers: Record<string, string>): Promise<void> {
    const upload = await this.#begin(url, headers), size = Math.max(PART, Math.ceil(bytes / MOST_PARTS));
    const todo = Array.from({ length: Math.ceil(bytes / size) }, (_, at) => at), etags: string[] = [];
    try {
      const work = async () => {
        for (let at = todo.shift(); at !== undefined; at = todo.shift()) {
          this.options.signal?.throwIfAborted();
          const part = await readAll(file, at * size, Math.min(size, bytes - at * size));
          const answer = await this.#put(`${url}?partNumber=${at + 1}&uploadId=${encodeURIComponent(upload)}`, part);
          etags[at] = answer.get("ETag") ?? "";
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      await this.#complete(url, upload, etags, headers["x-amz-meta-sha256"]);
    } catch (error) {
      todo.length = 0;
      // Whatever became of it, why it ended is the news.
      await this.#abort(url, upload).catch((_error) => {});
      throw error;
    }
  }

  async #begin(url: string, headers: Record<string, string>): Promise<string> {
    const { text } = await this.client.send(`${url}?uploads=`, { method: "POST", headers, permission: PUT });
    const [, upload] = /<UploadId>([^<]+)<\/UploadId>/.exec(text) ?? [];
    if (upload === undefined) throw new PareError(`cannot write ${url}: the server does not answer as S3 does`);
    return upload;
  }

  async #complete(url: string, upload: string, etags: readonly string[], sha256: string): Promise<void> {
    const parts = etags.map((etag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
    const body = new TextEncoder().encode(`<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`);
    const address = `${url}?uploadId=${encodeURIComponent(upload)}`;
    const { text } = await this.client.send(address, { method: "POST", body, permission: PUT });
    // It may fail after it has answered that all is well; and a second try finds no upload where the first one's answer was lost.
    if (/<CompleteMultipartUploadResult[\s>]/.test(text) || (await stored(this.client, url))?.sha256 === sha256) return;
    const [, code = "no result"] = /<Code>(\w+)<\/Code>/.exec(text) ?? [];
    throw new PareError(`cannot write ${url}: its parts were not put together: ${code}`);
  }

  async #abort(url: string, upload: string): Promise<void> {
    const address = `${url}?uploadId=${encodeURIComponent(upload)}`;
    try {
      await this.client.send(address, { method: "DELETE", permission: ABORT });
    } catch (error) {
      // A store that does not know how to (s3rver) is left with the parts; S3 itself is not.
      if (!(error instanceof PareError) || !/answered (405|501)/.test(error.message)) throw error;
    }
  }

  #url(name: string): string {
    return objectUrl(this.bucket, this.bucket.prefix + name);
  }
}
