/**
 * Requests to a server that holds a model or is to take one. Ranges of files are asked for again from where they were cut,
 * waited for as the server says and a little longer each time, held to one version of the file, and followed through
 * redirects without the credentials; what is sent is sent again as a whole. What a server may do wrong is listed in
 * `tests/checkpoint/remote_test.ts`.
 */
import { AwsV4Signer } from "npm:aws4fetch@1.0.20";
import { PareError } from "../../errors.ts";
import { describe, isNetworkError, PASSING } from "../hub/client.ts";
import { retryAfter } from "../hub/retry_after.ts";
import { Watch } from "../hub/watch.ts";
import type { Credentials, FileVersion } from "./model.ts";

/** Requests that are under way at once: enough to hide a round trip of 100 ms at 1 Gbit/s with pieces of 8 MiB. */
const AT_ONCE = 8;

/** How often a range is asked for without a byte of it coming. */
const TRIES = 6;

/** Wait before the second try; it doubles with every further one, times a random factor from a half to one and a half. */
const FIRST_WAIT_MS = 250;

/** The longest wait that a server may ask for. */
const LONGEST_WAIT_MS = 300_000;

/** Milliseconds without progress after which a connection counts as dead. */
const SILENCE_MS = 10_000;

/** Redirects in a row: the Hub takes one, a mirror in front of it another. */
const MOST_REDIRECTS = 5;

/** Bytes a second below which a connection that takes a file counts as dead: nothing tells how much of it has gone. */
const LEAST_SENT = 64 << 10;

/** Bytes of an answer to something that was sent: S3's are a few hundred. */
const LONGEST_ANSWER = 1 << 20;

/** Milliseconds that a redirect is remembered for: signed addresses of object stores live five minutes at least. */
const REDIRECT_MS = 120_000;

/** How a client behaves. */
export interface RangeOptions {
  /** The only servers that may be asked, `host:port`; all unless given. */
  readonly hosts?: readonly string[];
  /** Milliseconds without progress after which a connection counts as dead. */
  readonly silence?: number;
  /** Waits before another try; a timer unless given. */
  readonly wait?: (milliseconds: number) => Promise<void>;
  /** From 0 to 1, for the length of waits. */
  readonly random?: () => number;
}

/** A range, and of which version of its file it is. */
export interface FoundRange {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly version: FileVersion;
}

/** What is sent to a server. */
export interface Sent {
  readonly method: "HEAD" | "PUT" | "POST" | "DELETE";
  readonly body?: Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
  /** What one must be allowed for it, as the server's own rules call it. */
  readonly permission: string;
}

/** What came back, whole; its status is one of success, or 404. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** `host:port` of an address, as permissions name it. */
export function hostOf(url: string | URL): string {
  const { hostname, port, protocol } = new URL(url);
  return `${hostname}:${port || (protocol === "https:" ? 443 : 80)}`;
}

/** See the file's head. */
export class RangeClient {
  /** All servers that have answered, `host:port`. */
  readonly answered = new Set<string>();
  readonly #redirects = new Map<string, { readonly target: string; readonly until: number }>();
  readonly #waiting: (() => void)[] = [];
  #under = 0;

  constructor(private readonly credentials: Credentials, private readonly options: RangeOptions = {}) {}

  /**
   * Bytes of a file, from `offset` on: `length` of them, or fewer where it ends.
   * @param version The one that it must be of.
   * @returns Undefined if there is no such file.
   * @throws PareError if the server cannot be reached, refuses, has another version or does not answer ranges.
   */
  async read(url: string, offset: number, length: number, version?: FileVersion): Promise<FoundRange | undefined> {
    await this.#enter();
    try {
      return await this.#read(url, offset, length, version);
    } finally {
      this.#leave();
    }
  }

