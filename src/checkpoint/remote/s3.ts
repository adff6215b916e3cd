/**
 * Buckets: `s3://bucket/prefix` as addresses, who may read them by the chain that AWS's own tools use (variables, then profile
 * files), and what lies in them. Any store that speaks S3 will do, by `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`.
 * Credentials that a machine's own service hands out (IMDS, ECS, SSO) are not asked for.
 */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { insteadOf, PareError, UNSEEN } from "../../errors.ts";
import { hostOf, RangeClient, type RangeOptions } from "./client.ts";
import type { Credentials, RemoteFile, RemoteModel } from "./model.ts";

/** Bytes of a page of a listing at most: a thousand keys of 1 KiB each, and what stands around them. */
const LONGEST_PAGE = 8 << 20;

/** Files of a model's folder at most; a prefix of a whole bucket would be listed for hours. */
const MOST_FILES = 10_000;

/** A bucket's name, by AWS's rules. */
const BUCKET = /^(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/** A variable of the environment. */
type Variable = (name: string) => string | undefined;

/** A place in a bucket. */
export interface Bucket {
  /** The bucket's own address, with a slash at its end. */
  readonly base: string;
  /** Keys begin with it; empty or with a slash at its end. */
  readonly prefix: string;
  /** What opens it. */
  readonly credentials: Credentials;
}

/**
 * Finds a bucket's address and the credentials for it; nothing is asked of the network.
 * @throws PareError if it is no `s3://bucket/prefix`, or the profile that was named is not there.
 */
export async function findBucket(
  reference: string,
  variable: Variable = (name) => Deno.env.get(name),
): Promise<Bucket> {
  const [, bucket = "", rest = ""] = /^s3:\/\/([^/]*)\/?(.*)$/s.exec(reference) ?? [];
  if (!BUCKET.test(bucket)) throw new PareError(`${reference}: expected s3://bucket/prefix`);
  const prefix = rest.replace(/\/+$/, "");
  const profile = await readProfile(variable);
  const setting = (name: string, key: string) => variable(name) || profile.get(key) || undefined;
  const region = setting("AWS_REGION", "region") ?? variable("AWS_DEFAULT_REGION") ?? "us-east-1";
  const endpoint = setting("AWS_ENDPOINT_URL_S3", "endpoint_url") ?? variable("AWS_ENDPOINT_URL");
  if (endpoint !== undefined && !/^https?:\/\/[^/]/i.test(endpoint)) {
    throw new PareError(`AWS_ENDPOINT_URL: expected an address such as https://s3.example.org, found ${endpoint}`);
  }
  const base = endpoint !== undefined
    ? `${endpoint.replace(/\/+$/, "")}/${bucket}/`
    : bucket.includes(".")
    ? `https://s3.${region}.amazonaws.com/${bucket}/` // a dot in its name fits no certificate
    : `https://${bucket}.s3.${region}.amazonaws.com/`;
  // One that is set in the environment goes before all profiles, as a whole.
  const own = variable("AWS_ACCESS_KEY_ID") !== undefined;
  const secret = (name: string) => (own ? variable(name) : profile.get(name.toLowerCase())) || undefined;
  const accessKeyId = secret("AWS_ACCESS_KEY_ID"), secretAccessKey = secret("AWS_SECRET_ACCESS_KEY");
  const sessionToken = secret("AWS_SESSION_TOKEN");
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
    throw new PareError(
      "AWS credentials: expected both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, found one of them",
    );
  }
  return {
    base,
    prefix: prefix && `${prefix}/`,
    credentials: accessKeyId !== undefined && secretAccessKey !== undefined
      ? {
        kind: "s3",
        origin: new URL(base).origin,
        region,
        accessKeyId,
        secretAccessKey,
        ...sessionToken !== undefined && { sessionToken },
      }
      : { kind: "none" },
  };
}

/**
 * The settings of the profile in use, of both of AWS's files.
 * @throws PareError if one is named that neither has.
 */
