/**
 * Requests to the Hub: the endpoint, the token, another try when the network or the server stumbles, and one clear
 * error when it was not that. `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HOME` and `HF_HUB_DOWNLOAD_TIMEOUT` mean
 * what they mean to huggingface_hub. What is asked for is in `hub.ts` and `download.ts`.
 */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { HUB_URL } from "@huggingface/hub";
import { PareError } from "../../errors.ts";
import type { Repository } from "./repository.ts";

/** How often a request is sent before the Hub counts as out of reach: enough for a restart, short for a missing network. */
export const TRIES = 4;

/** Wait before the second try; it doubles with every further one. */
const FIRST_WAIT_MS = 250;

/** Seconds without an answer or a byte after which a connection counts as dead: huggingface_hub's own default. */
const DEFAULT_TIMEOUT_S = 10;

/** Statuses that may pass by themselves: too many requests, and the server's own trouble. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Requests about one repository. */
export class HubClient {
  /** The Hub's address, without a slash at its end. */
  readonly endpoint: string;
  /** Milliseconds without a byte after which a connection counts as dead. */
  readonly timeout: number;
  readonly #token: string | undefined;

  private constructor(
    /** What the requests are about. */
    readonly repository: Repository,
    endpoint: string,
    token: string | undefined,
  ) {
    this.endpoint = endpoint;
    this.timeout = 1000 * (Number(Deno.env.get("HF_HUB_DOWNLOAD_TIMEOUT")) || DEFAULT_TIMEOUT_S);
    this.#token = token;
  }

  /**
   * Reads the environment; nothing is asked of the network yet.
   * @param endpoint The Hub's address; `HF_ENDPOINT`, or the public one, unless given.
   * @throws PareError if the endpoint is no address.
   */
  static async open(repository: Repository, endpoint?: string): Promise<HubClient> {
    const address = endpoint ?? (Deno.env.get("HF_ENDPOINT") || HUB_URL);
    if (!URL.canParse(address) || !/^https?:/i.test(address)) {
      throw new PareError(`HF_ENDPOINT: expected an address such as ${HUB_URL}, found ${JSON.stringify(address)}`);
    }
    return new HubClient(repository, address.replace(/\/+$/, ""), await readToken());
  }

  /** Where a file's bytes are to be had. */
  resolveUrl(commit: string, path: string): string {
    const { type, id } = this.repository;
    const kind = type === "dataset" ? "datasets/" : "";
    return `${this.endpoint}/${kind}${id}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`;
  }

  /**
   * `fetch` with the token (to the Hub only, never to where it redirects) and with further tries. Without a `signal`
   * the whole answer must come within the timeout. An arrow function, to be handed to `@huggingface/hub`.
   * @throws PareError if the Hub cannot be reached, or answers with an error that another try will not mend.
   */
  readonly fetch = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const url = input instanceof Request ? input.url : String(input);
    const headers = new Headers(init.headers);
    if (this.#token && new URL(url).origin === new URL(this.endpoint).origin) {
      headers.set("Authorization", `Bearer ${this.#token}`);
    }
    for (let attempt = 1;; attempt++) {
      let response: Response;
      try {
        response = await fetch(url, { ...init, headers, signal: init.signal ?? AbortSignal.timeout(this.timeout) });
      } catch (error) {
        // A caller with a signal of its own knows best what its end means.
        if (!isNetworkError(error) || init.signal?.aborted) throw error;
        if (attempt === TRIES) throw this.#unreachable(error);
        await pause(attempt);
        continue;
      }
      if (response.ok || response.status === 416) return response;
      await response.body?.cancel();
      if (attempt === TRIES || !PASSING.has(response.status)) throw this.#refused(response);
      await pause(attempt);
    }
  };

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

/** Waits before another try. */
export function pause(attempt: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, FIRST_WAIT_MS * 2 ** (attempt - 1)));
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
async function readToken(): Promise<string | undefined> {
  const home = Deno.env.get("HF_HOME") ??
    join(Deno.env.get("XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "huggingface");
  const path = Deno.env.get("HF_TOKEN_PATH") ?? join(home, "token");
  const token = Deno.env.get("HF_TOKEN") ?? await readFile(path, "utf8").catch(() => "");
  return token.trim() || undefined;
}