  /** A small answer, whole, such as a listing. @throws PareError as {@linkcode read}, or if it is larger than `most`. */
  async text(url: string, most: number): Promise<string> {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let bytes = 0;
    await this.#retry(url, {}, () => 0, async (response, watch) => {
      parts.length = bytes = 0;
      for await (const part of response.body ?? []) {
        watch.progress(part.length);
        bytes += part.length;
        if (bytes > most) throw new PareError(`${url}: an answer of more than ${most} bytes; expected a listing`);
        parts.push(part);
      }
    });
    return await new Blob(parts).text();
  }

  /**
   * Sends something, again if need be.
   * @throws PareError if the server cannot be reached or refuses.
   */
  async send(url: string, sent: Sent): Promise<Answer> {
    await this.#enter();
    try {
      return await this.#retry(url, { ...sent.headers }, () => 0, async (response, watch) => {
        let text = "";
        const decoder = new TextDecoder();
        for await (const part of response.body ?? []) {
          watch.progress(part.length);
          text += decoder.decode(part, { stream: true });
          if (text.length > LONGEST_ANSWER) {
            throw new PareError(`${url}: an answer of more than ${LONGEST_ANSWER} bytes`);
          }
        }
        return { status: response.status, headers: response.headers, text };
      }, sent);
    } finally {
      this.#leave();
    }
  }

  async #read(url: string, offset: number, most: number, pinned?: FileVersion): Promise<FoundRange | undefined> {
    let bytes = new Uint8Array(pinned ? most : 0), filled = 0, version = pinned, length = most;
    const range = () => ({ Range: `bytes=${offset + filled}-${offset + length - 1}` });
    const found = await this.#retry(url, range, () => filled, async (response, watch) => {
      if (response.status === 404) return "absent";
      // Of a file of no bytes there is no range.
      const empty = !version && isEmpty(response);
      if (response.status === 416 && !empty) throw changed(url, "it is shorter than it was");
      const now = empty ? { bytes: 0, ...tagsOf(response) } : versionOf(url, response, offset + filled);
      if (version) refuseChange(url, version, now);
      else {
        length = Math.min(most, now.bytes - offset);
        bytes = new Uint8Array(length);
      }
      version = now;
      if (length === 0) {
        await response.body?.cancel();
        return "whole";
      }
      for await (const part of response.body ?? []) {
        watch.progress(part.length);
        const wanted = part.subarray(0, length - filled);
        bytes.set(wanted, filled);
        filled += wanted.length;
        if (filled === length) return "whole";
      }
      throw new TypeError("the connection ended early");
    });
    return found === "absent" ? undefined : { bytes, version: version! };
  }

  /** Sends a request until an answer was taken in; tries that bring bytes do not count. */
  async #retry<T>(
    url: string,
    headers: Record<string, string> | (() => Record<string, string>),
    reached: () => number,
    use: (response: Response, watch: Watch) => Promise<T>,
    sent?: Sent,
  ): Promise<T> {
    const { silence = SILENCE_MS, random = Math.random, wait = sleep } = this.options;
    const verb = sent && sent.method !== "HEAD" ? "write" : "read";
    for (let failures = 0, before = reached();;) {
      using watch = new Watch(silence + 1000 * (sent?.body?.length ?? 0) / LEAST_SENT);
      let failure: PareError, asked = 0;
      try {
        const own = typeof headers === "function" ? headers() : headers;
        const response = await this.#follow(url, own, watch.signal, verb, sent);
        watch.restart();
        if (response.ok || response.status === 404 || response.status === 416) return await use(response, watch);
        failure = refused(`cannot ${verb} ${url}`, url, response, await codeOf(response), this.credentials, sent);
        if (!PASSING.has(response.status)) throw failure;
        asked = retryAfter(response.headers);
        if (asked > LONGEST_WAIT_MS) {
          throw new PareError(`${failure.message}, and asks to wait for ${Math.ceil(asked / 1000)} s; try again then`);
        }
      } catch (error) {
        if (!isNetworkError(error)) throw error;
        failure = new PareError(`cannot ${verb} ${url}: ${describe(error)}`, { cause: error });
      }
      failures = reached() > before ? 1 : failures + 1;
      before = reached();
      if (failures >= TRIES) throw failure;
      await wait(Math.max(asked, FIRST_WAIT_MS * 2 ** (failures - 1) * (0.5 + random())));
    }
  }

  /** Sends one request, through redirects. */
  async #follow(
    url: string,
    headers: Record<string, string>,
    signal: AbortSignal,
    verb: string,
    sent?: Sent,
  ): Promise<Response> {
    const { method, body } = sent ?? { method: "GET" };
    const known = this.#redirects.get(url), fresh = known && known.until > performance.now() ? known.target : undefined;
    let target = fresh ?? url;
    for (let redirects = 0;; redirects++) {
      this.#refuseHost(`cannot ${verb} ${url}`, target);
      const request = await this.#signed(method, target, { "Accept-Encoding": "identity", ...headers });
      const response = await fetch(target, { method, body, headers: request, redirect: "manual", signal });
      this.answered.add(hostOf(target));
      if (target === fresh && [401, 403, 404, 410].includes(response.status)) {
        // A signed address that has run out.
        await response.body?.cancel();
        this.#redirects.delete(url);
        target = url;
        continue;
      }
      const location = response.headers.get("Location");
      if (![301, 302, 303, 307, 308].includes(response.status) || location === null) {
        if (target !== url && target !== fresh) {
          this.#redirects.set(url, { target, until: performance.now() + REDIRECT_MS });
        }
        return response;
      }
      await response.body?.cancel();
      if (redirects >= MOST_REDIRECTS) {
        throw new PareError(`cannot ${verb} ${url}: more than ${MOST_REDIRECTS} redirects`);
      }
      if (!URL.canParse(location, target)) throw new PareError(`cannot ${verb} ${url}: it redirects to no address`);
      const next = new URL(location, target);
      if (!/^https?:$/.test(next.protocol) || target.startsWith("https:") && next.protocol !== "https:") {
        throw new PareError(
          `cannot ${verb} ${url}: it redirects to ${next.protocol}//${next.host}, which is not https`,
        );
      }
      target = next.href;
    }
  }

  #refuseHost(failure: string, target: string): void {
    const { hosts } = this.options, host = hostOf(target);
    if (!hosts || hosts.includes(host)) return;
    throw new PareError(`${failure}: it redirects to ${host}, which it did not when the run began`);
  }

  async #signed(method: string, url: string, headers: Record<string, string>): Promise<HeadersInit> {
    const { credentials } = this;
    if (credentials.kind === "none" || new URL(url).origin !== credentials.origin) return headers;
    if (credentials.kind === "bearer") return { ...headers, Authorization: `Bearer ${credentials.token}` };
    return (await new AwsV4Signer({ method, url, headers, service: "s3", ...credentials }).sign()).headers;
  }

  async #enter(): Promise<void> {
    while (this.#under >= AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#under++;
  }

  #leave(): void {
    this.#under--;
    this.#waiting.shift()?.();
  }
}

