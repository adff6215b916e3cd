/**
 * A Hub on loopback: real HTTP, with the parts of the Hub's interface that a client meets (revision, tree with pages,
 * paths-info, resolve, and what a commit asks: preupload, LFS's batch, uploads, commit), small files from the Hub itself, large ones by a redirect to a second origin, as its CDN is. It
 * keeps a log, and can misbehave in the ways that networks and servers do.
 */
import { createHash } from "node:crypto";

/** The commit that every repository here is at. */
export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

/** Branches that repositories have besides `main`: the Hub's own, of data sets as parquet. */
const BRANCHES = ["refs/convert/parquet"];

/** Entries in a page of the tree: few, so that there is more than one page. */
const PAGE = 3;

/** A file of a repository. */
interface HubFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Large files are kept apart and named by SHA-256. */
  readonly large: boolean;
  /** What the server says its bytes hash to. */
  digest: string;
  /** How many bytes the server says it has. */
  size: number;
}

/** A request as it came. */
export interface Seen {
  readonly method: string;
  /** "hub" or "cdn". */
  readonly origin: string;
  readonly path: string;
  readonly range: string | null;
  readonly token: string | null;
}

/** How the server misbehaves; each is used up as it happens. */
export interface Faults {
  /** Bytes after which the connection of a download is cut, one number for each of the next downloads. */
  cuts: number[];
  /** Bytes after which the next downloads go silent. */
  stalls: number[];
  /** How many requests are answered by `busy`. */
  unavailable: number;
  /** Status and headers of those: 503 and none at first. */
  busy: { status: number; headers?: HeadersInit };
  /** Milliseconds between two bytes of every answer from now on. */
  trickle?: number;
  /** Whether an answer of the API never ends. */
  endless: boolean;
  /** Whether the last page of a list names a next one. */
  endlessPages: boolean;
  /** Whether ranges are ignored. */
  noRanges: boolean;
  /** Status and headers instead of any answer about files. */
  refusal?: { status: number; headers?: HeadersInit };
  /** Whether the token may read only. */
  readOnly: boolean;
  /** What is answered to the next uploads of large files, or that their connection is cut. */
  uploads: (number | "cut")[];
  /** The status of the next commits. */
  commits: number[];
}

