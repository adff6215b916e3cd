/**
 * A bucket on this machine, in memory, that does wrong what it is told to: the part of S3's interface that a checkpoint needs
 * (objects with their metadata, uploads in parts, listings by the page, ranges). A request that is signed must be signed by
 * the secret `s`, which s3rver, whose signatures of version 4 are any, does not ask.
 */
import { temporary } from "./folders.ts";
import { isSignedWith } from "./signature.ts";

/** Objects of a page of a listing, as S3 has them. */
const PAGE = 1000;

/** An object as it lies there. */
interface Stored {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly sha256: string | null;
}

/** A request as it came. */
export interface AskedOfBucket {
  readonly method: string;
  /** The key, after the bucket's name. */
  readonly key: string;
  readonly query: URLSearchParams;
}

/** What is answered in the place of what S3 would; `cut` ends the connection before all of an answer is there. */
export type BucketFault = Response | "cut" | undefined;

/** An answer of S3 that is an error. */
export function s3Error(status: number, code: string, headers: HeadersInit = {}): Response {
  return new Response(`<?xml version="1.0"?><Error><Code>${code}</Code></Error>`, { status, headers });
}

/** See the file's head. */
export class BucketServer implements AsyncDisposable {
  readonly objects = new Map<string, Stored>();
  readonly asked: AskedOfBucket[] = [];
  /** Bytes that were sent to it and taken. */
  taken = 0;
  /** What goes wrong with a request. */
  fault: (asked: AskedOfBucket) => BucketFault = () => undefined;
  readonly #uploads = new Map<string, { sha256: string | null; parts: Map<number, Uint8Array<ArrayBuffer>> }>();
  readonly #server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {}, onError: () => new Response(null, { status: 500 }) },
    (request) => this.#answer(request),
  );

  /** The address for `AWS_ENDPOINT_URL_S3`. */
  get endpoint(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** Uploads that were begun and neither ended nor given up. */
  get pending(): number {
    return this.#uploads.size;
  }

  /** What was written, in order: `PUT key`, `POST key` for an upload that was put together, `DELETE key`. */
  writes(): string[] {
    return this.asked.filter(({ method, query }) =>
      method === "PUT" && !query.has("partNumber") || method === "POST" && query.has("uploadId") ||
      method === "DELETE" && !query.has("uploadId")
    ).map(({ method, key }) => `${method} ${key}`);
  }

  async #answer(request: Request): Promise<Response> {
    const url = new URL(request.url), [, bucket, ...rest] = decodeURIComponent(url.pathname).split("/");
    const asked = { method: request.method, key: rest.join("/"), query: url.searchParams };
    const fault = this.fault(asked);
    if (fault === "cut") {
      await request.bytes();
      return new Response(new ReadableStream({ start: (controller) => controller.error(new Error("cut")) }));
    }
    const body = await request.bytes();
    this.asked.push(asked);
    if (fault) return fault;
    const path = url.pathname + url.search, { method, headers } = request;
    if (headers.has("Authorization") && !isSignedWith({ method, path, headers, before: 0 }, "s")) {
      return s3Error(403, "SignatureDoesNotMatch");
    }
    if (bucket !== "models") return s3Error(404, "NoSuchBucket");
    if (request.headers.get("x-amz-content-sha256")?.length === 64) {
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", body)).toHex();
      if (digest !== request.headers.get("x-amz-content-sha256")) return s3Error(400, "XAmzContentSHA256Mismatch");
    }
    this.taken += body.length;
    return asked.key === "" ? this.#list(asked.query) : this.#object(request, asked, body);
  }

  #object({ headers }: Request, { method, key, query }: AskedOfBucket, body: Uint8Array<ArrayBuffer>): Response {
    const sha256 = headers.get("x-amz-meta-sha256"), id = query.get("uploadId");
    if (method === "POST" && query.has("uploads")) {
      const upload = crypto.randomUUID();
      this.#uploads.set(upload, { sha256, parts: new Map() });
      return new Response(
        `<InitiateMultipartUploadResult><UploadId>${upload}</UploadId></InitiateMultipartUploadResult>`,
      );
    }
    if (id !== null) {
      const upload = this.#uploads.get(id);
      if (!upload) return s3Error(404, "NoSuchUpload");
      if (method === "PUT") {
        upload.parts.set(Number(query.get("partNumber")), body);
        return new Response(null, { headers: { ETag: `"${query.get("partNumber")}"` } });
      }
      this.#uploads.delete(id);
      if (method === "DELETE") return new Response(null, { status: 204 });
      const numbers = [...new TextDecoder().decode(body).matchAll(/<PartNumber>(\d+)</g)].map(([, number]) => +number);
      const parts = numbers.map((number) => upload.parts.get(number)!);
      if (parts.slice(0, -1).some(({ length }) => length < 5 << 20)) return s3Error(400, "EntityTooSmall");
      const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
      parts.reduce((at, part) => (bytes.set(part, at), at + part.length), 0);
      this.objects.set(key, { bytes, sha256: upload.sha256 });
      return new Response("<CompleteMultipartUploadResult></CompleteMultipartUploadResult>");
    }
    if (method === "PUT") {
      this.objects.set(key, { bytes: body, sha256 });
      return new Response(null);
    }
    if (method === "DELETE") return new Response(null, { status: this.objects.delete(key) ? 204 : 404 });
    const found = this.objects.get(key);
    if (!found) return new Response(null, { status: 404 });
    const meta = { ETag: `"${key}"`, ...found.sha256 && { "x-amz-meta-sha256": found.sha256 } };
    if (method === "HEAD") {
      return new Response(null, { headers: { ...meta, "Content-Length": `${found.bytes.length}` } });
    }
    const [, from = "0", to = ""] = /^bytes=(\d+)-(\d*)$/.exec(headers.get("Range") ?? "") ?? [];
    const part = found.bytes.subarray(+from, to === "" ? undefined : +to + 1);
    const range = `bytes ${from}-${+from + part.length - 1}/${found.bytes.length}`;
    return new Response(part, { status: 206, headers: { ...meta, "Content-Range": range } });
  }

  #list(query: URLSearchParams): Response {
    const prefix = query.get("prefix") ?? "", after = query.get("continuation-token") ?? "";
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
    const page = keys.slice(0, PAGE), more = keys.length > PAGE;
    const contents = page.map((key) =>
      `<Contents><Key>${encodeURIComponent(key)}</Key><Size>${
        this.objects.get(key)!.bytes.length
      }</Size><ETag>"${key}"</ETag></Contents>`
    );
    const next = more ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : "";
    return new Response(
      `<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>${more}</IsTruncated>${next}${
        contents.join("")
      }</ListBucketResult>`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** Runs a test with a bucket, `s3://models`, the environment that leads there, and a folder. */
export async function withBucket(test: (bucket: BucketServer, folder: string) => Promise<void>): Promise<void> {
  using folder = temporary();
  await using bucket = new BucketServer();
  const variables = {
    ...{ AWS_ACCESS_KEY_ID: "k", AWS_SECRET_ACCESS_KEY: "s" },
    ...{ AWS_ENDPOINT_URL_S3: bucket.endpoint, AWS_SHARED_CREDENTIALS_FILE: "/dev/null" },
  };
  const before = Object.keys(variables).map((name) => [name, Deno.env.get(name)] as const);
  for (const [name, value] of Object.entries(variables)) Deno.env.set(name, value);
  try {
    await test(bucket, folder.path);
  } finally {
    for (const [name, value] of before) value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
  }
}
