/**
 * Requests to the Hub: the endpoint, the token, another try when the network or the server stumbles, and one clear
 * error when it was not that. `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HOME` and `HF_HUB_DOWNLOAD_TIMEOUT` mean
 * what they mean to huggingface_hub. What is asked for is in `hub.ts` and `download.ts`.
 *
 * A server may be slow, silent or endless. Nothing here waits for the whole of an answer by the clock: a connection lives
 * as long as bytes come (`watch.ts`), and what is held in memory has a limit.
 */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { insteadOf, PareError, UNSEEN } from "../../errors.ts";
import { api } from "./api.ts";
import type { Repository } from "./repository.ts";
import { retryAfter } from "./retry_after.ts";
import { Watch } from "./watch.ts";

/** How often a request is sent before the Hub counts as out of reach: enough for a restart, short for a missing network. */
const TRIES = 4;

/** Wait before the second try; it doubles with every further one. */
const FIRST_WAIT_MS = 250;

/** The longest wait that a server may ask for: the Hub counts requests over five minutes. */
const LONGEST_WAIT_MS = 300_000;

/** Seconds without progress after which a connection counts as dead: huggingface_hub's own default. */
const DEFAULT_TIMEOUT_S = 10;

/** Bytes a second below which a connection that takes a file counts as dead: nothing tells how much of it has gone. */
const LEAST_SENT = 64 << 10;

/** Bytes of an answer of the Hub's API. A page of a thousand files has a third of a megabyte. */
const LONGEST_ANSWER = 16 << 20;

/** Statuses that may pass by themselves: too many requests, and the server's own trouble. */
export const PASSING: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** How requests are made. */
export interface ConnectionOptions {
  /** The Hub's address; `HF_ENDPOINT`, or the public one, unless given. */
  readonly endpoint?: string;
  /**
   * Milliseconds without progress after which a connection counts as dead; `HF_HUB_DOWNLOAD_TIMEOUT` (in seconds), or
   * ten seconds, unless given.
   */
  readonly silence?: number;
  /** Waits so many milliseconds before another try; a timer unless given. */
  readonly wait?: (milliseconds: number) => Promise<void>;
}

/** Takes an answer in; tells the watch of every byte. */
type Use<T> = (response: Response, watch: Watch) => Promise<T>;

/** A request whose every try goes on where the one before was cut. */
interface Resumed {
  /** The bytes that are here. */
  reached(): number;
  /** The error if the tries are used up. */
  lost(cause: unknown): PareError;
}

/** Requests about one repository. */
export class HubClient {
  /** The Hub's address, without a slash at its end. */
  readonly endpoint: string;
  readonly #silence: number;
  readonly #wait: (milliseconds: number) => Promise<void>;
  readonly #token: string | undefined;

  private constructor(
    /** What the requests are about. */
    readonly repository: Repository,
    endpoint: string,
    token: string | undefined,
    { silence, wait }: ConnectionOptions,
  ) {
    this.endpoint = endpoint;
    this.#silence = silence ?? 1000 * (Number(Deno.env.get("HF_HUB_DOWNLOAD_TIMEOUT")) || DEFAULT_TIMEOUT_S);
    this.#wait = wait ?? ((milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)));
    this.#token = token;
  }

  /**
   * Reads the environment; nothing is asked of the network yet.
   * @throws PareError if the endpoint is no address.
   */
  static async open(repository: Repository, options: ConnectionOptions = {}): Promise<HubClient> {
    const { HUB_URL } = await api(), address = options.endpoint ?? (Deno.env.get("HF_ENDPOINT") || HUB_URL);
    if (!URL.canParse(address) || !/^https?:/i.test(address)) {
      throw new PareError(`HF_ENDPOINT: expected an address such as ${HUB_URL}, found ${JSON.stringify(address)}`);
    }
    return new HubClient(repository, address.replace(/\/+$/, ""), await readToken(), options);
  }

  /** Where a file's bytes are to be had. */
  resolveUrl(commit: string, path: string): string {
    const { type, id } = this.repository;
    const kind = type === "dataset" ? "datasets/" : "";
    return `${this.endpoint}/${kind}${id}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`;
  }

  /**
   * `fetch` for the Hub's API: its answer is here as a whole when it is given. An arrow function, to be handed to
   * `@huggingface/hub`.
   * @throws PareError as {@linkcode request}, or if the answer does not end.
   */
  readonly fetch = (input: string | URL | Request, init: RequestInit = {}): Promise<Response> =>
    this.request(input instanceof Request ? input.url : String(input), () => init, async (response, watch) => {
      const parts: Uint8Array<ArrayBuffer>[] = [];
      let length = 0;
      for await (const bytes of response.body ?? []) {
        watch.progress(bytes.length);
        length += bytes.length;
        if (length > LONGEST_ANSWER) {
          throw new PareError(`${this.endpoint} does not answer as the Hub does (more than ${LONGEST_ANSWER} bytes)`);
        }
        parts.push(bytes);
      }
      const { status, statusText, headers } = response;
      return new Response(new Blob(parts), { status, statusText, headers });
    });