/** The two servers, until disposed. */
export class FakeHub implements AsyncDisposable {
  readonly seen: Seen[] = [];
  readonly faults: Faults = {
    cuts: [],
    stalls: [],
    unavailable: 0,
    busy: { status: 503 },
    endless: false,
    endlessPages: false,
    noRanges: false,
    readOnly: false,
    uploads: [],
    commits: [],
  };
  /** Commits that were made: their repository, branch, and what became of which files. */
  readonly commits: { repository: string; branch: string; title: string; changes: string[] }[] = [];
  /** SHA-256 of large files that were sent, and are in no repository yet. */
  readonly uploaded = new Map<string, Uint8Array<ArrayBuffer>>();
  /** Bytes of a part of a large file that is to come in several. */
  partBytes = 1 << 20;
  readonly #files = new Map<string, Map<string, HubFile>>();
  readonly #hub = this.#serve("hub", (request, url) => this.#answer(request, url));
  readonly #cdn = this.#serve(
    "cdn",
    (request, url) =>
      request.method === "GET" ? this.#send(request, this.#blob(url.pathname.slice(1))) : this.#take(request, url),
  );

  /** The address for `HF_ENDPOINT`. */
  readonly endpoint = `http://127.0.0.1:${this.#hub.addr.port}`;

  /** Puts a file into a repository such as `models/owner/name`. */
  put(repository: string, path: string, bytes: Uint8Array<ArrayBuffer> | string, large = path.endsWith("s")): HubFile {
    const content = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
    const hash = large ? createHash("sha256") : createHash("sha1").update(`blob ${content.length}\0`);
    const file = { bytes: content, large, digest: hash.update(content).digest("hex"), size: content.length };
    const files = this.#files.get(repository) ?? new Map();
    this.#files.set(repository, files.set(path, file));
    return file;
  }

  /** The downloads that were asked for, with their ranges. */
  downloads(): string[] {
    const downloads = this.seen.filter(({ path, origin }) => origin === "cdn" || path.includes("/resolve/"));
    return downloads.map(({ origin, path, range }) => `${origin} ${path.split("/").at(-1)} ${range ?? "whole"}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stalled.abort();
    await this.#hub.shutdown(); // twice does no harm
    await this.#cdn.shutdown();
  }

  readonly #stalled = new AbortController();

  #serve(origin: string, answer: (request: Request, url: URL) => Response | Promise<Response>) {
    return Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      onListen() {},
      onError: () => new Response(null, { status: 500 }),
    }, async (request) => {
      const url = new URL(request.url);
      const { method, headers } = request;
      this.seen.push({
        method,
        origin,
        path: url.pathname,
        range: headers.get("Range"),
        token: headers.get("Authorization"),
      });
      if (this.faults.unavailable > 0) {
        this.faults.unavailable--;
        return new Response("try later", this.faults.busy);
      }
      const response = await answer(request, url);
      const { trickle } = this.faults;
      if (trickle === undefined || !response.ok) return response;
      return new Response(drip(await response.bytes(), trickle, this.#stalled.signal), response);
    });
  }

  async #answer(request: Request, url: URL): Promise<Response> {
    const { refusal } = this.faults;
    if (refusal) return new Response("no", refusal);
    const writing = await this.#answerWriting(request, url);
    if (writing) return writing;
    const [, api, kind, owner, name, what, revision] = url.pathname.match(
      /^\/(api\/)?(?:(models|datasets)\/)?([^/]+)\/([^/]+)\/(revision|tree|paths-info|resolve)\/([^/]+)/,
    ) ?? [];
    const repository = `${kind ?? "models"}/${owner}/${name}`;
    const files = this.#files.get(repository);
    if (!files) return new Response("no", { status: 404, headers: { "X-Error-Code": "RepoNotFound" } });
    if (!["main", COMMIT, ...BRANCHES].includes(decodeURIComponent(revision))) {
      return new Response("no", { status: 404, headers: { "X-Error-Code": "RevisionNotFound" } });
    }
    if (api && this.faults.endless) return new Response(repeat("[".repeat(1 << 16)));
    if (what === "revision") return Response.json({ _id: "1", id: `${owner}/${name}`, sha: COMMIT });
    const entries = [...files].map(([path, file]) => describe(path, file));
    if (what === "tree") {
      const first = Number(url.searchParams.get("cursor") ?? 0);
      const next = `<${this.endpoint}${url.pathname}?cursor=${first + PAGE}>; rel="next"`;
      const headers: HeadersInit = first + PAGE < entries.length || this.faults.endlessPages ? { Link: next } : {};
      return Response.json(entries.slice(first, first + PAGE), { headers });
    }
    if (what === "paths-info") {
      const { paths } = await request.json();
      return Response.json(entries.filter(({ path }) => paths.includes(path)));
    }
    const path = decodeURIComponent(url.pathname.split(`/resolve/${revision}/`)[1]);
    const file = files.get(path);
    if (api || !file) return new Response("no", { status: 404, headers: { "X-Error-Code": "EntryNotFound" } });
    if (!file.large) return this.#send(request, file.bytes);
    return Response.redirect(`http://127.0.0.1:${this.#cdn.addr.port}/${file.digest}`, 302);
  }

  /** What a commit asks, in its order; undefined for anything else. */
  async #answerWriting(request: Request, url: URL): Promise<Response | undefined> {
    const lfs = /^\/([^/]+\/[^/]+)\.git\/info\/lfs\/objects\/batch$/.exec(url.pathname);
    const [, id = lfs?.[1], what = "batch", branch = ""] =
      /^\/api\/models\/([^/]+\/[^/]+)\/(preupload|commit)\/([^/]+)$/.exec(url.pathname) ?? [];
    if (id === undefined) return undefined;
    const repository = `models/${id}`, files = this.#files.get(repository);
    if (!files) return new Response("no", { status: 404 });
    if (this.faults.readOnly) return Response.json({ error: "no write access" }, { status: 403 });
    if (what === "preupload") {
      const asked: { path: string }[] = (await request.json()).files;
      return Response.json({
        files: asked.map(({ path }) => ({ path, uploadMode: path.endsWith(".safetensors") ? "lfs" : "regular" })),
      });
    }
    if (what === "batch") {
      const { objects } = await request.json() as { objects: { oid: string; size: number }[] };
      return Response.json({
        transfer: "basic",
        objects: objects.map(({ oid, size }) => {
          const there = this.uploaded.has(oid) || [...files.values()].some(({ digest }) => digest === oid);
          const href = `http://127.0.0.1:${this.#cdn.addr.port}/${oid}`, parts = Math.ceil(size / this.partBytes);
          const numbers = Array.from({ length: parts }, (_, at) => `${at + 1}`.padStart(5, "0"));
          const header = parts > 1 && {
            chunk_size: `${this.partBytes}`,
            ...Object.fromEntries(numbers.map((part) => [part, `${href}?part=${part}`])),
          };
          return { oid, size, ...!there && { actions: { upload: { href, ...header && { header } } } } };
        }),
      });
    }
    const status = this.faults.commits.shift();
    if (status) return Response.json({ error: `refused with ${status}` }, { status });
    const [header, ...lines] = (await request.text()).split("\n").map((line) => JSON.parse(line));
    if (header.value.parentCommit !== COMMIT) return Response.json({ error: "not the parent" }, { status: 412 });
    const changes: string[] = [];
    for (const { key, value } of lines) {
      changes.push(`${key} ${value.path}`);
      if (key === "deletedFile") files.delete(value.path);
      else if (key === "file") this.put(repository, value.path, Uint8Array.fromBase64(value.content), false);
      else if (!this.uploaded.has(value.oid)) {
        if (![...files.values()].some(({ digest }) => digest === value.oid)) return new Response("no", { status: 422 });
      } else this.put(repository, value.path, this.uploaded.get(value.oid)!, true);
    }
    this.commits.push({ repository, branch: decodeURIComponent(branch), title: header.value.summary, changes });
    return Response.json({ commitOid: COMMIT, commitUrl: `${this.endpoint}/${id}/commit/${COMMIT}`, success: true });
  }

  /** Takes a large file, whole or in parts. */
  async #take(request: Request, url: URL): Promise<Response> {
    const oid = url.pathname.slice(1), fault = this.faults.uploads.shift();
    if (fault === "cut") {
      await request.bytes();
      return new Response(new ReadableStream({ start: (controller) => controller.error(new Error("cut")) }));
    }
    const bytes = await request.bytes();
    if (fault) return new Response("no", { status: fault });
    const part = url.searchParams.get("part");
    if (request.method === "PUT" && part !== null) {
      this.#parts.set(`${oid} ${part}`, bytes);
      return new Response(null, { headers: { ETag: `"${part}"` } });
    }
    const parts = [...this.#parts].filter(([name]) => name.startsWith(oid)).sort(([a], [b]) => a < b ? -1 : 1);
    const whole = request.method === "PUT" ? bytes : await new Blob(parts.map(([, part]) => part)).bytes();
    if (createHash("sha256").update(whole).digest("hex") !== oid) return new Response("no", { status: 400 });
    this.uploaded.set(oid, whole as Uint8Array<ArrayBuffer>);
    return new Response(null);
  }

  readonly #parts = new Map<string, Uint8Array<ArrayBuffer>>();

  /** The bytes of a file of a repository; undefined if it has none of that name. */
  bytesOf(repository: string, path: string): Uint8Array<ArrayBuffer> | undefined {
    return this.#files.get(repository)?.get(path)?.bytes;
  }

  #blob(digest: string): Uint8Array<ArrayBuffer> {
    for (const files of this.#files.values()) {
      for (const file of files.values()) if (file.digest === digest) return file.bytes;
    }
    throw new Error(`no blob ${digest}`);
  }

  #send(request: Request, bytes: Uint8Array<ArrayBuffer>): Response {
    const range = this.faults.noRanges ? null : request.headers.get("Range");
    const [, first, last] = range?.match(/^bytes=(\d+)-(\d*)$/) ?? [], start = Number(first ?? 0);
    const end = last ? Math.min(Number(last) + 1, bytes.length) : bytes.length;
    if (start > 0 && start >= bytes.length) return new Response(null, { status: 416 });
    const rest = bytes.subarray(start, end);
    const cut = this.faults.cuts.shift();
    const stall = cut === undefined ? this.faults.stalls.shift() : undefined;
    const { signal } = this.#stalled;
    const body = cut === undefined && stall === undefined ? rest : new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(rest.subarray(0, cut ?? stall));
        // The bytes before must be on their way, or the cut would take them along.
        await new Promise((resolve) => setTimeout(resolve, 50));
        if (cut !== undefined) controller.error(new Error("cut"));
        else signal.addEventListener("abort", () => controller.error(new Error("over")));
      },
    });
    const headers: Record<string, string> = { "Content-Length": String(rest.length) };
    if (range) headers["Content-Range"] = `bytes ${start}-${end - 1}/${bytes.length}`;
    return new Response(body, { status: range ? 206 : 200, headers });
  }
}

