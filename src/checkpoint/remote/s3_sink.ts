/**
 * A bucket as a {@linkcode Sink}: shards as they are finished, in parts, then what stands beside them, the index, and
 * config.json the last. An object appears when all of it is there, so a run that is killed leaves whole shards and no model; the
 * next one knows them by the SHA-256 that each carries (`x-amz-meta-sha256`) and sends the others.
 */
import { open } from "node:fs/promises";
import { join } from "node:path";
import { PareError } from "../../errors.ts";
import { OWN_FILE } from "../disk.ts";
import { digestAll, readAll } from "../handle.ts";
import { INDEX } from "../side_files.ts";
import { RangeClient } from "./client.ts";
import { type Bucket, findBucket, listBucket, objectUrl } from "./s3.ts";
import { deleteObject, objectAt, putObject, tryPut } from "./s3_put.ts";
import { MANIFEST } from "../owned.ts";
import { CONFIG, refuseOccupied, type Sink, type SinkOptions, type SunkFile, type Target } from "./sink.ts";

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
    const known = await objectAt(client, url);
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
    await tryPut(this.client, this.#url(CONFIG));
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
    await deleteObject(this.client, this.#url(name));
    this.there.delete(name);
  }

  async #send(name: string): Promise<void> {
    if (this.#sent.has(name)) return;
    this.options.signal?.throwIfAborted();
    await using file = await open(join(this.options.directory, name), OWN_FILE);
    const { bytes, sha256 } = await digestAll(file), url = this.#url(name);
    const before = this.there.has(name) ? await objectAt(this.client, url) : undefined;
    const same = before?.bytes === bytes && before.sha256 === sha256;
    if (!same) {
      const read = (offset: number, length: number) => readAll(file, offset, length);
      await putObject(this.client, url, { bytes, sha256, read }, this.options.signal);
      this.there.set(name, true);
    }
    this.#sent.add(name);
    this.options.onSent?.(name, same ? "there" : "sent");
  }

  #url(name: string): string {
    return objectUrl(this.bucket, this.bucket.prefix + name);
  }
}