  /**
   * Sends a request with the token (to the Hub only, never to where it redirects), and again when the network or the
   * server stumbles, until `use` has taken the answer in. Who asks too often waits as long as the server says.
   * @param init What is sent: asked for before every try, since a later one may ask for less.
   * @param resumed Of a download: tries that bring enough do not count.
   * @throws PareError if the Hub cannot be reached, or answers with an error that another try will not mend.
   */
  async request<T>(url: string, init: () => RequestInit, use: Use<T>, resumed?: Resumed): Promise<T> {
    for (let failures = 0, before = resumed?.reached() ?? 0;;) {
      const sent = init();
      using watch = new Watch(this.#silence + 1000 * sizeOf(sent.body) / LEAST_SENT);
      let failure: PareError, asked = 0;
      try {
        const response = await fetch(url, { ...this.#authorized(url, sent), signal: watch.signal });
        watch.restart();
        if (response.ok || response.status === 416) return await use(response, watch);
        await response.body?.cancel();
        failure = this.#refused(response);
        if (!PASSING.has(response.status)) throw failure;
        asked = retryAfter(response.headers);
        if (asked > LONGEST_WAIT_MS) {
          throw new PareError(`${failure.message}, and asks to wait for ${Math.ceil(asked / 1000)} s; try again then`);
        }
      } catch (error) {
        if (!isNetworkError(error)) throw error;
        failure = resumed?.lost(error) ?? this.#unreachable(error);
      }
      // A connection that is cut after a few bytes is half a failure: no download takes a connection for every byte.
      const reached = resumed?.reached() ?? 0, gain = reached - before;
      before = Math.max(before, reached);
      failures = gain >= watch.least ? 0 : failures + (gain > 0 && !watch.signal.aborted ? 0.5 : 1);
      if (failures >= TRIES) throw failure;
      await this.#wait(Math.max(asked, FIRST_WAIT_MS * 2 ** Math.max(0, Math.ceil(failures) - 1)));
    }
  }

  #authorized(url: string, init: RequestInit): RequestInit {
    const headers = new Headers(init.headers);
    if (this.#token && new URL(url).origin === new URL(this.endpoint).origin) {
      headers.set("Authorization", `Bearer ${this.#token}`);
    }
    return { ...init, headers };
  }

  /** The error for a Hub that cannot be reached, and what to do without it. */
  #unreachable(cause: unknown): PareError {
    const { type, id } = this.repository;
    const instead = type === "model"
      ? "without a network, give the directory of a model on this machine"
      : "without a network, give a text or JSONL file, or sample";
    const found = `cannot reach the Hub at ${this.endpoint} for ${type} ${id} (${describe(cause)})`;
    return new PareError(`${found}; ${instead}`, { cause });
  }

  #refused(response: Response): PareError {
    const { endpoint, repository: { type, id } } = this;
    const { status } = response;
    const code = response.headers.get("X-Error-Code");
    if (code === "GatedRepo") {
      const page = `${endpoint}/${type === "dataset" ? "datasets/" : ""}${id}`;
      return new PareError(`${type} ${id} is gated (${status}): accept its terms at ${page} and set HF_TOKEN`);
    }
    if (code === "RevisionNotFound") return new PareError(`${type} ${id} has no such revision on the Hub (${status})`);
    // Without a token the Hub answers 401 for what does not exist, too: it does not tell what is private.
    if (status === 401 || status === 403) {
      const why = this.#token
        ? "the token in use (HF_TOKEN) does not open it"
        : "if it is private or gated, set HF_TOKEN";
      return new PareError(`the Hub at ${endpoint} shows no ${type} ${id} (${status}): ${why}`);
    }
    if (status === 404) {
      return new PareError(`the Hub at ${endpoint} has no ${type} ${id}, or a file of it is gone (404)`);
    }
    return new PareError(
      `the Hub at ${endpoint} answered ${status} ${response.statusText} for ${type} ${id}`.trimEnd(),
    );
  }
}

/** Bytes of what is sent, where that can be told. */
function sizeOf(body: RequestInit["body"]): number {
  if (body instanceof Blob) return body.size;
  if (typeof body === "string") return body.length;
  return body instanceof ArrayBuffer || ArrayBuffer.isView(body) ? body.byteLength : 0;
}

/** Whether a connection failed, was cut or timed out, as opposed to a bug or a missing permission. */
export function isNetworkError(error: unknown): boolean {
  if (error instanceof DOMException) return error.name === "TimeoutError" || error.name === "AbortError";
  return error instanceof TypeError || error instanceof Deno.errors.Http ||
    error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.UnexpectedEof;
}

/** What went wrong with the network, innermost, in one line, without the long address of the request. */
export function describe(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error
    ? describe(cause)
    : message.replace(/^error sending request for url \(\S*\): /, "").replace(/\s+/g, " ");
}

/** The token of the environment, or the one that `hf auth login` left. */
export async function readToken(): Promise<string | undefined> {
  const home = Deno.env.get("HF_HOME") ??
    join(Deno.env.get("XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "huggingface");
  const path = Deno.env.get("HF_TOKEN_PATH") ?? join(home, "token");
  const token = Deno.env.get("HF_TOKEN") ?? await readFile(path, "utf8").catch(insteadOf(UNSEEN, ""));
  return token.trim() || undefined;
}