async function readProfile(variable: Variable): Promise<Map<string, string>> {
  const named = variable("AWS_PROFILE") || undefined, name = named ?? "default", folder = join(homedir(), ".aws");
  const found = new Map<string, string>();
  let there = false;
  for (
    const [path, section] of [
      [variable("AWS_CONFIG_FILE") ?? join(folder, "config"), name === "default" ? name : `profile ${name}`],
      [variable("AWS_SHARED_CREDENTIALS_FILE") ?? join(folder, "credentials"), name],
    ]
  ) {
    const text = await readFile(path, "utf8").catch(insteadOf(UNSEEN, ""));
    let inside = false;
    for (const line of text.split(/\r?\n/)) {
      const [, head] = /^\s*\[\s*(.+?)\s*\]/.exec(line) ?? [];
      if (head !== undefined) inside = head === section;
      there ||= inside;
      // An indented line belongs to a nested setting.
      const [, key, value] = /^([\w-]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
      if (inside && key !== undefined) found.set(key.toLowerCase(), value);
    }
  }
  if (named !== undefined && !there) {
    throw new PareError(`AWS_PROFILE ${named}: neither AWS file has a profile of that name`);
  }
  return found;
}

/** The address of an object. */
export function objectUrl({ base }: Bucket, key: string): string {
  return base + key.split("/").map(encodeURIComponent).join("/");
}

/**
 * What lies right under a prefix.
 * @throws PareError if the bucket is not there or may not be listed.
 */
export async function listBucket(reference: string, bucket: Bucket, options?: RangeOptions): Promise<RemoteModel> {
  const client = new RangeClient(bucket.credentials, options), files: RemoteFile[] = [];
  for await (const { key, bytes, etag } of listObjects(client, reference, bucket, bucket.prefix, "/")) {
    const name = key.slice(bucket.prefix.length);
    if (!name || name.includes("/")) continue;
    files.push({ name, url: objectUrl(bucket, key), bytes, ...etag !== undefined && { etag } });
    if (files.length > MOST_FILES) {
      throw new PareError(`${reference}: more than ${MOST_FILES} files; expected a model's folder`);
    }
  }
  return { path: reference, files, hosts: [...client.answered], credentials: bucket.credentials };
}

/** An object of a listing. */
export interface ListedObject {
  readonly key: string;
  readonly bytes: number;
  readonly etag?: string;
}

/**
 * All objects whose keys begin so.
 * @param delimiter Keys that have it later are left out.
 * @throws PareError if the bucket is not there or may not be listed.
 */
export async function* listObjects(
  client: RangeClient,
  reference: string,
  bucket: Bucket,
  prefix: string,
  delimiter?: string,
): AsyncGenerator<ListedObject> {
  for (let token: string | undefined = ""; token !== undefined;) {
    const query = new URLSearchParams({ "list-type": "2", "encoding-type": "url", prefix });
    if (delimiter !== undefined) query.set("delimiter", delimiter);
    if (token) query.set("continuation-token", token);
    // As it is signed: a space is %20.
    const text = await client.text(`${bucket.base}?${query.toString().replaceAll("+", "%20")}`, LONGEST_PAGE);
    if (elements(text, "Code")[0] === "NoSuchBucket") {
      throw new PareError(`${reference}: there is no such bucket at ${hostOf(bucket.base)}`);
    }
    if (!/<ListBucketResult[\s>]/.test(text)) {
      throw new PareError(`${reference}: ${hostOf(bucket.base)} does not answer as S3 does; is the bucket there?`);
    }
    // Not every store knows how to encode keys: it says so where it does.
    const encoded = elements(text, "EncodingType")[0] === "url";
    for (const object of elements(text, "Contents")) {
      const [key = "", size = "", etag] = ["Key", "Size", "ETag"].map((name) => elements(object, name)[0]);
      if (!/^\d+$/.test(size)) continue;
      yield { key: encoded ? decodeKey(key) : key, bytes: Number(size), ...etag !== undefined && { etag } };
    }
    const before: string = token, truncated = elements(text, "IsTruncated")[0] === "true";
    token = truncated ? elements(text, "NextContinuationToken")[0] ?? "" : undefined;
    if (truncated && (token === "" || token === before)) {
      throw new PareError(`${reference}: ${hostOf(bucket.base)} ends its listing in the middle`);
    }
  }
}

/** A key as it is encoded in a listing. */
function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll("+", "%20"));
  } catch (error) {
    throw new PareError(`a bucket's listing has a key that is not encoded as it says: ${key}`, { cause: error });
  }
}

/** What stands in each element of this name. A listing has no attributes there, and none of them in one of its own name. */
function elements(xml: string, name: string): string[] {
  const texts = [...xml.matchAll(new RegExp(`<${name}>(.*?)</${name}>`, "gs"))].map(([, text]) => text);
  const entities: Readonly<Record<string, string>> = { quot: '"', apos: "'", lt: "<", gt: ">", amp: "&", "#34": '"' };
  return texts.map((text) => text.replace(/&([a-z]+|#34);/g, (whole, entity) => entities[entity] ?? whole));
}