const sleep = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

/** The version that an answer to a request for a range is of. */
function versionOf(url: string, response: Response, offset: number): FileVersion {
  if (response.status === 200) {
    throw new PareError(`${url}: the server does not answer range requests; fetch the model and give its directory`);
  }
  if (!["identity", null].includes(response.headers.get("Content-Encoding"))) {
    throw new PareError(`${url}: the server compresses ranges of it; expected its bytes as they are`);
  }
  const [, from, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get("Content-Range") ?? "") ?? [];
  if (Number(from) !== offset || !Number.isSafeInteger(Number(total))) {
    const found = response.headers.get("Content-Range") ?? "nothing";
    throw new PareError(`${url}: asked for bytes from ${offset} on, the server says it answers ${found}`);
  }
  return { bytes: Number(total), ...tagsOf(response) };
}

/** Whether a file is said to have no bytes, whatever was asked for of it. */
function isEmpty({ status, headers }: Response): boolean {
  return status === 200 && headers.get("Content-Length") === "0" ||
    status === 416 && headers.get("Content-Range") === "bytes */0";
}

/** What the server tells a file's version by. */
function tagsOf({ headers }: Response): Pick<FileVersion, "etag" | "modified"> {
  const etag = headers.get("ETag") || undefined, modified = headers.get("Last-Modified") || undefined;
  return etag !== undefined ? { etag } : modified !== undefined ? { modified } : {};
}

function refuseChange(url: string, before: FileVersion, now: FileVersion): void {
  if (before.bytes !== now.bytes) throw changed(url, `${now.bytes} bytes, before ${before.bytes}`);
  for (const kind of ["etag", "modified"] as const) {
    if (before[kind] === undefined || before[kind] === now[kind]) continue;
    throw changed(url, `${kind === "etag" ? "ETag" : "Last-Modified"} ${now[kind] ?? "none"}, before ${before[kind]}`);
  }
}

const changed = (url: string, how: string) =>
  new PareError(`${url} has changed since the run began: ${how}; begin again`);

/** What S3 calls an error, in its answer; the answer is over then. */
async function codeOf(response: Response): Promise<string | undefined> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    chunks.push(part);
    if ((bytes += part.length) > LONGEST_ANSWER) break;
  }
  return /<Code>(\w{1,100})<\/Code>/.exec(await new Blob(chunks).text())?.[1];
}

/** What S3 calls credentials that are none, whatever they were to allow. */
const ABOUT_KEYS: Readonly<Record<string, string>> = {
  InvalidAccessKeyId: "it knows no such AWS_ACCESS_KEY_ID",
  SignatureDoesNotMatch: "AWS_SECRET_ACCESS_KEY is not that of the AWS_ACCESS_KEY_ID",
  ExpiredToken: "the AWS_SESSION_TOKEN has run out",
  InvalidToken: "the AWS_SESSION_TOKEN is none",
};

/** What may be done to a bucket that is read. */
const READING = "s3:GetObject (and s3:ListBucket for the listing)";

function refused(
  failure: string,
  url: string,
  { status, statusText, headers }: Response,
  code: string | undefined,
  { kind }: Credentials,
  { permission = READING }: Partial<Sent> = {},
): PareError {
  const region = headers.get("x-amz-bucket-region");
  if (code === "RequestTimeTooSkewed") {
    const there = headers.get("Date") ?? "another time";
    return new PareError(
      `${failure}: its clock says ${there}, this machine's ${new Date().toUTCString()}: set the clock`,
    );
  }
  if (region && (status === 301 || code === "AuthorizationHeaderMalformed")) {
    return new PareError(`${failure}: the bucket is in ${region}: set AWS_REGION=${region}`);
  }
  if (code !== undefined && code in ABOUT_KEYS) {
    return new PareError(`${failure}: denied (${status}): ${ABOUT_KEYS[code]} (${code})`);
  }
  if (status === 401 || status === 403) {
    const why = {
      none: url.includes("amazonaws.com") || url.includes("s3")
        ? "no AWS credentials were found"
        : "it asks for credentials",
      bearer: "the token in use (HF_TOKEN) does not open it",
      s3: `the credentials in use do not allow ${permission}`,
    }[kind];
    return new PareError(`${failure}: denied (${status}): ${why}${code ? ` (${code})` : ""}`);
  }
  return new PareError(`${failure}: the server answered ${status} ${code ?? statusText}`.trimEnd());
}
