/**
 * Answers as bytes that are ready to send: hashed and compressed once, then sent as often as they are asked for. What was
 * read of a run stays true until the run's next event, so a page of hundreds of linears costs a look at the event log and
 * no more; that is what makes thousands of requests a second light while a prune is running.
 */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { Context } from "hono";

/** Bytes below which compression saves no packet: what fits one Ethernet frame with its headers. */
const SMALL = 1400;

/** Bytes that a cache holds at most. */
const CAPACITY = 64 * 2 ** 20;

/** An answer. */
export interface Prepared {
  readonly type: string;
  readonly etag: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly gzip?: Uint8Array<ArrayBuffer>;
}

/** Hashes and compresses. */
export function prepare(body: string | Uint8Array<ArrayBuffer>, type: string): Prepared {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  // Weak: the compressed bytes have the same one.
  const etag = `W/"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`;
  const compressible = bytes.length > SMALL && type !== "image/png";
  return { type, etag, bytes, ...compressible && { gzip: new Uint8Array(gzipSync(bytes)) } };
}

/** A value as an answer. */
export function prepareJson(value: unknown): Prepared {
  return prepare(JSON.stringify(value), "application/json");
}

/** Answers by name, each for one version of what it was made of; the least lately used go first. */
export class PreparedCache {
  readonly #held = new Map<string, { readonly version: number; readonly answer: Prepared }>();
  #bytes = 0;

  /** The answer of this name and version, made if it is not here. */
  get(name: string, version: number, make: () => Prepared): Prepared {
    const known = this.#held.get(name);
    if (known) this.#forget(name);
    const answer = known?.version === version ? known.answer : make();
    this.#held.set(name, { version, answer });
    this.#bytes += size(answer);
    for (const oldest of this.#held.keys()) {
      if (this.#bytes <= CAPACITY || oldest === name) break;
      this.#forget(oldest);
    }
    return answer;
  }

  #forget(name: string): void {
    this.#bytes -= size(this.#held.get(name)!.answer);
    this.#held.delete(name);
  }
}

function size({ bytes, gzip }: Prepared): number {
  return bytes.length + (gzip?.length ?? 0);
}

/** Sends an answer: compressed if the client takes that, and not at all if it has it already. */
export function send(context: Context, { type, etag, bytes, gzip }: Prepared): Response {
  const headers: Record<string, string> = { etag, "cache-control": "no-cache", vary: "accept, accept-encoding" };
  if (has(context.req.header("if-none-match"), etag)) return context.body(null, 304, headers);
  headers["content-type"] = type.startsWith("text/") ? `${type}; charset=utf-8` : type;
  const compressed = gzip && takesGzip(context.req.header("accept-encoding"));
  if (compressed) headers["content-encoding"] = "gzip";
  return context.body(compressed ? gzip : bytes, 200, headers);
}

/** RFC 9110, section 13.1.2: any of the list, compared weakly. */
function has(ifNoneMatch: string | undefined, etag: string): boolean {
  const opaque = (tag: string) => tag.trim().replace(/^W\//, "");
  return ifNoneMatch?.split(",").some((tag) => tag.trim() === "*" || opaque(tag) === opaque(etag)) ?? false;
}

/** RFC 9110, section 12.5.3: named, and not with a weight of zero. */
function takesGzip(acceptEncoding: string | undefined): boolean {
  return acceptEncoding?.split(",").some((coding) => /^\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*$).*)?$/.test(coding)) ?? false;
}