/** A file as the Hub's API lists it. */
function describe(path: string, { size, large, digest }: HubFile) {
  if (!large) return { type: "file", path, size, oid: digest };
  const pointer = "f".repeat(40); // the hash of the pointer in git, which no client needs
  return {
    type: "file",
    path,
    size,
    oid: pointer,
    lfs: { oid: digest, size, pointerSize: 130 },
  };
}

/** Bytes one by one, so many milliseconds apart, until whoever reads has enough or the server ends. */
function drip(bytes: Uint8Array, milliseconds: number, signal: AbortSignal): ReadableStream<Uint8Array> {
  let sent = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
      if (signal.aborted || sent === bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(sent, ++sent));
    },
  });
}

/** The same text for ever. */
function repeat(text: string): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  return new ReadableStream({ pull: (controller) => controller.enqueue(bytes) });
}

/** Runs a test with a Hub of its own, an empty cache, and nothing else of the environment. */
export async function withHub(test: (hub: FakeHub, home: string) => Promise<void>): Promise<void> {
  const home = await Deno.makeTempDir();
  const names = ["HF_HOME", "HF_ENDPOINT", "HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"];
  const before = [...names, "HF_HUB_DOWNLOAD_TIMEOUT"].map((name) => [name, Deno.env.get(name)] as const);
  await using hub = new FakeHub();
  for (const [name] of before) Deno.env.delete(name);
  Deno.env.set("HF_HOME", home);
  Deno.env.set("HF_ENDPOINT", hub.endpoint);
  try {
    await test(hub, home);
  } finally {
    for (const [name, value] of before) value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
    await Deno.remove(home, { recursive: true });
  }
}

/** All files under a directory, by path, without the locks; links with what they lead to. */
export async function tree(directory: string, prefix = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory, isSymlink } of Deno.readDir(`${directory}/${prefix}`)) {
    const path = `${prefix}${name}`;
    if (name === ".locks") continue;
    if (isDirectory) found.push(...await tree(directory, `${path}/`));
    else found.push(isSymlink ? `${path} -> ${await Deno.readLink(`${directory}/${path}`)}` : path);
  }
  return found.sort();
}
